//! What an executor is to those who submit tasks and shut it down: the queue, and how many workers there are for it.
//!
//! A worker is made when a task comes and none is idle, up to the limit. `worker.rs` is what it does then, and
//! `crew.rs` what kind of workers these are.
//!
//! A worker that has something to do before its first task, which may take long or for ever, does it while the task is
//! in the queue: others may take the task, and it can be cancelled. A worker that has nothing to do beforehand is given
//! its first task when it is made.
//!
//! Of the idle workers that sleep, one is woken at a time: a worker that takes a task and sees more tasks wakes the
//! next one. So a burst of tasks costs few wake-ups, and no task waits while a worker sleeps and nobody is about to
//! look.
//!
//! Green threads are made one at a time too. While one of them has not begun, tasks from the same [`Origin`] are only
//! queued behind its own; when it begins and finds some, it makes the next one *before* it runs anything. So a task
//! that waits holds nobody up, and many short tasks need few green threads.
//!
//! Invariant: a task in the queue has a worker that will come to it, or it has ended.
#![forbid(unsafe_code)]

use super::crew::Crew;
use super::duty::Duty;
use super::error::{ExecutionError, SubmitError};
use super::future::Future;
use super::worker::ExecutorWorker;
use crate::runtime::park::{self, Reason};
use crate::runtime::task::TaskRef;
use crate::sync::gate::Gate;
use crate::sys::process;
use crate::thread::{Origin, origin};
use crate::util::lock::{Condvar, Mutex};
use crate::util::slab::Slab;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;

/// What all workers share with all who submit tasks.
pub(super) struct ExecutorState<C: Crew> {
    pub(super) queue: VecDeque<Duty<C::Seat>>,
    /// The origin of the tasks in the queue, if workers only take tasks of their own origin.
    pub(super) queued_from: Option<Origin>,
    /// The origin of the green thread that has been made and has not begun.
    pub(super) fresh: Option<Origin>,
    /// The number of the worker that another worker is just making.
    pub(super) making: Option<usize>,
    pub(super) workers: usize,
    /// The workers that have begun.
    pub(super) threads: Slab<TaskRef>,
    /// How many workers wait for a task.
    pub(super) idle: usize,
    /// How many workers are preparing themselves for a task.
    pub(super) preparing: usize,
    /// How many workers wait, inside their tasks, for the others to end.
    pub(super) leaving: usize,
    /// Whether one of the idle workers has been woken and has not looked yet.
    pub(super) waking: bool,
    /// How many workers have ever been made.
    pub(super) made: usize,
    pub(super) closed: bool,
    pub(super) broken: Option<String>,
}

impl<C: Crew> ExecutorState<C> {
    /// Whether to wake one of the idle workers. If they are green threads, [`Gate`] makes sure that they are not woken
    /// in vain.
    pub(super) fn wake(&mut self) -> bool {
        self.idle > 0 && (C::GREEN || !mem::replace(&mut self.waking, true))
    }
}

pub(super) struct ExecutorCore<C: Crew> {
    pub(super) crew: C,
    pub(super) limit: usize,
    pub(super) state: Mutex<ExecutorState<C>>,
    /// Where OS threads wait for work; green threads wait at the gate.
    pub(super) work: Condvar,
    pub(super) green_work: Gate,
    /// Where those wait who wait until the last worker has gone.
    pub(super) gone: Gate,
    generation: u32,
}

impl<C: Crew> fmt::Debug for ExecutorCore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<C: Crew> ExecutorCore<C> {
    pub(super) fn new(crew: C, limit: usize) -> Arc<Self> {
        process::watch();
        Arc::new(Self {
            crew,
            limit,
            state: Mutex::new(ExecutorState {
                queue: VecDeque::new(),
                queued_from: None,
                fresh: None,
                making: None,
                workers: 0,
                threads: Slab::new(),
                idle: 0,
                preparing: 0,
                leaving: 0,
                waking: false,
                made: 0,
                closed: false,
                broken: None,
            }),
            work: Condvar::new(),
            green_work: Gate::new(),
            gone: Gate::new(),
            generation: process::generation(),
        })
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether this process was forked from the one to which the executor belongs. Then it has none of the workers, and
    /// a lock may be held for ever.
    pub(super) fn is_parents(&self) -> bool {
        self.generation != process::generation()
    }

    #[allow(dead_code, reason = "pools of processes alone ask")]
    pub(super) fn crew(&self) -> &C {
        &self.crew
    }

    /// Queues the task that `make` makes, or gives it to a new worker.
    pub(super) fn submit<T>(
        self: &Arc<Self>,
        make: impl FnOnce() -> (Duty<C::Seat>, Future<T>),
    ) -> Result<Future<T>, SubmitError> {
        if self.is_parents() {
            return Err(SubmitError::Io(process::belongs_to_parent("the executor")));
        }
        // This is outside of the lock, as it may run the user's code; so may dropping a task that is not taken.
        let (job, future) = make();
        let origin = if C::GREEN && !C::STAYS { origin() } else { None };
        let mut state = self.state.lock();
        if let Some(reason) = &state.broken {
            return Err(SubmitError::Broken(reason.clone()));
        }
        if state.closed {
            return Err(SubmitError::ShutDown);
        }
        let is_full = state.workers >= self.limit;
        if is_full || state.idle > state.queue.len() || (origin.is_some() && state.fresh == origin)
        {
            state.queue.push_back(job);
            let wake = state.wake();
            drop(state);
            self.wake_one(wake);
            return Ok(future);
        }
        let mut worker = self.new_worker(&mut state, origin);
        if C::STAYS {
            let address = job.address();
            state.queue.push_back(job);
            drop(state);
            let Err(error) = self.spawn(worker, None) else { return Ok(future) };
            let mut state = self.state.lock();
            let place = state.queue.iter().position(|waiting| waiting.address() == address);
            let job = place.and_then(|place| state.queue.remove(place));
            drop(state);
            // Another worker may have taken it.
            return if job.is_some() || future.done() {
                Err(SubmitError::Io(error))
            } else {
                Ok(future)
            };
        }
        if state.fresh.is_none() && state.queue.is_empty() && origin.is_some() {
            (state.fresh, state.queued_from, worker.is_fresh) = (origin, origin, true);
        }
        drop(state);
        match self.spawn(worker, Some(job)) {
            Ok(()) => Ok(future),
            Err(error) => Err(SubmitError::Io(error)),
        }
    }

    pub(super) fn wake_one(&self, wake: bool) {
        if !wake {
        } else if C::GREEN {
            self.green_work.notify_one();
        } else {
            self.work.notify_one();
        }
    }

    fn wake_all(&self) {
        self.work.notify_all();
        self.green_work.notify_all();
    }

    /// Starts a worker that has already been counted. If that fails, the worker is dropped, with the task that it was
    /// to take.
    pub(super) fn spawn(
        &self,
        worker: ExecutorWorker<C>,
        first: Option<Duty<C::Seat>>,
    ) -> io::Result<()> {
        self.crew.spawn(worker.number, || worker.work(first))
    }

    /// Fails the tasks that wait, and those that come later.
    pub(super) fn break_down(&self, reason: &str) {
        let queue = {
            let mut state = self.state.lock();
            state.broken.get_or_insert_with(|| reason.into());
            state.closed = true;
            mem::take(&mut state.queue)
        };
        self.wake_all();
        for job in queue {
            job.fail(ExecutionError::broken(reason));
        }
    }

    /// See [`Executor::shutdown`](super::Executor::shutdown).
    pub(super) fn shutdown(self: &Arc<Self>, wait: bool, cancel_pending: bool) {
        if self.is_parents() {
            return;
        }
        let cancelled = {
            let mut state = self.state.lock();
            state.closed = true;
            if cancel_pending { mem::take(&mut state.queue) } else { VecDeque::new() }
        };
        self.wake_all();
        for job in cancelled {
            job.fail(ExecutionError::cancelled());
        }
        if wait {
            let caller = park::own_task();
            let is_own = self.state.lock().threads.iter().any(|(_, thread)| *thread == caller);
            let _leaving = is_own.then(|| Leaving::new(self));
            let gone = || {
                let state = self.state.lock();
                state.workers <= state.leaving
            };
            while !gone() {
                self.gone.wait(Reason::Join, None, gone);
            }
        }
    }
}

/// Counts a worker that waits inside its task for the others to end, until this is dropped. Others that wait in this
/// way do not wait for it.
struct Leaving<'a, C: Crew>(&'a ExecutorCore<C>);

impl<'a, C: Crew> Leaving<'a, C> {
    fn new(core: &'a ExecutorCore<C>) -> Self {
        core.state.lock().leaving += 1;
        core.gone.notify_all();
        Self(core)
    }
}

impl<C: Crew> Drop for Leaving<'_, C> {
    fn drop(&mut self) {
        self.0.state.lock().leaving -= 1;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::duty::new_job;
    use super::*;
    use crate::runtime::Runtime;
    use crate::sync::Event;
    use crate::thread::Builder;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A crew with room for only one green thread.
    struct Cramped(AtomicUsize);

    impl Crew for Cramped {
        type Seat = ();
        const GREEN: bool = true;
        const STAYS: bool = false;

        fn spawn(&self, _: usize, life: impl FnOnce() + Send + 'static) -> io::Result<()> {
            if self.0.fetch_add(1, Ordering::SeqCst) > 0 {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            Builder::new().spawn(life).map(drop)
        }

        fn begin(&self, _: usize) -> Result<(), String> {
            Ok(())
        }
    }

    /// The task that has the only green thread may wait for one of those.
    #[test]
    fn tasks_for_which_no_green_thread_can_be_made_fail() {
        let main = || {
            let core = ExecutorCore::new(Cramped(AtomicUsize::new(0)), usize::MAX);
            let go = Arc::new(Event::new());
            let wait = Arc::clone(&go);
            let first = core.submit(|| new_job(move || wait.wait())).unwrap();
            let others = [1, 2].map(|n| core.submit(|| new_job(move || n)).unwrap());
            for other in others {
                let error = other.into_result().unwrap_err();
                assert_eq!(error.io_error().unwrap().kind(), io::ErrorKind::OutOfMemory);
            }
            let refused = core.submit(|| new_job(|| 3));
            assert!(matches!(refused, Err(SubmitError::Io(_))));
            go.set();
            assert!(first.result().is_ok());
            core.shutdown(true, false);
        };
        Runtime::new_current_thread().unwrap().run(main).unwrap();
    }
}
