//! The green threads that descend from one `run`.
#![forbid(unsafe_code)]

use super::park::{Parker, Reason, Waiter};
use crate::sys::process::PerProcess;
use crate::util::static_pool::StaticPool;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the living descendants of a `run`, and wakes whoever waits for the last.
///
/// From a pool that never frees: the last member may touch it a moment after the waiting side has gone on.
#[derive(Debug)]
pub(crate) struct Family {
    members: AtomicUsize,
    waiter: Mutex<Option<Waiter>>,
}

static POOL: PerProcess<StaticPool<Family>> = PerProcess::new();

impl Family {
    /// A family without members.
    pub(crate) fn new() -> &'static Self {
        POOL.get(StaticPool::new)
            .take(|| Self { members: AtomicUsize::new(0), waiter: Mutex::new(None) })
    }

    /// Counts a member that is about to be made.
    pub(crate) fn enter(&self) {
        self.members.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts off a member that has ended.
    pub(crate) fn leave(&self) {
        if self.members.fetch_sub(1, Ordering::SeqCst) == 1 {
            let waiter = self.waiter.lock().take();
            if let Some(waiter) = waiter {
                waiter.unpark();
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.load(Ordering::SeqCst) == 0
    }

    /// Waits until every member has ended, and gives the family back.
    pub(crate) fn wait_and_free(&'static self) {
        while !self.is_empty() {
            let parker = Parker::uninterruptible();
            *self.waiter.lock() = Some(parker.waiter());
            if self.is_empty() {
                break;
            }
            // Woken early by a late touch of the family's former life at most: look again.
            let _ = parker.park(Reason::Run, None);
        }
        self.free();
    }

    /// Gives an empty family back.
    pub(crate) fn free(&'static self) {
        *self.waiter.lock() = None;
        POOL.get(StaticPool::new).give(self);
    }
}
