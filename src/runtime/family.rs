//! The green threads that descend from one `run`.
#![forbid(unsafe_code)]

use super::park::{Parker, Reason, Waiter, Wake};
use super::task::TaskRef;
use crate::sys::time::deadline_after;
use crate::util::static_pool::StaticPool;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Counts the living descendants of a `run`, and wakes whoever waits for the last.
///
/// From a pool that never frees: the last member may touch it a moment after the waiting side has gone on.
#[derive(Debug)]
pub(crate) struct Family {
    /// Those that are no daemons.
    members: AtomicUsize,
    daemons: Mutex<Daemons>,
    waiter: Mutex<Option<Waiter>>,
}

#[derive(Debug, Default)]
struct Daemons {
    living: HashMap<u64, TaskRef>,
    /// Nobody waits for them any more: new ones are killed too.
    ending: bool,
}

static POOL: StaticPool<Family> = StaticPool::new();

impl Family {
    /// A family without members.
    pub(crate) fn new() -> &'static Self {
        POOL.take(|| Self {
            members: AtomicUsize::new(0),
            daemons: Mutex::default(),
            waiter: Mutex::new(None),
        })
    }

    /// Counts a task that nobody has started.
    #[inline]
    pub(crate) fn enter(&self, task: &TaskRef) {
        if !task.is_daemon() {
            self.members.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut daemons = self.daemons.lock();
        daemons.living.insert(task.id(), task.clone());
        if daemons.ending {
            task.kill();
        }
    }

    /// Counts off a task that has ended.
    #[inline]
    pub(crate) fn leave(&self, task: &TaskRef) {
        let last = if task.is_daemon() {
            let mut daemons = self.daemons.lock();
            let gone = daemons.living.remove(&task.id());
            let last = daemons.living.is_empty();
            drop(daemons);
            drop(gone);
            last
        } else {
            self.members.fetch_sub(1, Ordering::SeqCst) == 1
        };
        if last {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        let waiter = self.waiter.lock().take();
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }

    /// Whether every member but for the daemons has ended.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.load(Ordering::SeqCst) == 0
    }

    fn is_over(&self) -> bool {
        self.is_empty() && self.daemons.lock().living.is_empty()
    }

    /// Waits until every member has ended, then kills the daemons and waits for them, and gives the family back.
    ///
    /// # Errors
    /// The names of daemons that did not end within `grace`. They keep the family.
    pub(crate) fn wait_and_free(&'static self, grace: Duration) -> Result<(), Vec<String>> {
        loop {
            self.wait(Self::is_empty, None);
            self.kill_daemons();
            if self.wait(Self::is_over, deadline_after(grace)) {
                self.free();
                return Ok(());
            }
            // Unless they have made new members meanwhile.
            if self.is_empty() {
                return Err(self.names());
            }
        }
    }

    /// Gives the family back if all of its tasks have ended.
    pub(crate) fn free_if_over(&'static self) {
        if self.is_over() {
            self.free();
        }
    }

    fn wait(&self, over: impl Fn(&Self) -> bool, deadline: Option<Instant>) -> bool {
        while !over(self) {
            let parker = Parker::uninterruptible();
            *self.waiter.lock() = Some(parker.waiter());
            if over(self) {
                break;
            }
            // Woken early by a late touch of the family's former life at most: look again.
            if parker.park(Reason::Run, deadline) == Wake::TimedOut {
                return over(self);
            }
        }
        true
    }

    fn kill_daemons(&self) {
        let living: Vec<TaskRef> = {
            let mut daemons = self.daemons.lock();
            daemons.ending = true;
            daemons.living.values().cloned().collect()
        };
        if !cfg!(panic = "abort") {
            living.iter().for_each(TaskRef::kill);
        }
    }

    fn names(&self) -> Vec<String> {
        let daemons = self.daemons.lock();
        let name = |task: &TaskRef| task.name().unwrap_or("<unnamed>").to_string();
        daemons.living.values().map(name).collect()
    }

    fn free(&'static self) {
        *self.waiter.lock() = None;
        self.daemons.lock().ending = false;
        POOL.give(self);
    }
}
