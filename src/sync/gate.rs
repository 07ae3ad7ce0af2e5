//! Waiting for a condition that others make true without a lock.
//!
//! Whoever waits joins the list, raises the flag, and looks at the condition once more before it sleeps. Whoever makes
//! the condition true does that first and looks at the flag afterwards. All four are sequentially consistent, so one of
//! the two sees the other. Where nobody waits, notifying is one load.
//!
//! A notification says "look again", and is not lost: one that reaches a waiter which does not need it any more (it
//! found the condition true by itself, timed out or was killed in the same moment) goes on to the next.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::task::{Blocker, Owner};
use crate::runtime::wait_list::{Key, WaitList};
use crate::util::sync::{AtomicBool, Mutex, Ordering};
use std::time::Instant;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    waiting: AtomicBool,
    list: Mutex<WaitList<Waiter>>,
}

impl Gate {
    pub(crate) const fn new() -> Self {
        Self { waiting: AtomicBool::new(false), list: Mutex::new(WaitList::new()) }
    }

    /// Wakes the first that waits. The condition is true by now.
    #[inline]
    pub(crate) fn notify_one(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            self.notify_slow();
        }
    }

    fn notify_slow(&self) {
        let first = {
            let mut list = self.list.lock();
            let first = list.pop_front();
            if list.is_empty() {
                self.waiting.store(false, Ordering::SeqCst);
            }
            first
        };
        if let Some(waiter) = first {
            waiter.unpark();
        }
    }

    /// Wakes all that wait at this moment.
    pub(crate) fn notify_all(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            let mut list = self.list.lock();
            while let Some(waiter) = list.pop_front() {
                waiter.unpark();
            }
            self.waiting.store(false, Ordering::SeqCst);
        }
    }

    /// Joins the list. The caller looks at its condition afterwards.
    #[inline]
    pub(crate) fn enter(&self, waiter: Waiter) -> Key {
        let mut list = self.list.lock();
        let key = list.push_back(waiter);
        self.waiting.store(true, Ordering::SeqCst);
        key
    }

    /// Leaves the list; `false` if a notification has come meanwhile.
    pub(crate) fn leave(&self, key: Key) -> bool {
        let mut list = self.list.lock();
        let was_there = list.remove(key).is_some();
        if list.is_empty() {
            self.waiting.store(false, Ordering::SeqCst);
        }
        was_there
    }

    /// Waits until notified, unless `ready`. Says whether to look again; `false` means that the deadline has passed.
    /// A kill ends the wait by unwinding.
    #[inline]
    pub(crate) fn wait(
        &self,
        reason: Reason,
        deadline: Option<Instant>,
        ready: impl FnOnce() -> bool,
    ) -> bool {
        self.wait_with(|parker| parker.park(reason, deadline), ready)
    }

    /// As [`wait`](Self::wait), for what `owner` is doing.
    pub(crate) fn wait_for(&self, reason: Reason, owner: &Owner, ready: impl FnOnce() -> bool) {
        self.wait_with(|parker| parker.park_on(reason, None, Blocker::Owner(owner)), ready);
    }

    #[inline]
    fn wait_with(&self, park: impl FnOnce(&Parker) -> Wake, ready: impl FnOnce() -> bool) -> bool {
        let parker = Parker::new();
        let key = self.enter(parker.waiter());
        if ready() {
            if !self.leave(key) {
                self.notify_one();
            }
            return true;
        }
        match park(&parker) {
            Wake::Notified => true,
            Wake::TimedOut => !self.leave(key),
            Wake::Killed => {
                if !self.leave(key) {
                    self.notify_one();
                }
                park::raise_kill()
            }
        }
    }
}
