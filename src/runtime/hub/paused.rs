//! Scheduling tasks that were made paused and are started by hand.
#![forbid(unsafe_code)]

use super::current;
use super::scheduler::Scheduler;
use crate::runtime::task::family::Family;
use crate::runtime::task::paused::Schedule;
use crate::runtime::task::{Cause, TaskRef};
use std::ptr;

impl Schedule for Scheduler {
    fn schedule(&self, task: TaskRef) {
        self.enroll(&task);
        let mut task = Some(task);
        current::with_hub(|hub| {
            if ptr::eq(&raw const *hub.scheduler, self)
                && let Some(task) = task.take()
            {
                hub.push_later(task);
            }
        });
        let Some(task) = task else { return };
        if task.is_local() {
            // Its handle does not leave the OS thread, on which its runtime does not run any more, or does not run now.
            task.abandon(Cause::Killed);
        } else {
            self.inject(task);
        }
    }

    fn family_of_caller(&self) -> Option<&'static Family> {
        let family = current::with_hub(|hub| {
            let same = ptr::eq(&raw const *hub.scheduler, self);
            hub.current().filter(|_| same)?.with(TaskRef::family)
        });
        family.flatten()
    }
}
