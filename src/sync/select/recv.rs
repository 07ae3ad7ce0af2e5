//! Receiving as an arm.
#![forbid(unsafe_code)]

use super::side::{From, Side};
use super::waiting::Waiting;
use super::{Arm, Registration};
use crate::sync::channel::{CallId, ReceiverPlace};
use crate::sync::mpmc::ItemsFrom;
use crate::sync::{mpmc, mpsc};
use crate::util::dropping::Held;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::mpsc::{RecvError, TryRecvError};
use std::time::Instant;

/// A receiver of either kind.
pub trait RecvFrom {
    /// What it receives.
    type Item;

    /// The arm that receives from it. The compiler shows the name of this method for receivers of other libraries, which block
    /// the OS thread and cannot be waited for together with others.
    fn use_a_receiver_of_greenthread_sync(&self) -> RecvArm<'_, Self::Item>;
}

impl<T> RecvFrom for mpsc::Receiver<T> {
    type Item = T;

    fn use_a_receiver_of_greenthread_sync(&self) -> RecvArm<'_, T> {
        RecvArm::new(From::Chan(self.chan()))
    }
}

impl<T> RecvFrom for mpmc::Receiver<T> {
    type Item = T;

    fn use_a_receiver_of_greenthread_sync(&self) -> RecvArm<'_, T> {
        RecvArm::new(match &self.source {
            ItemsFrom::Chan(chan) => From::Chan(chan),
            ItemsFrom::Timer(timer) => From::Timer(timer),
        })
    }
}

/// The [`Arm`] that receives.
pub struct RecvArm<'a, T> {
    waiting: Waiting<From<'a, T>>,
    item: Held<Option<T>>,
    /// Nothing is left, and all senders are gone.
    has_ended: bool,
    /// The place of the arm among the receivers that wait at a rendezvous.
    place: Option<ReceiverPlace>,
}

impl<'a, T> RecvArm<'a, T> {
    fn new(from: From<'a, T>) -> Self {
        Self { waiting: Waiting::new(from), item: Held::new(None), has_ended: false, place: None }
    }

    /// The side that it receives from.
    pub(super) fn from(&self) -> From<'a, T> {
        *self.waiting.side()
    }

    /// Passes an item that came at a rendezvous, and is not wanted any more, on to another receiver.
    pub(crate) fn give_back(&mut self) {
        if let (Some(place), Some(rendezvous)) = (self.place.take(), self.from().rendezvous()) {
            rendezvous.give_back(place);
        }
    }

    /// Leaves what the arm that won has received for the receiver; `false` if the channel has ended.
    pub(super) fn hand_over(&mut self, call: CallId) -> bool {
        let Some(item) = self.item.take() else { return false };
        match self.from() {
            From::Chan(chan) => chan.put_in_hands(call, item),
            From::Timer(timer) => timer.hands.put(call, item),
        }
        true
    }

    /// The address of the channel, which no other channel has while the arm lives.
    pub(super) fn address(&self) -> *const () {
        match self.from() {
            From::Chan(chan) => ptr::from_ref(chan).cast(),
            From::Timer(timer) => ptr::from_ref(timer).cast(),
        }
    }

    /// Returns what the arm that won has received.
    pub fn finish(self) -> Result<T, RecvError> {
        self.item.into_inner().ok_or(RecvError)
    }
}

impl<T> Arm for RecvArm<'_, T> {
    fn attempt(&mut self) -> bool {
        match self.from() {
            From::Chan(chan) => match chan.attempt_recv() {
                Ok(item) => *self.item = Some(item),
                Err(TryRecvError::Disconnected) => self.has_ended = true,
                Err(TryRecvError::Empty) => {}
            },
            From::Timer(timer) => *self.item = timer.try_recv(),
        }
        self.has_come()
    }

    fn register(&mut self, with: &Registration, index: usize) {
        match self.from().rendezvous() {
            Some(rendezvous) => {
                let claim = (Arc::clone(&with.ticket), index);
                self.place = rendezvous.enter_recv(with.waiter(), claim);
            }
            None => self.waiting.enter(with),
        }
    }

    fn is_ready(&self, with: Option<&Registration>) -> bool {
        self.from().is_ready(with)
    }

    fn unregister(&mut self) {
        match (self.place.take(), self.from().rendezvous()) {
            (Some(place), Some(rendezvous)) => {
                if let Some(item) = rendezvous.leave(place) {
                    *self.item = Some(item);
                }
            }
            _ => self.waiting.leave(),
        }
    }

    fn has_come(&self) -> bool {
        self.item.is_some() || self.has_ended
    }

    fn settle(&mut self, won: bool) {
        self.waiting.settle(won);
    }

    fn watch(&mut self) {
        self.waiting.watch();
    }

    fn has_changed(&self) -> bool {
        self.waiting.has_changed()
    }

    fn unwatch(&mut self) {
        self.waiting.unwatch();
    }

    fn due(&self) -> Option<Instant> {
        self.from().due()
    }
}

impl<T> fmt::Debug for RecvArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvArm").finish_non_exhaustive()
    }
}
