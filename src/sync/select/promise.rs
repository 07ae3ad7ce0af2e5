//! Choosing to send before there is an item.
#![forbid(unsafe_code)]

use super::room::Room;
use super::side::Side;
use super::{Arm, Registration};
use crate::sync::channel::{CallId, Chan, Owed};
use std::ptr;

/// An arm that puts a promise in the place of an item into a channel. The call that completes the send keeps the
/// promise. If the arm is dropped before, the promise is broken.
pub(super) struct PromiseArm<'a, T> {
    room: Room<'a, T>,
    /// The promise. It is made at the first attempt, if one is needed.
    promise: Owed<T>,
    /// Whether the promise is in the channel, or with a receiver.
    is_out: bool,
}

impl<'a, T> PromiseArm<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>) -> Self {
        Self { room: Room::new(chan), promise: chan.owe(), is_out: false }
    }

    /// Leaves the promise for the sender; `false` if there is none, as nobody receives or there is always room.
    pub(super) fn hand_over(&mut self, call: CallId) -> bool {
        if std::mem::take(&mut self.is_out) {
            self.room.chan().put_promise(call, &mut self.promise);
            return true;
        }
        false
    }

    /// The address of the channel, which no other channel has while the arm lives.
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
