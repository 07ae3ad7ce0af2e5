//! A worker of an executor, from when it is counted to its end: what it does before its first task, between two tasks,
//! and when it goes.
//!
//! Invariant: a worker is counted from before it is made until its value is dropped or it finds nothing more to do.
//! Whatever ends it, even before it began, removes it from the count. The last one leaves no task behind: if tasks
//! wait, it is replaced, or if no worker can come to run any more, they end as killed.
#![forbid(unsafe_code)]

use super::core::{ExecutorCore, ExecutorState};
use super::crew::{Crew, NotReady};
use super::duty::{Duty, TaskRan};
use super::error::ExecutionError;
use crate::runtime::park::{self, Reason};
use crate::runtime::task::any_interruption;
use crate::sys::process;
use crate::thread::Origin;
use crate::util::lock::MutexGuard;
use crate::util::slab::SlabKey;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

/// A worker. Its executor counts it until it is dropped, or finds nothing more to do.
pub(super) struct ExecutorWorker<C: Crew> {
    core: Arc<ExecutorCore<C>>,
    pub(super) number: usize,
    origin: Option<Origin>,
    /// Its place among the threads of the executor.
    own: Option<SlabKey>,
    /// Whether tasks wait for it to begin.
    pub(super) is_fresh: bool,
    began: bool,
    counted: bool,
}

impl<C: Crew> ExecutorWorker<C> {
    /// The whole life of a worker.
    pub(super) fn work(mut self, first: Option<Duty<C::Seat>>) {
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
                    // A task has forked, and this is the child, whose work is done.
                    std::process::exit(process::status(ran == TaskRan::Well));
                }
                return;
            }
            if !C::GREEN {
                continue;
            }
            if any_interruption() && park::own_task().is_killed() {
                // The kill was meant for the task that has ended, or for this green thread, but not for the next task.
                return;
            }
            if !C::STAYS {
                park::spend_budget_holding();
                if park::own_task().has_values() {
                    // The values belong to the task that has ended; the next one must begin without any.
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

impl<C: Crew> ExecutorCore<C> {
    /// Counts a new worker.
    pub(super) fn new_worker(
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

    /// Whether each worker only takes tasks of its own origin. If there is a limit and it has been reached, a new task
    /// waits for any worker.
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

    /// To be called when a green thread has begun: from now on tasks need another one, and so do those that wait
    /// already. Returns its first task.
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
        // The new one may have begun by now, and be making the next one.
        if state.making == Some(number) {
            state.making = None;
        }
        // With a limit they wait until there is a worker. Without one, nobody would come to them before a task ends,
        // which may wait for them. So they fail, as does a task that is submitted while there is no room.
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

    /// The next task of a worker. `None` ends the worker, and removes it from the count.
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
        // This may take long, so one other worker is woken to look at the task as well.
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

    /// Removes a worker from the count. If nobody is left to run the tasks that wait, these end as killed.
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
}

/// Counts a worker that is preparing itself, until this is dropped, as a kill may end that.
struct Preparing<'a, C: Crew>(&'a ExecutorCore<C>);

impl<C: Crew> Drop for Preparing<'_, C> {
    fn drop(&mut self) {
        self.0.state.lock().preparing -= 1;
    }
}

/// Counts a worker as idle until this is dropped, as a kill may end its wait.
struct Idle<'a, C: Crew>(&'a ExecutorCore<C>);

impl<C: Crew> Drop for Idle<'_, C> {
    fn drop(&mut self) {
        self.0.state.lock().idle -= 1;
    }
}
