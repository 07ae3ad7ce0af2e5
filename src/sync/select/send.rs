//! Sending as an arm.
#![forbid(unsafe_code)]

use super::item::Item;
use super::room::Room;
use super::side::Side;
use super::{Arm, Registration};
use crate::sync::channel::Chan;
use crate::sync::{mpmc, mpsc};
use std::fmt;
use std::sync::mpsc::SendError;

/// A sender of any kind.
pub trait SendTo<T> {
    /// The arm that sends to it. The name serves the compiler's message, as that of [`RecvFrom`](super::RecvFrom)'s
    /// method does.
    #[doc(hidden)]
    fn use_a_sender_of_greenthread_sync<'a>(
        &'a self,
        item: Option<T>,
        home: Option<&'a mut Option<T>>,
    ) -> SendArm<'a, T>;
}

impl<T> SendTo<T> for mpmc::Sender<T> {
    fn use_a_sender_of_greenthread_sync<'a>(
        &'a self,
        item: Option<T>,
        home: Option<&'a mut Option<T>>,
    ) -> SendArm<'a, T> {
        SendArm::new(&self.chan, item, home)
    }
}

impl<T> SendTo<T> for mpsc::Sender<T> {
    fn use_a_sender_of_greenthread_sync<'a>(
        &'a self,
        item: Option<T>,
        home: Option<&'a mut Option<T>>,
    ) -> SendArm<'a, T> {
        SendArm::new(self.chan(), item, home)
    }
}

impl<T> SendTo<T> for mpsc::SyncSender<T> {
    fn use_a_sender_of_greenthread_sync<'a>(
        &'a self,
        item: Option<T>,
        home: Option<&'a mut Option<T>>,
    ) -> SendArm<'a, T> {
        SendArm::new(self.chan(), item, home)
    }
}

/// The [`Arm`] that sends.
pub struct SendArm<'a, T> {
    room: Room<'a, T>,
    /// Empty while the item is in an offer, and after it has been sent.
    item: Item<'a, T>,
    /// Whether all receivers are gone.
    is_refused: bool,
}

impl<'a, T> SendArm<'a, T> {
    fn new(chan: &'a Chan<T>, item: Option<T>, home: Option<&'a mut Option<T>>) -> Self {
        Self { room: Room::new(chan), item: Item::new(item, home), is_refused: false }
    }

    /// Returns whether the arm that won has sent its item.
    ///
    /// # Errors
    /// [`SendError`], which holds the item, if all receivers are gone.
    pub fn finish(mut self) -> Result<(), SendError<T>> {
        match self.is_refused.then(|| self.item.place().take()).flatten() {
            Some(item) => Err(SendError(item)),
            None => Ok(()),
        }
    }
}

impl<T> Arm for SendArm<'_, T> {
    fn attempt(&mut self) -> bool {
        // Without an item, as with an empty `Option` in `send_from`, the arm never wins.
        if !self.item.is_some() {
            return false;
        }
        let refused = self.room.chan().attempt_send_from(self.item.place());
        self.is_refused = refused == Some(true);
        refused != Some(false)
    }

    fn register(&mut self, with: &Registration, index: usize) {
        if !self.item.is_some() {
            return;
        }
        let place = self.item.place();
        self.room.enter(with, index, |rendezvous, claim| {
            let offer = rendezvous.enter_send(place.take()?, with.waiter(), claim);
            offer.map_err(|item| *place = Some(item)).ok()
        });
    }

    fn is_ready(&self, with: Option<&Registration>) -> bool {
        (self.room.has_offered() || self.item.is_some()) && self.room.waiting.side().is_ready(with)
    }

    fn unregister(&mut self) {
        let place = self.item.place();
        self.room.leave(|rendezvous, key| *place = rendezvous.withdraw(key));
    }

    fn settle(&mut self, won: bool) {
        self.room.waiting.settle(won);
    }

    fn watch(&mut self) {
        // Without an item the arm is never ready.
        if self.item.is_some() {
            self.room.waiting.watch();
        }
    }

    fn has_changed(&self) -> bool {
        self.room.waiting.has_changed()
    }

    fn unwatch(&mut self) {
        self.room.waiting.unwatch();
    }

    fn drop_item(&mut self) {
        self.item.drop_own();
    }
}

impl<T> fmt::Debug for SendArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendArm").finish_non_exhaustive()
    }
}
