//! Tasks that have been made and wait to be scheduled by hand.
#![forbid(unsafe_code)]

use super::scheduler::Scheduler;
use crate::runtime::lane::current;
use crate::runtime::task::{Cause, TaskRef};
use std::sync::Arc;

/// A task that has not been scheduled, and where it is to run. Its owner has the right to schedule the task.
#[derive(Debug)]
pub(crate) struct Paused {
    task: TaskRef,
    scheduler: Arc<Scheduler>,
}

impl Paused {
    /// Makes a new task, which only the caller has, keep itself until it is started or killed.
    pub(crate) fn keep(task: TaskRef, scheduler: Arc<Scheduler>) {
        let keeper = task.clone();
        keeper.set_paused(Self { task, scheduler });
    }

    /// Schedules the task as a descendant of the caller.
    pub(crate) fn start(self) {
        let family = current::with_hub(|hub| {
            let same = Arc::ptr_eq(&hub.scheduler, &self.scheduler);
            hub.current().filter(|_| same)?.with(TaskRef::family)
        });
        if let Some(family) = family.flatten() {
            self.task.join_family(family);
        }
        self.schedule();
    }

    /// Schedules it. One that has been killed ends without running.
    pub(crate) fn schedule(self) {
        let Self { task, scheduler } = self;
        scheduler.enroll(&task);
        let mut task = Some(task);
        current::with_hub(|hub| {
            if Arc::ptr_eq(&hub.scheduler, &scheduler)
                && let Some(task) = task.take()
            {
                hub.push_later(task);
            }
        });
        let Some(task) = task else { return };
        if task.is_local() {
            // Its handle does not leave the OS thread, where its runtime does not run any more, or not now.
            task.abandon(Cause::Killed);
        } else {
            scheduler.inject(task);
        }
    }
}
