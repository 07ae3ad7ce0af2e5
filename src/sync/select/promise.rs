//! Choosing to send before there is an item.
#![forbid(unsafe_code)]

use super::side::{Side, To, Watched};
use super::{Arm, Registration};
use crate::runtime::wait_list::Key;
use crate::sync::channel::{Chan, Owed};
use std::ptr;
use std::sync::Arc;

/// The arm that takes the place of an item in a channel. Whoever completes the send keeps its promise; dropped before, it is
/// broken.
pub(super) struct PromiseArm<'a, T> {
    chan: &'a Chan<T>,
    /// While it waits at a rendezvous, and where it has won with a place.
    promise: Option<Owed<T>>,
    key: Option<Key>,
    notified: bool,
    watched: Option<Watched>,
}

impl<'a, T> PromiseArm<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>) -> Self {
        Self { chan, promise: None, key: None, notified: false, watched: None }
    }

    /// Puts the promise where a sender finds it; `false` if there is none, as nobody receives or there is always room.
    pub(super) fn hand_over(&mut self) -> bool {
        let Some(promise) = self.promise.take() else { return false };
        self.chan.put_promise(promise);
        true
    }

    /// Of the channel: no other has it while the arm lives.
    pub(super) fn address(&self) -> *const () {
        ptr::from_ref(self.chan).cast()
    }
}

impl<T> Arm for PromiseArm<'_, T> {
    fn attempt(&mut self) -> bool {
        let Some(promise) = self.chan.attempt_promise() else { return false };
        self.promise = promise;
        true
    }

    fn register(&mut self, with: &Registration, index: usize) {
        let waiter = with.waiter.clone();
        if let Some(rendezvous) = self.chan.rendezvous() {
            let claim = (Arc::clone(&with.ticket), index);
            let (key, promise) = rendezvous.enter_promise(waiter, claim);
            self.key = key;
            self.promise = Some(promise);
        } else {
            self.key = Some(self.chan.room().enter(waiter));
        }
    }

    fn is_ready(&self, with: Option<&Registration>) -> bool {
        To(self.chan).is_ready(with)
    }

    fn unregister(&mut self) {
        let Some(key) = self.key.take() else { return };
        match self.chan.rendezvous() {
            Some(rendezvous) => {
                if rendezvous.withdraw_promise(key) {
                    self.promise = None;
                }
            }
            None => self.notified = !self.chan.room().leave(key),
        }
    }

    fn settle(&mut self, won: bool) {
        if self.notified && !won {
            self.chan.room().notify_one();
        }
    }

    fn watch(&mut self) {
        self.watched = Some(To(self.chan).watch());
    }

    fn has_changed(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| To(self.chan).has_changed(watched))
    }

    fn unwatch(&mut self) {
        To(self.chan).unwatch(self.watched.take());
    }
}

impl<T> Drop for PromiseArm<'_, T> {
    fn drop(&mut self) {
        if let Some(promise) = &self.promise {
            promise.give_up();
        }
    }
}
