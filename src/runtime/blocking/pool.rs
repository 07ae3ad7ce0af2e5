//! OS threads of one kind: as many as there is work for, up to a limit. Those that have had no work for a while end.
#![forbid(unsafe_code)]

use super::job::{BlockingCall, Job, Left};
use super::kind::Kind;
use crate::runtime::wait::park::{self, Parker, Reason, Wake};
use crate::sys::process::{self, PerProcess};
use crate::sys::thread;
use crate::util::lock::{Condvar, Mutex};
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

thread_local! {
    /// The kind of pool that this OS thread belongs to, if any.
    pub(super) static OF_A_POOL: Cell<Option<Kind>> = const { Cell::new(None) };
}

/// How long a thread waits for work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// A queue that has no more given-up jobs than this is not swept.
const SWEEP_ABOVE: usize = 64;

#[derive(Debug, Default)]
struct JobCounts {
    /// How many jobs of all pools are queued or running.
    open: AtomicUsize,
    /// How many threads all pools have.
    threads: AtomicUsize,
}

/// The counts of this process: a forked child has none of its parent's threads.
fn counts() -> &'static JobCounts {
    static COUNTS: PerProcess<JobCounts> = PerProcess::new();
    COUNTS.get(JobCounts::default)
}

/// How many threads all pools have, if no job is queued or running.
pub(crate) fn idle_threads() -> Option<usize> {
    let threads = counts().threads.load(Ordering::SeqCst);
    (counts().open.load(Ordering::SeqCst) == 0).then_some(threads)
}

#[derive(Default)]
struct JobPoolState {
    queue: VecDeque<Arc<dyn Job>>,
    /// How many jobs in the queue have been given up; it may be a few too many.
    given_up: usize,
    threads: usize,
    idle: usize,
    /// How many threads have ever been made.
    made: usize,
}

pub(super) struct JobPool {
    kind: Kind,
    limit: usize,
    state: Mutex<JobPoolState>,
    work: Condvar,
}

impl fmt::Debug for JobPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl JobPool {
    pub(super) fn new(kind: Kind, limit: usize) -> Self {
        Self { kind, limit, state: Mutex::default(), work: Condvar::new() }
    }

    /// See [`run`](super::run); the caller is a green thread.
    pub(super) fn run<F, T>(&'static self, body: F) -> T
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let parker = Parker::new();
        let call = Arc::new(BlockingCall::new(body, parker.waiter()));
        let queued = self.push(Arc::clone(&call) as Arc<dyn Job>);
        let wake = if queued { parker.park(Reason::Blocking, None) } else { Wake::Notified };
        match call.leave() {
            Left::Body(body) if !queued => body(),
            Left::Done(Ok(value)) if wake == Wake::Notified => value,
            Left::Done(Err(payload)) if wake == Wake::Notified => resume_unwind(payload),
            left => {
                if let Left::Body(_) = &left {
                    self.one_given_up();
                }
                // It is dropped before the unwinding, during which a panic of its destructor would end the process.
                drop(left);
                park::raise_kill()
            }
        }
    }

    /// Queues a job and makes sure that there is a thread for it. Returns `false`, and queues nothing, if there is no
    /// thread and none can be made.
    fn push(&'static self, job: Arc<dyn Job>) -> bool {
        let mut state = self.state.lock();
        if state.queue.len() >= state.idle && state.threads < self.limit {
            // The lock is held, as a job that is queued now must not rely on a thread that cannot be made.
            match self.spawn(state.made) {
                Ok(()) => {
                    state.made += 1;
                    state.threads += 1;
                    counts().threads.fetch_add(1, Ordering::SeqCst);
                }
                // The threads that are there will get to the job.
                Err(_) if state.threads > 0 => {}
                Err(_) => return false,
            }
        }
        counts().open.fetch_add(1, Ordering::SeqCst);
        state.queue.push_back(job);
        drop(state);
        self.work.notify_one();
        true
    }

    /// How many threads it has, how many of them have nothing to do, and how many jobs wait for one.
    #[allow(dead_code, reason = "metrics alone ask")]
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let state = self.state.lock();
        (state.threads, state.idle.min(state.threads), state.queue.len())
    }

    fn spawn(&'static self, number: usize) -> std::io::Result<()> {
        thread::start(&format!("gt-{}-{number}", self.kind.name()), None, || self.work()).map(drop)
    }

    /// The whole life of a thread.
    fn work(&self) {
        OF_A_POOL.set(Some(self.kind));
        let generation = process::generation();
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                let good = job.run();
                if process::generation() != generation {
                    // The job has forked, and this is the child, whose work is done.
                    std::process::exit(process::status(good));
                }
                drop(job);
                counts().open.fetch_sub(1, Ordering::SeqCst);
                state = self.state.lock();
                continue;
            }
            state.idle += 1;
            let timed_out = if self.kind == Kind::Starts {
                state = self.work.wait(state);
                false
            } else {
                let waited = self.work.wait_timeout(state, IDLE);
                state = waited.0;
                waited.1.timed_out()
            };
            state.idle -= 1;
            if timed_out && state.queue.is_empty() {
                state.threads -= 1;
                counts().threads.fetch_sub(1, Ordering::SeqCst);
                return;
            }
        }
    }

    /// Called when a job was given up that is in the queue or has just left it. Now and then the queue is swept of such
    /// jobs.
    fn one_given_up(&self) {
        let mut state = self.state.lock();
        state.given_up += 1;
        if state.given_up > SWEEP_ABOVE && state.given_up > state.queue.len() / 2 {
            let before = state.queue.len();
            state.queue.retain(|job| !job.is_given_up());
            state.given_up = 0;
            counts().open.fetch_sub(before - state.queue.len(), Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Runtime;
    use crate::runtime::blocking;
    use crate::sys::fault;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;

    fn pool(limit: usize) -> &'static JobPool {
        Box::leak(Box::new(JobPool::new(Kind::User, limit)))
    }

    fn on_runtime<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
        Runtime::new_current_thread().unwrap().run(body).unwrap()
    }

    fn os_thread() -> std::thread::ThreadId {
        std::thread::current().id()
    }

    #[test]
    fn grows_to_its_limit_and_queues_beyond_it() {
        let pool = pool(3);
        let most = on_runtime(move || {
            static NOW: AtomicUsize = AtomicUsize::new(0);
            static MOST: AtomicUsize = AtomicUsize::new(0);
            let job = || {
                MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(2));
                NOW.fetch_sub(1, Ordering::SeqCst);
            };
            let all: Vec<_> = (0..30).map(|_| crate::spawn(move || pool.run(job))).collect();
            all.into_iter().for_each(|one| one.join().unwrap());
            MOST.load(Ordering::SeqCst)
        });
        assert!((1..=3).contains(&most), "{most}");
        let state = pool.state.lock();
        assert!(state.made <= 3 && state.queue.is_empty());
    }

    /// Jobs that come one after the other need one thread, however many they are.
    #[test]
    fn an_idle_thread_is_used_again() {
        let pool = pool(8);
        on_runtime(move || {
            for _ in 0..20 {
                pool.run(|| ());
                while pool.state.lock().idle == 0 {
                    crate::sleep(Duration::from_millis(1));
                }
            }
        });
        assert_eq!(pool.state.lock().made, 1);
    }

    #[test]
    fn without_threads_it_runs_where_it_is() {
        std::thread::spawn(|| {
            let pool = pool(2);
            let own = os_thread();
            let threads = on_runtime(move || {
                fault::fail(fault::Syscall::ThreadSpawn, 0, 1, libc::EAGAIN);
                let first = pool.run(os_thread);
                let second = pool.run(os_thread);
                // One thread is there, so it does no harm that a second cannot be made.
                fault::fail(fault::Syscall::ThreadSpawn, 0, usize::MAX, libc::EAGAIN);
                let slow = crate::spawn(move || {
                    pool.run(|| std::thread::sleep(Duration::from_millis(20)));
                    os_thread()
                });
                crate::yield_now();
                let third = pool.run(os_thread);
                slow.join().unwrap();
                [first, second, third]
            });
            assert_eq!(threads[0], own);
            assert_eq!(threads[1], threads[2]);
            assert!(threads[1] != own);
        })
        .join()
        .unwrap();
    }

    /// The only thread is taken for ever. Those who wait for it are killed, and no job stays in the queue.
    #[test]
    fn those_given_up_leave_the_queue() {
        let pool = pool(1);
        let (release, taken) = mpsc::channel::<()>();
        on_runtime(move || {
            let first = crate::spawn(move || pool.run(move || taken.recv()));
            while pool.state.lock().queue.len() == 1 || pool.state.lock().threads == 0 {
                crate::sleep(Duration::from_millis(1));
            }
            static DROPPED: AtomicUsize = AtomicUsize::new(0);
            struct Count;
            impl Drop for Count {
                fn drop(&mut self) {
                    DROPPED.fetch_add(1, Ordering::SeqCst);
                }
            }
            for _ in 0..1000 {
                let count = Count;
                let handle = crate::spawn(move || {
                    pool.run(move || {
                        drop(count);
                        panic!("it must not run")
                    })
                });
                crate::yield_now();
                handle.kill();
                assert!(handle.join().unwrap_err().is_killed());
            }
            assert_eq!(DROPPED.load(Ordering::SeqCst), 1000);
            assert!(pool.state.lock().queue.len() <= SWEEP_ABOVE + 1);
            release.send(()).unwrap();
            assert!(first.join().unwrap().is_ok());
            assert_eq!(pool.run(|| 5), 5);
        });
    }

    /// There are more chains of jobs inside jobs than threads. If one waited for a place inside, all would.
    #[test]
    fn jobs_inside_jobs_of_all_kinds() {
        use blocking::Kind::{Files, Names, User};
        let chain = || {
            blocking::run(Names, || {
                blocking::run(User, || {
                    // These are green threads again, on a pool's thread.
                    on_runtime(|| {
                        let all = [Names, Files, User].map(|kind| {
                            let inner = move || blocking::run(Names, move || kind);
                            crate::spawn(move || blocking::run(kind, inner)).join().unwrap()
                        });
                        assert_eq!(all, [Names, Files, User]);
                        blocking::run(Names, || blocking::run(User, || 1))
                    })
                })
            })
        };
        let count = on_runtime(move || {
            let all: Vec<_> = (0..200).map(|_| crate::spawn(chain)).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum::<i32>()
        });
        assert_eq!(count, 200);
    }

    /// All threads of two pools would wait for the other pool if a job inside a job waited for a place.
    #[test]
    fn no_circle_of_full_pools() {
        use blocking::Kind::{Files, Names};
        const EACH: usize = 2 * super::super::pools::OTHER_THREADS;
        let count = on_runtime(|| {
            let busy = Arc::new(AtomicUsize::new(0));
            let one = |outer, inner| {
                let busy = Arc::clone(&busy);
                crate::spawn(move || {
                    blocking::run(outer, move || {
                        // Both pools fill up, as soon as the jobs of other tests leave room.
                        busy.fetch_add(1, Ordering::SeqCst);
                        let end = std::time::Instant::now() + Duration::from_millis(200);
                        while busy.load(Ordering::SeqCst) < EACH && std::time::Instant::now() < end
                        {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                        on_runtime(move || blocking::run(inner, || 1))
                    })
                })
            };
            let all: Vec<_> =
                (0..EACH / 2).flat_map(|_| [one(Names, Files), one(Files, Names)]).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum::<usize>()
        });
        assert_eq!(count, EACH);
    }

    /// A full pool of one kind does not keep jobs of the others waiting.
    #[test]
    fn one_kind_does_not_starve_another() {
        on_runtime(|| {
            let stop = Arc::new(AtomicBool::new(false));
            let hogs: Vec<_> = (0..200)
                .map(|_| {
                    let stop = Arc::clone(&stop);
                    crate::spawn(move || {
                        blocking::run(Kind::Files, move || {
                            while !stop.load(Ordering::SeqCst) {
                                std::thread::sleep(Duration::from_millis(1));
                            }
                        });
                    })
                })
                .collect();
            crate::sleep(Duration::from_millis(20));
            assert_eq!(blocking::run(Kind::Names, || 1), 1);
            assert_eq!(blocking::run(Kind::User, || 2), 2);
            stop.store(true, Ordering::SeqCst);
            hogs.into_iter().for_each(|hog| hog.join().unwrap());
        });
    }
}
