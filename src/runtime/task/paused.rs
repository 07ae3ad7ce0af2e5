//! Tasks that have been made and wait to be scheduled by hand.
#![forbid(unsafe_code)]

use super::family::Family;
use super::task_ref::TaskRef;
use std::fmt;
use std::sync::Arc;

/// What schedules tasks that have been paused.
pub(crate) trait Schedule: fmt::Debug + Send + Sync {
    /// Schedules it. One that has been killed ends without running.
    fn schedule(&self, task: TaskRef);

    /// The family of the calling green thread, if the same schedules that.
    fn family_of_caller(&self) -> Option<&'static Family>;
}

/// The right to schedule a task that has not been scheduled.
#[derive(Debug)]
pub(crate) struct Paused {
    task: TaskRef,
    by: Arc<dyn Schedule>,
}

impl Paused {
    /// Makes a new task, which only the caller has, keep itself until it is started or killed.
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
