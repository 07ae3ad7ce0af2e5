//! The right to a green thread's result.
#![forbid(unsafe_code)]

use super::{JoinError, Thread, ThreadId, ThreadState};
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::runtime::task::{Blocker, Cause, Joinable, TaskRef, Who};
use crate::sys::process;
use crate::sys::time::deadline_after;
use std::fmt;
use std::time::{Duration, Instant};

/// Owns the right to join a green thread, as [`std::thread::JoinHandle`]; and the means to end it early and to look at it, as
/// gevent's `Greenlet`. Dropping the handle detaches the green thread, which then runs on its own.
///
/// It is `Send` and `Sync` when the result is `Send`, which [`spawn`](crate::spawn) asks for.
///
/// # Examples
/// ```
/// use greenthread::{spawn, thread};
///
/// let answer = spawn(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
///
/// let endless = spawn(|| loop { thread::park() });
/// assert!(!endless.is_finished());
/// endless.kill();
/// assert!(endless.join().unwrap_err().is_killed());
/// ```
#[doc(alias("Greenlet", "AsyncResult", "Task", "Thread"))]
pub struct JoinHandle<T> {
    joinable: Joinable<T>,
}

/// Schedules the green thread if it is paused.
#[inline]
pub(crate) fn start(thread: &Thread) {
    #[cold]
    fn start_paused(thread: &Thread) {
        if let Some(paused) = thread.task().take_paused() {
            paused.start();
        }
    }
    if thread.task().is_paused() {
        start_paused(thread);
    }
}

/// Whether `join` would not wait: after the end, for the caller itself, and in a forked child, which has its parent's
/// handles but not its green threads.
pub(crate) fn is_over(task: &TaskRef) -> bool {
    task.is_done() || task.is_parents() || park::is_caller(task)
}

pub(super) fn kill(thread: &Thread) {
    thread.task().kill();
    #[cfg(panic = "abort")]
    if thread.task().has_started() && !thread.task().rests() && !thread.task().is_done() {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            crate::sys::report(format_args!(
                "green thread '{thread}' has been killed but goes on: with panic = \"abort\" nothing can be unwound"
            ));
        });
    }
}

impl<T> JoinHandle<T> {
    pub(super) fn new(joinable: Joinable<T>) -> Self {
        Self { joinable }
    }

    /// Waits for the green thread to end and returns its value. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`JoinError`] if there is no value: the green thread panicked, was killed or could not run; or it is the caller
    /// itself, which would wait for ever. If the caller forked the process and the green thread lives in the parent, that is
    /// an error too.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(greenthread::spawn(|| "value").join().unwrap(), "value");
    /// ```
    pub fn join(self) -> Result<T, JoinError> {
        self.wait_until(None);
        self.finish()
    }

    /// Like [`join`](Self::join), for at most `timeout`. Suspends a green thread, blocks an OS thread. The green thread goes on
    /// if the time runs out.
    ///
    /// # Errors
    /// The handle itself if the time ran out. Otherwise the result is `Ok` and holds what [`join`](Self::join) returns.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let handle = greenthread::spawn(|| greenthread::thread::park());
    /// let handle = handle.join_timeout(Duration::from_millis(1)).unwrap_err();
    /// handle.kill();
    /// assert!(handle.join().unwrap_err().is_killed());
    /// ```
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        if self.wait_until(deadline_after(timeout)) { Ok(self.finish()) } else { Err(self) }
    }

    /// Starts a green thread that was made by [`Builder::start_paused`](crate::Builder::start_paused), which has an example. Does
    /// nothing to one that has been started. Does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::Builder;
    ///
    /// let paused = Builder::new().start_paused().spawn(|| "done")?;
    /// // Whatever has to be arranged before it runs: links, a place in a table.
    /// paused.link_value(|value| println!("{value}"));
    /// paused.start();
    /// assert_eq!(paused.join().unwrap(), "done");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start(&self) {
        start(self.thread());
    }

    /// Ends the green thread by unwinding it at its next suspension point (the next call that waits), or at once if it waits
    /// now. One that has not begun never runs; one that has ended is left as it is. Returns without waiting for the end; does
    /// not suspend, not even a green thread that kills itself. As gevent's `kill(block=False)` and the `cancel` of asyncio's
    /// tasks.
    ///
    /// A kill is not a panic: the panic hook stays silent, locks are not poisoned, and [`JoinError::is_killed`] tells it from a
    /// panic. Destructors run on the way, and may wait. A body that catches the unwinding and returns a value has that value;
    /// one that goes on is killed again at its next suspension point. [`shield`](crate::shield) puts a kill off.
    ///
    /// If a destructor waits while a function is already returning, the kill unwinds out of that destructor, and rustc (1.95)
    /// then leaks the value that was being returned.
    ///
    /// With `panic = "abort"` nothing can be unwound: a green thread that has begun goes on, and the first time this happens
    /// standard error says so.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpsc::channel;
    /// struct Goodbye(greenthread::sync::mpsc::Sender<&'static str>);
    /// impl Drop for Goodbye {
    ///     fn drop(&mut self) {
    ///         self.0.send("cleaned up").unwrap();
    ///     }
    /// }
    /// let (sender, receiver) = channel();
    /// let handle = greenthread::spawn(move || {
    ///     let goodbye = Goodbye(sender);
    ///     goodbye.0.send("waiting").unwrap();
    ///     greenthread::thread::park();
    /// });
    /// assert_eq!(receiver.recv(), Ok("waiting"));
    /// handle.kill();
    /// assert_eq!(receiver.recv(), Ok("cleaned up"));
    /// assert!(handle.join().unwrap_err().is_killed());
    /// ```
    #[doc(alias("cancel", "abort", "terminate", "throw", "GreenletExit", "CancelledError"))]
    pub fn kill(&self) {
        kill(self.thread());
    }

    /// Kills the green thread and waits for its end, for at most `timeout`, as gevent's `kill(block=True)`. Returns whether it
    /// has ended. Suspends a green thread, blocks an OS thread.
    ///
    /// A green thread that calls this on itself unwinds from here.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let handle = greenthread::spawn(|| greenthread::sleep(Duration::from_secs(1000)));
    /// assert!(handle.kill_and_wait(Duration::from_secs(60)));
    /// assert!(handle.is_finished() && handle.join().unwrap_err().is_killed());
    /// ```
    pub fn kill_and_wait(&self, timeout: Duration) -> bool {
        self.kill();
        if park::is_caller(self.joinable.task()) {
            park::yield_now();
            // It is unwinding already, or shielded.
            return false;
        }
        self.wait_until(deadline_after(timeout))
    }

    /// Lets the green thread run on its own, as dropping the handle does; the call says that it is meant.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = greenthread::sync::mpsc::channel();
    /// greenthread::spawn(move || sender.send("done without a handle")).detach();
    /// assert!(receiver.recv().is_ok());
    /// ```
    pub fn detach(self) {}

    /// Waits for the end. Returns `false` if the deadline passed first. Returns at once if it is the caller's own end.
    pub(crate) fn wait_until(&self, deadline: Option<Instant>) -> bool {
        let task = self.joinable.task();
        while !is_over(task) {
            start(self.thread());
            let parker = Parker::new();
            let waiter = parker.waiter();
            if !task.add_waiter(waiter.clone()) {
                break;
            }
            match parker.park_on(Reason::Join, deadline, Blocker::Task(task)) {
                Wake::Notified => {}
                Wake::TimedOut => {
                    task.remove_waiter(&waiter);
                    return task.is_done();
                }
                Wake::Killed => {
                    task.remove_waiter(&waiter);
                    park::raise_kill();
                }
            }
        }
        true
    }

    fn finish(self) -> Result<T, JoinError> {
        if !self.is_finished() {
            let cause = if self.joinable.task().is_parents() {
                Cause::Io(process::belongs_to_parent("the green thread"))
            } else {
                Cause::OwnJoin
            };
            return Err(JoinError::new(cause, self.joinable.task()));
        }
        let mut result = None;
        self.joinable.take_result_into(&mut result);
        // This is not a closure, which would need room for another result on the stack.
        match result {
            Some(result) => result,
            None => Err(JoinError::new(Cause::Killed, Who::Unknown)),
        }
    }

    /// Whether the green thread has ended: then [`join`](Self::join) does not wait. As
    /// [`std::thread::JoinHandle::is_finished`]; [`state`](Self::state) tells how it ended. Does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{spawn, thread};
    ///
    /// let handle = spawn(thread::park);
    /// assert!(!handle.is_finished());
    /// handle.thread().unpark();
    /// thread::wait([&handle], 1);
    /// assert!(handle.is_finished());
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.joinable.task().is_done()
    }

    /// How far the green thread has come, and how it ended, without taking its result. Does not suspend. As gevent's
    /// `ready` and `successful`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{spawn, thread::{self, ThreadState}};
    /// let handle = spawn(|| 1);
    /// thread::wait([&handle], 1);
    /// assert_eq!(handle.state(), ThreadState::Returned);
    /// assert!(format!("{handle:?}").contains("Returned"));
    /// assert_eq!(handle.result().unwrap().as_ref().unwrap(), &1);
    /// assert_eq!(handle.join().unwrap(), 1);
    /// ```
    #[doc(alias("successful", "ready", "is_alive"))]
    #[must_use]
    pub fn state(&self) -> ThreadState {
        self.thread().state()
    }

    /// A look at what [`join`](Self::join) will return; `None` until the green thread has ended. Does not suspend. As gevent's
    /// `value` and `exception`.
    ///
    /// # Examples
    /// ```
    /// let handle = greenthread::spawn(|| "value");
    /// greenthread::thread::wait([&handle], 1);
    /// assert_eq!(*handle.result().unwrap().as_ref().unwrap(), "value");
    /// ```
    #[doc(alias("value", "exception"))]
    #[must_use]
    pub fn result(&self) -> Option<&Result<T, JoinError>>
    where
        T: Sync,
    {
        self.joinable.result()
    }

    /// The green thread itself: its name, id, labels and state, and [`unpark`](Thread::unpark).
    ///
    /// # Examples
    /// See also [`id`](Self::id) and [`name`](Self::name), which give these two directly.
    /// ```
    /// use greenthread::{spawn, thread};
    ///
    /// let sleeper = spawn(thread::park);
    /// let thread = sleeper.thread().clone();
    /// // The clone neither keeps it alive nor joins it: this is for others that may wake it.
    /// spawn(move || thread.unpark());
    /// assert!(sleeper.name().is_none() && sleeper.id() == sleeper.thread().id());
    /// sleeper.join().unwrap();
    /// ```
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.joinable.thread()
    }

    /// The green thread's id.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.thread().id()
    }

    /// The green thread's name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.thread().name()
    }
}

/// # Links
///
/// Callbacks for the end of a green thread, as gevent's `link`. Each runs exactly once, with the result, in the order in which
/// they were added, also when the green thread was killed before it began or its runtime ended. They run in the green thread
/// that ends, after its body and before those that join it go on, so they may wait. A link that is added after the end runs
/// at once, in the caller. (If a green thread never ran because its runtime had ended, its links run on the OS thread that
/// finds this out.)
///
/// A link that panics keeps no other link from running; its panic goes to the
/// [uncaught hook](crate::thread::set_uncaught_hook). A kill ends the body only: the links after it run undisturbed.
///
/// The result must be `Sync`, since links may see it from several threads at once.
impl<T: Sync + 'static> JoinHandle<T> {
    /// Calls `f` with what [`join`](Self::join) will return, at the end of the green thread. Does not suspend, unless the green
    /// thread has ended and `f` waits.
    ///
    /// # Examples
    /// ```
    /// use std::sync::mpsc::channel;
    /// let (send, receive) = channel();
    /// let handle = greenthread::spawn(|| 6 * 7);
    /// handle.link(move |result| send.send(result.as_ref().ok().copied()).unwrap());
    /// handle.join().unwrap();
    /// assert_eq!(receive.recv(), Ok(Some(42)));
    /// ```
    #[doc(alias("add_done_callback", "rawlink"))]
    pub fn link(&self, f: impl FnOnce(&Result<T, JoinError>) + Send + 'static) {
        self.joinable.link(f);
    }

    /// Calls `f` with the value, if the green thread returns one; otherwise `f` is dropped. As [`link`](Self::link) in
    /// everything else.
    ///
    /// # Examples
    /// Where several green threads look for something, and the first is enough:
    /// ```
    /// use greenthread::{spawn, sync::mpsc::channel};
    ///
    /// let (found, first) = channel();
    /// let searchers = [1, 2, 3].map(|place| spawn(move || place * 10));
    /// for searcher in &searchers {
    ///     let found = found.clone();
    ///     searcher.link_value(move |value| drop(found.send(*value)));
    /// }
    /// assert!([10, 20, 30].contains(&first.recv().unwrap()));
    /// ```
    pub fn link_value(&self, f: impl FnOnce(&T) + Send + 'static) {
        self.link(|result| {
            if let Ok(value) = result {
                f(value);
            }
        });
    }

    /// Calls `f` with the reason, if the green thread ends without a value; otherwise `f` is dropped. As [`link`](Self::link) in
    /// everything else.
    ///
    /// # Examples
    /// ```
    /// let (send, receive) = std::sync::mpsc::channel();
    /// let handle = greenthread::spawn(greenthread::thread::park);
    /// handle.link_failure(move |error| send.send(error.is_killed()).unwrap());
    /// handle.kill();
    /// assert_eq!(receive.recv(), Ok(true));
    /// ```
    #[doc(alias("link_exception"))]
    pub fn link_failure(&self, f: impl FnOnce(&JoinError) + Send + 'static) {
        self.link(|result| {
            if let Err(error) = result {
                f(error);
            }
        });
    }
}

impl<T: 'static> JoinHandle<T> {
    /// Like `link`, for the handle of a green thread that stays on this OS thread, as the handle does.
    pub(super) fn link_local(&self, f: impl FnOnce(&Result<T, JoinError>) + 'static) {
        self.joinable.link_local(f);
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("JoinHandle");
        out.field("thread", self.thread()).field("state", &self.state()).finish_non_exhaustive()
    }
}

/// What must not compile.
///
/// It is `Send` and `Sync` when the result is `Send`, which [`spawn`](crate::spawn) asks for:
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<greenthread::JoinHandle<std::rc::Rc<u8>>>();
/// ```
///
/// The result is `Sync` here, since links may see it from several threads at once.
/// ```compile_fail,E0599
/// let handle = greenthread::spawn(|| std::cell::Cell::new(1));
/// handle.link(|_| {});
/// ```
#[cfg(doctest)]
mod must_not_compile {}
