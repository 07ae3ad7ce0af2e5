//! A runtime, with worker threads or on a thread that lends itself.
#![forbid(unsafe_code)]

use super::builder::RuntimeBuilder;
use super::hub::current;
use super::hub::life::Phase;
use super::hub::scheduler::Scheduler;
use super::lane::shared::LaneShared;
use super::observe::inquiry::Inquiry;
use super::observe::watchdog::Watchdog;
use super::stragglers::Stragglers;
use super::task::TaskRef;
use super::task::paused::Paused;
use super::wait::park::{self, Parker, Reason, Wake};
use crate::coroutine;
use crate::stack::StackSize;
use crate::sys::{clock, process, report};
use crate::util::lock::Mutex;
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How long a runtime that is dropped waits for its green threads to unwind before it gives them up.
pub(super) const GRACE: Duration = Duration::from_secs(if cfg!(panic = "unwind") { 5 } else { 0 });
/// How long it waits after that for workers that do not return from user code.
const LAST_GRACE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Flavour {
    Workers(Mutex<Vec<std::thread::JoinHandle<()>>>),
    CurrentThread {
        /// Whether some thread runs it now.
        running: AtomicBool,
        /// Whether a green thread was given up on its hub, so that the hub cannot be used again.
        spoiled: AtomicBool,
    },
}

/// Runs green threads: on worker threads of its own, or on the thread that calls [`run`](Self::run).
///
/// Most programs need none of their own: the first [`spawn`](crate::spawn) starts a global runtime with a worker for each
/// processor (or as many as the environment variable `GREENTHREAD_WORKERS` says). A runtime of one's own is for tests, for
/// another stack size, and for green threads that are to end together.
///
/// # Examples
/// Two workers, for green threads that end with the runtime:
/// ```
/// use greenthread::{Runtime, spawn};
/// let runtime = Runtime::builder().workers(2).build()?;
/// let sum = runtime.run(|| {
///     let parts = [1..50, 50..101].map(|part| spawn(move || part.sum::<i32>()));
///     parts.into_iter().map(|part| part.join().unwrap()).sum::<i32>()
/// });
/// assert_eq!(sum.unwrap(), 5050);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Held up
/// A green thread that computes for long, or that waits in something of std's, keeps its worker from all green threads that have
/// started there. Those that have not started are taken over by other workers, within some tens of milliseconds.
///
/// When this lasts for five seconds (or the milliseconds in the environment variable `GREENTHREAD_WATCHDOG_MS`; zero is never)
/// for all workers of a runtime, or for one behind which others wait that could run, standard error is told which green threads
/// hold the workers, since when, in which system call if they sleep in one, and how many others wait. The thread that runs a
/// current-thread runtime is such a worker too. An OS thread of the library watches for that; while all workers sleep, it sleeps
/// too. With the feature `watchdog` the variable also sets
/// `RuntimeBuilder::watchdog` for the global runtime, whose report says where in the program the green thread is.
///
/// # Fork
/// In the child of a `fork` that does not `exec`, what belongs to the parent stays the parent's: its runtimes refuse to
/// [`run`](Self::run) and spawn, its green threads cannot be joined, and sockets are dropped without disturbing it. The child
/// may make other runtimes, and a global runtime of its own starts with its next [`spawn`](crate::spawn). A green thread that
/// forks goes on in the child as if on a plain OS thread. If it was `main` of a current-thread runtime, `run` returns in the
/// child too; otherwise the child ends when that green thread does. What other threads held at the fork, such as a lock, is held
/// for ever in the child.
///
/// # Exit
/// [`std::process::exit`] may be called by a green thread, and ends the process without unwinding the others. Exit handlers run
/// on its OS thread as on a plain one: they block it where they wait, and its green threads run no more, so a handler that
/// waits for one of these waits for ever. If the runtime has no other worker, what is spawned on it from then on ends as if
/// killed. All this begins with the first destructor of a thread-local that is older than the runtime's thread; destructors of
/// younger ones run before and may still be suspended. (Where `exit` runs no such destructors, as in musl, it begins with the
/// first handler that is older than the first runtime.) A neighbour that is inside `with` of a thread-local may then use it
/// after its destructor: see [what keeps the library sound](crate::guide::soundness). None of these limits is there for
/// `blocking(|| std::process::exit(code))`, which ends the process from an OS thread that has no green threads.
///
/// # Dropping
/// Dropping a runtime ends it: green threads that still run are killed (unwound at their next suspension point), new ones never
/// run, and the drop waits for their ends. On a green thread it suspends that only. What has not ended after five seconds is
/// given up: its stack is leaked, the OS thread of its worker sleeps for ever, and its name is printed;
/// [`shutdown`](Self::shutdown) returns the names instead. A runtime that is dropped by one of its own green threads ends in
/// the background. With `panic = "abort"` nothing can be unwound, and green threads that have begun are given up at once.
#[doc(alias("executor", "pool", "scheduler", "hub", "event_loop", "GOMAXPROCS"))]
pub struct Runtime {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) inquiry: Arc<Inquiry>,
    pub(super) flavour: Flavour,
    pub(super) stack_size: StackSize,
    /// Whether it was shut down.
    pub(super) over: bool,
    pub(super) _watchdog: Option<Watchdog>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("workers", &self.scheduler.width())
            .field("flavour", &self.flavour)
            .finish_non_exhaustive()
    }
}

// A panic leaves nothing half changed behind.
impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl Runtime {
    /// Starts a runtime with as many workers as the process may use processors.
    ///
    /// # Errors
    /// The error of the system call that failed, if a thread or a descriptor cannot be had.
    ///
    /// # Examples
    /// Whatever is spawned on it has ended when it is dropped:
    /// ```
    /// use greenthread::{Runtime, thread::park};
    ///
    /// let runtime = Runtime::new()?;
    /// let endless = runtime.spawn(park);
    /// drop(runtime);
    /// assert!(endless.join().unwrap_err().is_killed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// Makes a runtime without threads of its own: its green threads run on the thread that calls [`run`](Self::run) or
    /// [`run_local`](Self::run_local), one at a time and in a fixed order. Good for tests, for learning, and for a `main` that is
    /// not `Send`.
    ///
    /// # Errors
    /// There are none at present.
    ///
    /// # Examples
    /// ```
    /// use std::{cell::RefCell, rc::Rc};
    /// let log = Rc::new(RefCell::new(Vec::new()));
    /// let seen = log.clone();
    /// let runtime = greenthread::Runtime::new_current_thread()?;
    /// runtime.run_local(move || {
    ///     let child = greenthread::spawn(|| "child");
    ///     log.borrow_mut().push("main");
    ///     log.borrow_mut().push(child.join().unwrap());
    /// }).unwrap();
    /// assert_eq!(*seen.borrow(), ["main", "child"]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new_current_thread() -> io::Result<Self> {
        Self::builder().build_current_thread()
    }

    /// Settings for a runtime, which [`build`](RuntimeBuilder::build) starts.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::new()
    }

    /// Has a thread watch the workers, if `most` says how long a green thread may hold one up.
    pub(super) fn watched(mut self, most: Option<Duration>) -> io::Result<Self> {
        let start = |most| Watchdog::start(self.scheduler.hubs().to_vec(), most);
        self._watchdog = most.map(start).transpose()?;
        Ok(self)
    }

    /// # Errors
    /// If it belongs to the process from which this one was forked.
    pub(crate) fn check_is_own(&self) -> io::Result<()> {
        if self.scheduler.is_parents() {
            return Err(process::belongs_to_parent("this runtime"));
        }
        Ok(())
    }

    /// Whether the caller is on one of its workers.
    #[inline]
    pub(crate) fn is_callers(&self) -> bool {
        current::with_hub(|hub| Arc::ptr_eq(&hub.scheduler, &self.scheduler)).unwrap_or(false)
    }

    pub(crate) fn stack_size(&self) -> StackSize {
        self.stack_size
    }

    /// Adds a new task, which goes to the calling worker if that belongs to this runtime.
    #[inline]
    pub(crate) fn push(&self, task: TaskRef) {
        self.scheduler.enroll(&task);
        let mut task = Some(task);
        current::with_hub(|hub| {
            if Arc::ptr_eq(&hub.scheduler, &self.scheduler)
                && let Some(task) = task.take()
            {
                self.scheduler.push_from(hub, task);
            }
        });
        if let Some(task) = task {
            self.scheduler.inject(task);
        }
    }

    pub(crate) fn scheduler(&self) -> Arc<Scheduler> {
        Arc::clone(&self.scheduler)
    }

    /// Keeps a new task until it is started by hand.
    pub(crate) fn keep(&self, task: TaskRef) {
        Paused::keep(task, self.scheduler());
    }

    /// One of its lanes; the same number always gives the same one.
    pub(super) fn lane_for(&self, number: usize) -> &'static LaneShared {
        let hubs = self.scheduler.hubs();
        &hubs[number % hubs.len()].lane
    }

    /// Ends the runtime, as dropping it does, but within `timeout`, and returns what did not end by then. Green threads are killed,
    /// which unwinds them at their next suspension point, and new ones never run. To let them finish first, wait for them, as
    /// [`run`](Self::run) does. Suspends a green thread, blocks an OS thread. Calls of [`blocking`](crate::blocking()) are not
    /// waited for.
    ///
    /// # Errors
    /// [`Stragglers`]: the green threads that did not end within `timeout` and at most a second more. They catch their kill and
    /// go on, wait in a destructor or a [`shield`](crate::shield()), or do not wait at all. If one of the runtime's own green
    /// threads calls this, it is the straggler: it ends with the others, in the background.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let runtime = greenthread::Runtime::new()?;
    /// let sleeper = runtime.spawn(|| greenthread::sleep(Duration::from_secs(1000)));
    /// runtime.shutdown(Duration::from_secs(10)).expect("a sleeper can be killed");
    /// assert!(sleeper.join().unwrap_err().is_killed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(mut self, timeout: Duration) -> Result<(), Stragglers> {
        if self.scheduler.is_parents() {
            return Ok(());
        }
        let stragglers = self.end(timeout);
        self.over = true;
        if stragglers.are_none() { Ok(()) } else { Err(stragglers) }
    }

    fn end(&self, grace: Duration) -> Stragglers {
        self.scheduler.advance(Phase::Ending);
        let none = Stragglers { given_up: Vec::new(), busy: false };
        let threads = match &self.flavour {
            Flavour::Workers(threads) => threads,
            Flavour::CurrentThread { .. } => {
                // Nobody runs it now, since `run` borrows the runtime.
                self.scheduler.worker_ended();
                return none;
            }
        };
        if self.is_callers() {
            let own = park::own_task().to_string();
            return Stragglers { given_up: vec![own], ..none };
        }
        let until = clock::now().checked_add(grace);
        let mut ended = self.wait_for_end(until);
        if !ended {
            self.scheduler.advance(Phase::GivingUp);
            ended = self.wait_for_end(Some(clock::now() + LAST_GRACE));
        }
        let given_up = std::mem::take(&mut *self.scheduler.given_up.lock());
        // Destructors of a worker's thread-locals, which run now, may wait for a green thread of the caller's worker;
        // so only a plain OS thread waits for them. A worker that ends the process never ends, and may be the caller;
        // nor does a worker end that gave up a green thread.
        if ended && given_up.is_empty() && !coroutine::in_green_thread() && !process::is_exiting() {
            for thread in threads.lock().drain(..) {
                // A worker does not panic; if one did, its message has been printed.
                let _ = thread.join();
            }
        }
        Stragglers { given_up, busy: !ended }
    }

    /// Waits until the runtime has ended; returns `false` if that has not happened by then. `None` is for ever.
    fn wait_for_end(&self, until: Option<Instant>) -> bool {
        while !self.scheduler.has_ended() {
            let parker = Parker::uninterruptible();
            self.scheduler.add_end_waiter(parker.waiter());
            if self.scheduler.has_ended() {
                break;
            }
            if parker.park(Reason::Shutdown, until) == Wake::TimedOut {
                return self.scheduler.has_ended();
            }
        }
        true
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.scheduler.is_parents() {
            // The threads belong to the parent process; detaching a thread that does not exist would touch memory that
            // is gone.
            if let Flavour::Workers(threads) = &mut self.flavour {
                std::mem::forget(std::mem::take(threads.get_mut()));
            }
        } else if !self.over {
            let stragglers = self.end(GRACE);
            // A green thread that drops its own runtime ends with it, a moment later.
            if !stragglers.are_none() && !self.is_callers() {
                report(format_args!("{stragglers}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Runtime;
    use crate::sys::fault::{self, Syscall};
    use std::time::Duration;

    #[test]
    fn what_cannot_be_had_is_an_error_and_leaves_nothing() {
        let build = || Runtime::builder().workers(3).build();
        for (call, errno) in [
            (Syscall::EpollCreate, libc::EMFILE),
            (Syscall::EventFd, libc::ENFILE),
            (Syscall::Dup, libc::EMFILE),
            (Syscall::ThreadSpawn, libc::EAGAIN),
        ] {
            for skip in 0..3 {
                fault::fail(call, skip, 1, errno);
                let error = build().unwrap_err();
                if call == Syscall::ThreadSpawn {
                    let text = format!("cannot start the OS thread `greenthread-{skip}`: ");
                    let why = std::io::Error::from_raw_os_error(errno);
                    assert_eq!(error.to_string(), format!("{text}{why}"));
                } else {
                    assert_eq!(error.raw_os_error(), Some(errno), "{call:?}");
                }
            }
        }
        assert_eq!(build().unwrap().run(|| 1).unwrap(), 1);
        for call in [Syscall::EpollCreate, Syscall::EventFd, Syscall::Dup, Syscall::SigAltStack] {
            let runtime = Runtime::new_current_thread().unwrap();
            fault::fail(call, 0, 1, libc::EMFILE);
            let error = runtime.run_local(|| ()).unwrap_err();
            assert_eq!(error.io_error().unwrap().raw_os_error(), Some(libc::EMFILE), "{call:?}");
            runtime.run_local(|| ()).unwrap();
        }
    }

    #[test]
    fn a_stack_that_cannot_be_mapped_is_reported_by_the_handle() {
        std::thread::spawn(|| {
            let runtime = Runtime::new_current_thread().unwrap();
            fault::fail(Syscall::Mmap, 0, usize::MAX, libc::ENOMEM);
            let error = runtime.run_local(|| ()).unwrap_err();
            assert!(error.io_error().unwrap().to_string().contains("vm.max_map_count"), "{error}");
            fault::fail(Syscall::Mmap, 0, 0, 0);
            runtime.run_local(|| ()).unwrap();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_failing_wait_for_readiness_does_not_end_the_worker() {
        let runtime = Runtime::new_current_thread().unwrap();
        runtime
            .run_local(|| {
                fault::fail(Syscall::EpollWait, 0, 2, libc::EINVAL);
                crate::sleep(Duration::from_millis(2));
            })
            .unwrap();
    }
}
