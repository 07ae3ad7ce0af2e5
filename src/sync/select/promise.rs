//! Choosing to send before there is an item.
#![forbid(unsafe_code)]

use super::room::Room;
use super::side::Side;
use super::{Arm, Registration};
use crate::sync::channel::{CallId, Chan, Owed};
use std::ptr;

/// The arm that takes the place of an item in a channel. Whoever completes the send keeps its promise; dropped before, it is
/// broken.
pub(super) struct PromiseArm<'a, T> {
    room: Room<'a, T>,
    /// Made at the first attempt, where there is to be one.
    promise: Owed<T>,
    /// Whether the promise is in the channel, or with somebody who receives.
    is_out: bool,
}

impl<'a, T> PromiseArm<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>) -> Self {
        Self { room: Room::new(chan), promise: chan.owe(), is_out: false }
    }

    /// Puts the promise where a sender finds it; `false` if there is none, as nobody receives or there is always room.
    pub(super) fn hand_over(&mut self, call: CallId) -> bool {
        if std::mem::take(&mut self.is_out) {
            self.room.chan().put_promise(call, &mut self.promise);
            return true;
        }
        false
    }

    /// Of the channel: no other has it while the arm lives.
    pub(super) fn address(&self) -> *const () {
        ptr::from_ref(self.room.chan()).cast()
    }
}

impl<T> Arm for PromiseArm<'_, T> {
    fn attempt(&mut self) -> bool {
        let Some(placed) = self.room.chan().attempt_promise(&mut self.promise) else {
            return false;
        };
        self.is_out = placed;
        true
    }

    fn register(&mut self, with: &Registration, index: usize) {
        let Self { room, promise, is_out } = self;
        room.enter(with, index, |rendezvous, claim| {
            let key = rendezvous.enter_promise(promise, with.waiter(), claim);
            *is_out = key.is_some();
            key
        });
    }

    fn is_ready(&self, with: Option<&Registration>) -> bool {
        self.room.waiting.side().is_ready(with)
    }

    fn unregister(&mut self) {
        let is_out = &mut self.is_out;
        self.room.leave(|rendezvous, key| *is_out = !rendezvous.withdraw_promise(key));
    }

    fn settle(&mut self, won: bool) {
        self.room.waiting.settle(won);
    }

    fn watch(&mut self) {
        self.room.waiting.watch();
    }

    fn has_changed(&self) -> bool {
        self.room.waiting.has_changed()
    }

    fn unwatch(&mut self) {
        self.room.waiting.unwatch();
    }
}

impl<T> Drop for PromiseArm<'_, T> {
    fn drop(&mut self) {
        if self.is_out {
            self.room.chan().give_up(&self.promise);
        }
    }
}
