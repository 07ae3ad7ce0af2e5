//! The state that a future and its task share.
//!
//! A task goes from pending to running to ended, or from pending to ended. These steps are made under one lock, while
//! no code of a user's runs. The outcome is put into its cell under that lock too, and can be read without the lock
//! from then on.
//!
//! Future and task share one allocation. The closure that the task is to run lies in it as well; only the task knows
//! its type.
#![forbid(unsafe_code)]

use super::error::ExecutionError;
use super::future::Future;
use crate::runtime::finished::Finished;
use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::task::{JoinError, TaskRef};
use crate::runtime::uncaught;
use crate::sys::process;
use crate::thread::{current, shield};
use crate::util::dropping::{Held, drop_quietly};
use crate::util::lock::Mutex;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

pub(super) type Outcome<T> = Result<T, ExecutionError>;

/// A function that is called with a future when its task has ended.
pub(super) type Callback<T> = Box<dyn FnOnce(&Future<T>) + Send>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskPhase {
    /// Nobody runs it yet.
    Pending,
    Running,
    /// There is an outcome, and callbacks may be running.
    Ended,
    /// The one that ran it will not touch it again either.
    Released,
}

/// It is small, since each task has one: with a closure of a few words, a task fits into two cache lines.
struct JointState<T, B: ?Sized> {
    phase: TaskPhase,
    /// The green thread that runs it, if one does.
    runner: Option<TaskRef>,
    interested: Interested<T>,
    /// What the task is to run.
    body: B,
}

/// Those who are to be told of the end. A future for which only one thread waits needs no allocation for that.
struct Interested<T> {
    first: Option<Waiter>,
    /// The rest, which most futures do not need.
    more: Option<Box<TaskExtras<T>>>,
}

struct TaskExtras<T> {
    waiters: Vec<Waiter>,
    watchers: Vec<(Arc<Finished>, usize)>,
    callbacks: Vec<Callback<T>>,
    /// Ends the process that runs the task.
    kill: Option<Box<dyn Fn() + Send>>,
}

impl<T> Interested<T> {
    const NOBODY: Self = Self { first: None, more: None };

    fn take(&mut self) -> Self {
        mem::replace(self, Self::NOBODY)
    }

    fn add(&mut self, waiter: Waiter) {
        if self.first.is_none() {
            self.first = Some(waiter);
        } else {
            self.more().waiters.push(waiter);
        }
    }

    /// Removes the waiter of this parker.
    fn remove(&mut self, parker: &Parker) {
        self.first.take_if(|waiter| parker.made(waiter));
        if let Some(more) = &mut self.more {
            more.waiters.retain(|waiter| !parker.made(waiter));
        }
    }

    fn unpark_all(&self) {
        let others = self.more.iter().flat_map(|more| &more.waiters);
        self.first.iter().chain(others).for_each(Waiter::unpark);
    }

    fn more(&mut self) -> &mut TaskExtras<T> {
        self.more.get_or_insert_with(|| {
            Box::new(TaskExtras {
                waiters: Vec::new(),
                watchers: Vec::new(),
                callbacks: Vec::new(),
                kill: None,
            })
        })
    }
}

/// A future, with what its task is to run.
pub(super) struct Joint<T, B: ?Sized> {
    outcome: OnceLock<Held<Outcome<T>>>,
    /// The generation of the process to which it belongs.
    generation: u32,
    state: Mutex<JointState<T, B>>,
}

/// Hides the type of what a task runs.
pub(super) trait AnyBody: Send {}

impl<B: Send> AnyBody for B {}

/// A task as its future sees it.
pub(super) type SharedTask<T> = Joint<T, dyn AnyBody>;

impl<T, C> Joint<T, Option<C>> {
    /// A task that is to run `call`.
    pub(super) fn new(call: C) -> Self {
        Self {
            outcome: OnceLock::new(),
            generation: process::generation(),
            state: Mutex::new(JointState {
                phase: TaskPhase::Pending,
                runner: None,
                interested: Interested::NOBODY,
                body: Some(call),
            }),
        }
    }

    /// The closure to run. Only the first caller gets it.
    pub(super) fn take(&self) -> Option<C> {
        self.state.lock().body.take()
    }

    /// The closure to run, unless the task was cancelled. The caller is about to run it.
    pub(super) fn begin(&self, runner: Option<TaskRef>) -> Option<C> {
        let mut state = self.state.lock();
        if state.phase != TaskPhase::Pending {
            return None;
        }
        state.phase = TaskPhase::Running;
        state.runner = runner;
        state.body.take()
    }
}

impl<T> SharedTask<T> {
    /// Whether this process was forked from the one to which the task belongs. Then nobody runs the task here, and a
    /// lock may be held for ever.
    pub(super) fn is_parents(&self) -> bool {
        self.generation != process::generation()
    }

    pub(super) fn outcome(&self) -> Option<&Outcome<T>> {
        self.outcome.get().map(|outcome| &**outcome)
    }

    pub(super) fn take_outcome(&mut self) -> Option<Outcome<T>> {
        self.outcome.take().map(Held::into_inner)
    }

    /// The phase; `None` in a forked child, where nobody knows it.
    pub(super) fn phase(&self) -> Option<TaskPhase> {
        if self.outcome.get().is_some() {
            return Some(TaskPhase::Ended);
        }
        (!self.is_parents()).then(|| self.state.lock().phase)
    }

    /// Waits until the phase is at least `phase`. Returns `false` if the deadline came first.
    fn wait(&self, phase: TaskPhase, deadline: Option<Instant>) -> bool {
        if self.state.lock().phase as u8 >= phase as u8 {
            return true;
        }
        loop {
            let parker = Parker::new();
            {
                let mut state = self.state.lock();
                if state.phase as u8 >= phase as u8 {
                    return true;
                }
                state.interested.add(parker.waiter());
            }
            let wake = parker.park(Reason::Join, deadline);
            if wake == Wake::Notified {
                continue;
            }
            let mut state = self.state.lock();
            state.interested.remove(&parker);
            let there = state.phase as u8 >= phase as u8;
            drop(state);
            if wake == Wake::Killed {
                park::raise_kill();
            }
            return there;
        }
    }

    /// Waits for the outcome until the deadline, and returns it.
    pub(super) fn wait_outcome(&self, deadline: Option<Instant>) -> Option<Outcome<&T>> {
        if self.outcome.get().is_none() {
            if self.is_parents() {
                return Some(Err(ExecutionError::forked()));
            }
            if !self.wait(TaskPhase::Ended, deadline) {
                return None;
            }
        }
        let outcome = self.outcome()?;
        Some(outcome.as_ref().map_err(ExecutionError::clone))
    }

    /// Waits until callbacks have run and the one that ran the task has released it.
    pub(super) fn wait_released(&self) {
        if !self.is_parents() {
            self.wait(TaskPhase::Released, None);
        }
    }

    /// Waits until [`Future::into_result`] need not wait. Returns `false` if the deadline came first.
    pub(super) fn wait_result(&self, deadline: Option<Instant>) -> bool {
        let there = self.wait_outcome(deadline).is_some();
        if there {
            self.wait_released();
        }
        there
    }

    /// Has `finished` told of the end. Returns `false` if there is nothing to wait for.
    pub(super) fn watch(&self, finished: &Arc<Finished>, number: usize) -> bool {
        if self.is_parents() || self.outcome.get().is_some() {
            return false;
        }
        let mut state = self.state.lock();
        let open = matches!(state.phase, TaskPhase::Pending | TaskPhase::Running);
        if open {
            state.interested.more().watchers.push((Arc::clone(finished), number));
        }
        open
    }

    /// Waits the short time until there is an outcome, for a caller that [`watch`](Self::watch) has told of the end.
    pub(super) fn settle(&self) {
        if self.outcome.get().is_none() && !self.is_parents() {
            drop(self.state.lock());
        }
    }

    pub(super) fn unwatch(&self, finished: &Arc<Finished>) {
        if !self.is_parents()
            && self.outcome.get().is_none()
            && let Some(more) = &mut self.state.lock().interested.more
        {
            more.watchers.retain(|(other, _)| !Arc::ptr_eq(other, finished));
        }
    }

    /// Keeps a callback for the end. Returns it if the end has come, or will never come in this process.
    pub(super) fn add_callback(&self, callback: Callback<T>) -> Option<Callback<T>> {
        if self.is_parents() {
            return Some(callback);
        }
        let mut state = self.state.lock();
        if matches!(state.phase, TaskPhase::Ended | TaskPhase::Released) {
            return Some(callback);
        }
        state.interested.more().callbacks.push(callback);
        None
    }

    /// Notes that from now on another process runs it, which `kill` ends. Returns `false` if it has been cancelled.
    #[allow(dead_code, reason = "pools of processes alone use it")]
    fn begin_elsewhere(&self, kill: Box<dyn Fn() + Send>) -> bool {
        let mut state = self.state.lock();
        let pending = state.phase == TaskPhase::Pending;
        if pending {
            state.phase = TaskPhase::Running;
            state.interested.more().kill = Some(kill);
        }
        pending
    }

    /// Ends a task that has not begun. Returns whether it did.
    pub(super) fn cancel(self: &Arc<Self>) -> bool {
        !self.is_parents()
            && Self::end(Arc::clone(self), Err(ExecutionError::cancelled()), |phase| {
                phase == TaskPhase::Pending
            })
    }

    /// Ends a task that has not begun, or asks for the end of one that runs. Returns whether there was anything to do.
    pub(super) fn kill(self: &Arc<Self>) -> bool {
        if self.is_parents() {
            return false;
        }
        loop {
            let state = self.state.lock();
            match state.phase {
                TaskPhase::Pending => {
                    drop(state);
                    if self.cancel() {
                        return true;
                    }
                }
                TaskPhase::Running => {
                    // This is done under the lock, as the one that runs it looks for a kill after it has ended this
                    // task and before it begins another one.
                    let more = state.interested.more.as_ref();
                    let kill = more.and_then(|more| more.kill.as_ref());
                    match (&state.runner, kill) {
                        (Some(task), _) => task.kill(),
                        (None, Some(kill)) => kill(),
                        // Nothing can end a task on an OS thread from outside.
                        (None, None) => return false,
                    }
                    return true;
                }
                TaskPhase::Ended | TaskPhase::Released => return false,
            }
        }
    }

    /// Sets the outcome, if `from` accepts the phase, and tells everybody. Returns whether it did.
    fn end(this: Arc<Self>, outcome: Outcome<T>, from: impl FnOnce(TaskPhase) -> bool) -> bool {
        let (mut interested, runner, has_callbacks);
        {
            let mut state = this.state.lock();
            if !from(state.phase) || this.outcome.get().is_some() {
                return false;
            }
            (interested, runner) = (state.interested.take(), state.runner.take());
            let more = &interested.more;
            // They are told before the end can be seen, so that news of what ends because of this end comes later.
            // Whoever is told settles.
            for (finished, number) in more.iter().flat_map(|more| &more.watchers) {
                finished.push(*number);
            }
            let _ = this.outcome.set(Held::new(outcome));
            has_callbacks = more.as_ref().is_some_and(|more| !more.callbacks.is_empty());
            state.phase = if has_callbacks { TaskPhase::Ended } else { TaskPhase::Released };
        }
        drop(runner);
        // It is taken before anybody is woken, as those may want to own the value.
        let kept = has_callbacks.then(|| Future::new(Arc::clone(&this)));
        // If nobody else has it, the value is dropped here. A panic of its destructor does not concern the worker.
        drop_quietly(this);
        interested.unpark_all();
        let Some(future) = kept else { return true };
        let more = interested.more.as_mut();
        for callback in more.map_or_else(Vec::new, |more| mem::take(&mut more.callbacks)) {
            call_back(callback, &future);
        }
        let late = {
            let mut state = future.shared().state.lock();
            state.phase = TaskPhase::Released;
            state.interested.take()
        };
        drop_quietly(future);
        late.unpark_all();
        true
    }
}

/// Calls a callback. A panic of it is reported like that of a link; a kill of the thread waits until the callback has
/// returned.
pub(super) fn call_back<T>(callback: Callback<T>, future: &Future<T>) {
    if let Err(payload) = shield(|| catch_unwind(AssertUnwindSafe(|| callback(future)))) {
        let thread = current();
        let error = JoinError::from_payload(payload, thread.task());
        uncaught::tell(&thread, error);
    }
}

/// The duty to end a task. If it is dropped, the task ends as killed.
pub(super) struct DutyToEnd<T>(Option<Arc<SharedTask<T>>>);

impl<T> DutyToEnd<T> {
    pub(super) fn of(task: Arc<SharedTask<T>>) -> Self {
        Self(Some(task))
    }

    /// Notes that from now on another process runs it, unless it was cancelled.
    #[allow(dead_code, reason = "pools of processes alone use it")]
    pub(super) fn begin_elsewhere(&self, kill: impl Fn() + Send + 'static) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.begin_elsewhere(Box::new(kill)))
    }

    pub(super) fn end(mut self, outcome: Outcome<T>) {
        self.end_now(outcome);
    }

    fn end_now(&mut self, outcome: Outcome<T>) {
        if let Some(shared) = self.0.take() {
            SharedTask::end(shared, outcome, |phase| {
                matches!(phase, TaskPhase::Pending | TaskPhase::Running)
            });
        }
    }

    /// Gives up a copy in a forked child: the parent ends the task.
    pub(super) fn forget(mut self) {
        if let Some(shared) = self.0.take() {
            mem::forget(shared);
        }
    }
}

impl<T> Drop for DutyToEnd<T> {
    fn drop(&mut self) {
        self.end_now(Err(ExecutionError::killed()));
    }
}
