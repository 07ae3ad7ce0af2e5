//! Tasks that have been made, and that are to be scheduled later by hand.
#![forbid(unsafe_code)]

use super::family::Family;
use super::task_ref::TaskRef;
use std::fmt;
use std::sync::Arc;

/// What schedules paused tasks.
pub(crate) trait Schedule: fmt::Debug + Send + Sync {
    /// Schedules the task. One that has been killed ends without running.
    fn schedule(&self, task: TaskRef);

    /// The family of the calling green thread, if this also schedules that.
    fn family_of_caller(&self) -> Option<&'static Family>;
}

/// The right to schedule a task that has not been scheduled yet.
#[derive(Debug)]
pub(crate) struct Paused {
    task: TaskRef,
    by: Arc<dyn Schedule>,
}

impl Paused {
    /// Makes a new task, to which only the caller has a reference, keep itself alive until it is started or killed.
    pub(crate) fn keep(task: TaskRef, by: Arc<impl Schedule + 'static>) {
        let keeper = task.clone();
        keeper.set_paused(Self { task, by });
    }

    /// Schedules the task as a descendant of the caller.
    pub(crate) fn start(self) {
        if let Some(family) = self.by.family_of_caller() {
            self.task.join_family(family);
        }
        self.schedule();
    }

    /// Schedules the task.
    pub(super) fn schedule(self) {
        self.by.schedule(self.task);
    }
}
