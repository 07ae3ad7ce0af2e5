//! The end of a hub.
#![forbid(unsafe_code)]

use super::local::Hub;
use crate::runtime::lane::roster::Roster;
use crate::runtime::task::{Live, TaskRef, switch};
use std::sync::atomic::Ordering;

impl Hub {
    pub(crate) fn live(&self) -> usize {
        self.lane().roster.borrow().len()
    }

    /// Kills every green thread of the hub.
    pub(crate) fn kill_all(&self) {
        self.winds_down.set(true);
        let mut all: Vec<TaskRef> = self.lane().roster.borrow().iter().map(Live::task).collect();
        all.extend(self.shared.delayed.lock().tasks().cloned());
        all.extend(self.stackless.borrow().tasks().cloned());
        for task in all {
            task.end();
        }
    }

    /// Whether it has neither green threads nor new tasks.
    pub(crate) fn is_empty(&self) -> bool {
        self.live() == 0
            && self.fresh.is_empty()
            && !self.has_local()
            && !self.shared.has_delayed()
            && self.stackless.borrow().is_empty()
    }

    /// Takes a new task that no other worker will start.
    pub(crate) fn pop_leftover(&self) -> Option<TaskRef> {
        self.fresh.pop().or_else(|| self.pop_local()).or_else(|| self.stackless.borrow_mut().pop())
    }

    /// Gives up the green threads that did not end: they stay as they are for ever. Returns their tasks, which do not
    /// count as done yet.
    pub(crate) fn leak_all(&self) -> Vec<TaskRef> {
        let all: Vec<Live> = self.lane().roster.borrow().iter().collect();
        *self.lane().roster.borrow_mut() = Roster::default();
        if !all.is_empty() {
            self.shared.spoiled.store(true, Ordering::Relaxed);
        }
        // They may have been woken, and must not run.
        self.lane().forget_ready();
        all.into_iter()
            .map(|live| {
                self.count_live(-1);
                switch::leak(live)
            })
            .collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.is_parents() {
            return;
        }
        self.shared.questions.close();
        self.entrance.close(&self.shared.roll);
        self.shared.lane.close();
        let delayed = std::mem::take(&mut *self.shared.delayed.lock());
        // The tasks, and all that they hold, are dropped after the lock has been released.
        drop(delayed);
    }
}
