//! The green threads that descend from one `run`.
#![forbid(unsafe_code)]

use super::task_ref::TaskRef;
use super::waiter::Waiter;
use crate::util::static_pool::StaticPool;
use crate::util::sync::{AtomicU64, Mutex, Ordering, mutated};
use std::collections::HashMap;

/// Counts the living descendants of a `run`, and wakes whoever waits for the last.
///
/// Families come from a pool that never frees them, as the last member may touch its family a moment after the one that
/// waited has gone on.
#[derive(Debug)]
pub(crate) struct Family {
    /// How many members are no daemons, plus [`DAEMON`] for each that is one. It is a single word because each member
    /// may make others of either kind: whoever looked at one number and then at the other could miss the last of both.
    members: AtomicU64,
    daemons: Mutex<Daemons>,
    waiter: Mutex<Option<Waiter>>,
}

pub(in crate::runtime) const DAEMON: u64 = 1 << 32;

#[derive(Debug, Default)]
struct Daemons {
    living: HashMap<u64, TaskRef>,
    /// Whether the daemons are being killed, so that new ones are killed too.
    ending: bool,
}

static POOL: StaticPool<Family> = StaticPool::new();

impl Family {
    /// A family without members.
    pub(crate) fn new() -> &'static Self {
        POOL.take(Self::made)
    }

    pub(in crate::runtime) fn made() -> Self {
        Self { members: AtomicU64::new(0), daemons: Mutex::default(), waiter: Mutex::new(None) }
    }

    /// Counts a task that has not been started.
    #[inline]
    pub(crate) fn enter(&self, task: &TaskRef) {
        if !task.is_daemon() {
            self.count(1);
            return;
        }
        self.count(DAEMON);
        let mut daemons = self.daemons.lock();
        daemons.living.insert(task.id(), task.clone());
        if daemons.ending {
            task.end();
        }
    }

    /// Removes a task that has ended from the count.
    #[inline]
    pub(crate) fn leave(&self, task: &TaskRef) {
        let mut one = 1;
        if task.is_daemon() {
            let gone = self.daemons.lock().living.remove(&task.id());
            drop(gone);
            one = DAEMON;
        }
        self.count_off(one);
    }

    #[inline]
    pub(in crate::runtime) fn count(&self, one: u64) {
        self.members.fetch_add(one, Ordering::Relaxed);
    }

    #[inline]
    pub(in crate::runtime) fn count_off(&self, one: u64) {
        // If it was the last of its kind, whoever waits for that is woken. From here on the family may have been given
        // to another `run`.
        let left = self.members.fetch_sub(one, Ordering::SeqCst) - one;
        let last_of_all =
            left == 0 && !mutated("the last of a family is taken for none if it is a daemon");
        if last_of_all || (one == 1 && left.is_multiple_of(DAEMON)) {
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

    /// Whether every member has ended, except daemons.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.load(Ordering::SeqCst).is_multiple_of(DAEMON)
    }

    /// Whether every member has ended.
    pub(in crate::runtime) fn is_over(&self) -> bool {
        self.members.load(Ordering::SeqCst) == 0
    }

    /// Gives the family back if all of its members have ended.
    pub(crate) fn free_if_over(&'static self) {
        if self.is_over() {
            self.free();
        }
    }

    /// Makes the ends of the last members wake `waiter`. A member of the family's former use may wake it too.
    pub(in crate::runtime) fn await_by(&self, waiter: Waiter) {
        *self.waiter.lock() = Some(waiter);
    }

    /// Kills the daemons, and has new ones killed too.
    pub(in crate::runtime) fn kill_daemons(&self) {
        let living: Vec<TaskRef> = {
            let mut daemons = self.daemons.lock();
            daemons.ending = true;
            daemons.living.values().cloned().collect()
        };
        living.iter().for_each(TaskRef::kill);
    }

    /// The names of the daemons that have not ended.
    pub(in crate::runtime) fn names(&self) -> Vec<String> {
        let daemons = self.daemons.lock();
        daemons.living.values().map(TaskRef::to_string).collect()
    }

    /// Gives the family back; every member has ended.
    pub(in crate::runtime) fn free(&'static self) {
        *self.waiter.lock() = None;
        self.daemons.lock().ending = false;
        POOL.give(self);
    }
}
