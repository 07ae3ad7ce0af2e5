//! Tasks that wait for a worker, and the workers. What these are, their crew knows.
//!
//! A worker is made where a task comes and none is idle, up to the limit. Workers are counted by guards that they own:
//! whatever ends one, even before it began, takes it off the count. The last that goes leaves no task behind: it is replaced
//! where tasks wait, or, where no worker comes to run any more, they end as killed.
//!
//! A worker that has something to do before its first task, which may take long or for ever, does so while the task is in the
//! queue: others may take it, and it can be cancelled. One that has nothing to do takes its first task along.
//!
//! Of idle workers that sleep one is woken at a time: whoever takes a task and sees more of them wakes the next. So a burst of
//! tasks costs few wake-ups, and no task waits while a worker sleeps and nobody is about to look.
//!
//! Green threads are made one at a time too. While one of them has not begun, tasks from the same [`Origin`] only queue up
//! behind its own; when it begins and finds some, it makes the next one *before* it runs anything. So a task that waits holds
//! nobody up, and many short ones need few green threads.
#![forbid(unsafe_code)]

use super::duty::{Duty, TaskRan};
use super::error::{ExecutionError, SubmitError};
use super::future::Future;
use crate::runtime::park::{self, Reason};
use crate::runtime::task::{TaskRef, any_interruption};
use crate::sync::gate::Gate;
use crate::sys::process;
use crate::thread::{Origin, origin};
use crate::util::lock::{Condvar, Mutex, MutexGuard};
use crate::util::slab::{Slab, SlabKey};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;

/// The kind of workers that an executor has.
pub(super) trait Crew: Send + Sync + Sized + 'static {
    /// What each worker has for itself.
    type Seat: 'static;

    /// Whether the workers are green threads; otherwise they are OS threads.
    const GREEN: bool;

    /// Whether workers stay, while no task waits, until the executor is shut down.
    const STAYS: bool;

    /// Has a new worker run `life`.
    fn spawn(&self, number: usize, life: impl FnOnce() + Send + 'static) -> io::Result<()>;

    /// What a worker does before its first task. An error is the reason why it cannot, and breaks the executor.
    fn begin(&self, number: usize) -> Result<Self::Seat, String>;

    /// Whether a worker can take a task at once. If not, it [prepares](Self::prepare) itself first.
    fn is_ready(_: &Self::Seat) -> bool {
        true
    }

    /// What a worker does if a task waits and it is not ready.
    fn prepare(&self, _: &mut Self::Seat) -> Result<(), NotReady> {
        Ok(())
    }
}

/// Why a worker cannot take a task. Those of this process always can.
#[allow(dead_code, reason = "pools of processes alone have these")]
pub(super) enum NotReady {
    /// No worker can take one: the executor is broken.
    Broken(String),
    /// This worker cannot now, but may later.
    Io(io::Error),
}

struct ExecutorState<C: Crew> {
    queue: VecDeque<Duty<C::Seat>>,
    /// The origin of the tasks in the queue, if workers take tasks of their own origin only.
    queued_from: Option<Origin>,
    /// The origin of the green thread that has been made and has not begun.
    fresh: Option<Origin>,
    /// The number of the worker that another worker is making at this moment.
    making: Option<usize>,
    workers: usize,
    /// The workers that have begun.
    threads: Slab<TaskRef>,
    /// How many workers wait for a task.
    idle: usize,
    /// How many workers prepare themselves for a task.
    preparing: usize,
    /// How many wait, inside their tasks, for the others to end.
    leaving: usize,
    /// One of those that wait has been woken and has not looked yet.
    waking: bool,
    /// How many workers there have ever been.
    made: usize,
    closed: bool,
    broken: Option<String>,
}

impl<C: Crew> ExecutorState<C> {
    /// Whether one of the idle workers is to be woken. If they are green threads, [`Gate`] sees to it that they are not
    /// woken in vain.
    fn wake(&mut self) -> bool {
        self.idle > 0 && (C::GREEN || !mem::replace(&mut self.waking, true))
    }
}

pub(super) struct ExecutorCore<C: Crew> {
    crew: C,
    limit: usize,
    state: Mutex<ExecutorState<C>>,
    /// Where OS threads wait for work, and where green threads do.
    work: Condvar,
    green_work: Gate,
    /// Where those wait who wait until the last worker has gone.
    gone: Gate,
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

    /// Whether this process was forked from the one that the executor belongs to. It has none of the workers then, and
    /// perhaps a lock that is held for ever.
    fn is_parents(&self) -> bool {
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
        // Outside of the lock: this may run the user's code, and so may dropping a task that is not taken.
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

    fn wake_one(&self, wake: bool) {
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

    /// Adds a new worker to the count.
    fn new_worker(
        self: &Arc<Self>,
        state: &mut ExecutorState<C>,
        origin: Option<Origin>,
    ) -> ExecutorWorker<C> {
        let number = state.made;
        state.made += 1;
        state.workers += 1;
        let core = Arc::clone(self);
        ExecutorWorker {
            core,
            number,
            origin,
            own: None,
            is_fresh: false,
            began: false,
            counted: true,
        }
    }

    /// Starts a worker, which is in the count already. If that fails, the worker is dropped, with the task that it was
    /// to take.
    fn spawn(&self, worker: ExecutorWorker<C>, first: Option<Duty<C::Seat>>) -> io::Result<()> {
        self.crew.spawn(worker.number, || worker.work(first))
    }

    /// Whether each worker takes only tasks of its own origin. With a limit, a task that comes when it is reached waits
    /// for any worker.
    fn is_parted(&self) -> bool {
        !C::STAYS && self.limit == usize::MAX
    }

    /// The next task in the queue for a worker.
    fn take(
        &self,
        state: &mut ExecutorState<C>,
        worker: &ExecutorWorker<C>,
    ) -> Option<Duty<C::Seat>> {
        let is_own = worker.origin.is_some() && worker.origin == state.queued_from;
        if self.is_parted() && !is_own { None } else { state.queue.pop_front() }
    }

    /// A green thread has begun: tasks that come from now on need another one, and so do those that wait already.
    /// Returns its first task.
    fn begin_fresh(
        self: &Arc<Self>,
        worker: &mut ExecutorWorker<C>,
        first: Option<Duty<C::Seat>>,
    ) -> Option<Duty<C::Seat>> {
        let mut state = self.state.lock();
        worker.own = Some(state.threads.insert(park::own_task()));
        if !mem::take(&mut worker.is_fresh) {
            return first;
        }
        state.fresh = None;
        let first = first.or_else(|| self.take(&mut state, worker));
        if state.queue.is_empty() || state.workers >= self.limit {
            return first;
        }
        let mut next = self.new_worker(&mut state, worker.origin);
        next.is_fresh = true;
        let number = next.number;
        (state.fresh, state.making) = (next.origin, Some(number));
        drop(state);
        let made = self.spawn(next, None);
        let mut state = self.state.lock();
        // The new one may have begun by now, and be making the one after it.
        if state.making == Some(number) {
            state.making = None;
        }
        // With a limit they wait until there is a worker. Without one nobody would come to them before a task ends, which may
        // wait for them: they fail, as one does that is handed in while there is no room.
        if let Err(error) = made
            && self.is_parted()
        {
            let queue = mem::take(&mut state.queue);
            drop(state);
            let error = ExecutionError::io(error);
            for job in queue {
                job.fail(error.clone());
            }
        }
        first
    }

    /// The next task of a worker. `None` is the end of the worker, and takes it off the count.
    fn next(&self, worker: &mut ExecutorWorker<C>, seat: &mut C::Seat) -> Option<Duty<C::Seat>> {
        let mut state = self.state.lock();
        loop {
            if !C::is_ready(seat) && !state.queue.is_empty() {
                state = self.prepare(state, seat);
                if !C::is_ready(seat) {
                    continue;
                }
            }
            if let Some(job) = self.take(&mut state, worker) {
                let wake = !state.queue.is_empty() && state.wake();
                drop(state);
                self.wake_one(wake);
                return Some(job);
            }
            if !C::STAYS || state.closed {
                break;
            }
            state.idle += 1;
            if C::GREEN {
                drop(state);
                let idle = Idle(self);
                self.green_work.wait(Reason::Task, None, || {
                    let state = self.state.lock();
                    !state.queue.is_empty() || state.closed
                });
                drop(idle);
                state = self.state.lock();
            } else {
                state = self.work.wait(state);
                state.idle -= 1;
                state.waking = false;
            }
        }
        worker.counted = false;
        self.leave(state, worker, false);
        None
    }

    /// Lets a worker prepare itself while a task waits.
    fn prepare<'a>(
        &'a self,
        mut state: MutexGuard<'a, ExecutorState<C>>,
        seat: &mut C::Seat,
    ) -> MutexGuard<'a, ExecutorState<C>> {
        state.preparing += 1;
        // This may take long, so one other worker, not all of them, is to look at the task as well.
        let wake = state.preparing == 1 && state.wake();
        drop(state);
        self.wake_one(wake);
        let preparing = Preparing(self);
        let prepared = self.crew.prepare(seat);
        drop(preparing);
        match prepared {
            Ok(()) => {}
            Err(NotReady::Broken(reason)) => self.break_down(&reason),
            Err(NotReady::Io(error)) => {
                let job = self.state.lock().queue.pop_front();
                if let Some(job) = job {
                    job.fail(ExecutionError::io(error));
                }
            }
        }
        self.state.lock()
    }

    /// Takes a worker off the count. If nobody is left to run the tasks that wait, these end as killed.
    fn leave(
        &self,
        mut state: MutexGuard<'_, ExecutorState<C>>,
        worker: &mut ExecutorWorker<C>,
        is_last: bool,
    ) {
        state.workers -= 1;
        let own = worker.own.take().and_then(|key| state.threads.remove(key));
        let orphans = if is_last || state.workers == 0 {
            mem::take(&mut state.queue)
        } else {
            VecDeque::new()
        };
        drop(state);
        drop(own);
        self.gone.notify_all();
        for job in orphans {
            job.fail(ExecutionError::killed());
        }
    }

    /// Fails the tasks that wait, and those that come.
    fn break_down(&self, reason: &str) {
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

/// Counts a worker that waits inside its task for the others to end, until this is dropped. Others that wait in the
/// same way do not wait for it.
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

/// Counts a worker that prepares itself, until this is dropped: a kill may end that.
struct Preparing<'a, C: Crew>(&'a ExecutorCore<C>);

impl<C: Crew> Drop for Preparing<'_, C> {
    fn drop(&mut self) {
        self.0.state.lock().preparing -= 1;
    }
}

/// Counts a worker as idle until it is dropped: a kill may end its wait.
struct Idle<'a, C: Crew>(&'a ExecutorCore<C>);

impl<C: Crew> Drop for Idle<'_, C> {
    fn drop(&mut self) {
        self.0.state.lock().idle -= 1;
    }
}

/// One worker. Its executor counts it until it is dropped, or finds nothing more to do.
struct ExecutorWorker<C: Crew> {
    core: Arc<ExecutorCore<C>>,
    number: usize,
    origin: Option<Origin>,
    /// Its place among the threads of the executor.
    own: Option<SlabKey>,
    /// Whether tasks wait for it to begin.
    is_fresh: bool,
    began: bool,
    counted: bool,
}

impl<C: Crew> ExecutorWorker<C> {
    /// A worker's whole life.
    fn work(mut self, first: Option<Duty<C::Seat>>) {
        self.began = true;
        let core = Arc::clone(&self.core);
        let mut first = core.begin_fresh(&mut self, first);
        let mut seat = match core.crew.begin(self.number) {
            Ok(seat) => seat,
            Err(reason) => {
                core.break_down(&reason);
                if let Some(job) = first {
                    job.fail(ExecutionError::broken(&reason));
                }
                return;
            }
        };
        loop {
            let Some(job) = first.take().or_else(|| core.next(&mut self, &mut seat)) else {
                return;
            };
            let ran = job.run(&mut seat);
            if core.is_parents() {
                self.counted = false;
                if !park::is_green() {
                    // A task has forked, and this is the child: it has done what it was made for.
                    std::process::exit(process::status(ran == TaskRan::Well));
                }
                return;
            }
            if !C::GREEN {
                continue;
            }
            if any_interruption() && park::own_task().is_killed() {
                // The kill was meant for the task that has ended, or for this green thread, and not for the next task.
                return;
            }
            if !C::STAYS {
                park::spend_budget_holding();
                if park::own_task().has_values() {
                    // They belong to the task that has ended; the next one must begin without values.
                    return;
                }
            }
        }
    }
}

impl<C: Crew> Drop for ExecutorWorker<C> {
    fn drop(&mut self) {
        if !self.counted || self.core.is_parents() {
            return;
        }
        let core = Arc::clone(&self.core);
        let mut state = core.state.lock();
        let waits = !state.queue.is_empty();
        if self.began && waits && state.fresh.is_none() {
            // The successor takes its place, in the count too.
            state.workers -= 1;
            let successor = core.new_worker(&mut state, self.origin);
            let own = self.own.take().and_then(|key| state.threads.remove(key));
            drop(state);
            drop(own);
            drop(core.spawn(successor, None));
            return;
        }
        if self.is_fresh {
            state.fresh = None;
        }
        // If another worker was making this one, that worker can take the tasks.
        let is_missed = state.making == Some(self.number);
        let is_last = self.is_fresh && core.is_parted() && !is_missed;
        core.leave(state, self, is_last);
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

    /// There is room for one green thread.
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

    /// The task that has the green thread may wait for one of those.
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
