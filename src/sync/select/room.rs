//! How an arm waits until it may send.
#![forbid(unsafe_code)]

use super::Registration;
use super::side::To;
use super::waiting::Waiting;
use crate::runtime::wait_list::Key;
use crate::sync::channel::{Chan, Claim, Rendezvous};
use std::sync::Arc;

/// A place among those who wait for room in a channel; at a rendezvous, an offer.
pub(super) struct Room<'a, T> {
    chan: &'a Chan<T>,
    pub(super) waiting: Waiting<To<'a, T>>,
    offer: Option<Key>,
}

impl<'a, T> Room<'a, T> {
    pub(super) fn new(chan: &'a Chan<T>) -> Self {
        Self { chan, waiting: Waiting::new(To(chan)), offer: None }
    }

    pub(super) fn chan(&self) -> &'a Chan<T> {
        self.chan
    }

    /// Begins to wait. At a rendezvous, `offer` makes the offer, and returns `None` if the channel is closed.
    pub(super) fn enter(
        &mut self,
        with: &Registration,
        index: usize,
        offer: impl FnOnce(Rendezvous<'a, T>, Claim) -> Option<Key>,
    ) {
        match self.chan.rendezvous() {
            Some(rendezvous) => {
                self.offer = offer(rendezvous, (Arc::clone(&with.ticket), index));
            }
            None => self.waiting.enter(with),
        }
    }

    /// Whether the item, or its promise, is in an offer.
    pub(super) fn has_offered(&self) -> bool {
        self.offer.is_some()
    }

    /// Ends the wait. `withdraw` takes an offer back, if nobody has taken it.
    pub(super) fn leave(&mut self, withdraw: impl FnOnce(Rendezvous<'a, T>, Key)) {
        match (self.offer.take(), self.chan.rendezvous()) {
            (Some(key), Some(rendezvous)) => withdraw(rendezvous, key),
            _ => self.waiting.leave(),
        }
    }
}
