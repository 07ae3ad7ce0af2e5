//! The duty to run a task: what an executor queues and a worker does.
#![forbid(unsafe_code)]

use super::error::ExecutionError;
use super::executor::Call;
use super::future::Future;
use super::shared::{DutyToEnd, Joint};
use crate::runtime::park;
use crate::sys::process;
use crate::util::dropping::drop_quietly;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A task as workers see it. Either of the two calls ends it; the first one counts, and another one does nothing.
pub(super) trait Run<S>: Send + Sync {
    /// Runs it, unless it was cancelled. Returns whether it panicked.
    fn run(self: Arc<Self>, seat: &mut S) -> TaskRan;

    /// Ends it without running it.
    fn fail(self: Arc<Self>, error: ExecutionError);
}

/// The duty to run a task, or to end it. If it is dropped, the task ends as killed.
pub(super) struct Duty<S>(Option<Arc<dyn Run<S>>>);

impl<S> Duty<S> {
    fn new(task: Arc<dyn Run<S>>) -> Self {
        Self(Some(task))
    }

    pub(super) fn run(mut self, seat: &mut S) -> TaskRan {
        self.0.take().map_or(TaskRan::Well, |task| task.run(seat))
    }

    /// A number that no other task has while this one exists.
    pub(super) fn address(&self) -> usize {
        self.0.as_ref().map_or(0, |task| Arc::as_ptr(task).cast::<()>().addr())
    }

    pub(super) fn fail(mut self, error: ExecutionError) {
        if let Some(task) = self.0.take() {
            task.fail(error);
        }
    }
}

impl<S> Drop for Duty<S> {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.fail(ExecutionError::killed());
        }
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskRan {
    Well,
    Panicked,
}

/// A task for a worker, and its future.
pub(super) fn new_job<S, T, C>(call: C) -> (Duty<S>, Future<T>)
where
    T: Send + Sync + 'static,
    C: Send + 'static,
    Joint<T, Option<C>>: Run<S>,
{
    let task = Arc::new(Joint::new(call));
    (Duty::new(Arc::clone(&task) as _), Future::new(task))
}

/// A call that runs in the worker itself.
impl<C: Call> Run<()> for Joint<C::Output, Option<C>> {
    fn run(self: Arc<Self>, (): &mut ()) -> TaskRan {
        let Some(call) = self.begin(park::is_green().then(park::own_task)) else {
            drop_quietly(self.take());
            return TaskRan::Well;
        };
        let ticket = DutyToEnd::of(self);
        let generation = process::generation();
        let outcome = catch_unwind(AssertUnwindSafe(|| call.call()));
        let ran = if outcome.is_ok() { TaskRan::Well } else { TaskRan::Panicked };
        if process::generation() != generation {
            // The task has forked, and this is the child, whose work is done. In the parent the task goes on.
            ticket.forget();
        } else {
            ticket.end(outcome.map_err(ExecutionError::from_payload));
        }
        ran
    }

    fn fail(self: Arc<Self>, error: ExecutionError) {
        let call = self.take();
        DutyToEnd::of(self).end(Err(error));
        drop_quietly(call);
    }
}
