//! Sending as an arm.
#![forbid(unsafe_code)]

use super::side::{Side, To, Watched};
use super::{Arm, Registration};
use crate::runtime::wait_list::Key;
use crate::sync::channel::{Chan, SendFailure};
use crate::sync::{mpmc, mpsc};
use crate::util::dropping::Held;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::SendError;

/// A sender of any kind.
pub trait SendTo<T> {
    /// The arm that sends to it. The name is chosen as that of [`RecvFrom`](super::RecvFrom)'s method.
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
    chan: &'a Chan<T>,
    /// `None` while the item is in an offer, and when it has been sent.
    item: Held<Option<T>>,
    /// Where the item goes back to if another arm wins.
    home: Option<&'a mut Option<T>>,
    failure: Held<Option<T>>,
    key: Option<Key>,
    notified: bool,
    watched: Option<Watched>,
}

impl<'a, T> SendArm<'a, T> {
    fn new(chan: &'a Chan<T>, item: Option<T>, mut home: Option<&'a mut Option<T>>) -> Self {
        let item = item.or_else(|| home.as_mut().and_then(|home| home.take()));
        let (item, failure) = (Held::new(item), Held::new(None));
        Self { chan, item, home, failure, key: None, notified: false, watched: None }
    }

    /// Returns whether the arm that won has sent its item.
    ///
    /// # Errors
    /// [`SendError`], which holds the item, if all receivers are gone.
    pub fn finish(self) -> Result<(), SendError<T>> {
        self.failure.into_inner().map_or(Ok(()), |item| Err(SendError(item)))
    }
}

impl<T> Arm for SendArm<'_, T> {
    fn attempt(&mut self) -> bool {
        // Without an item, as `send_from` an empty `Option`, the arm never wins.
        let Some(item) = self.item.take() else { return false };
        match self.chan.attempt_send(item) {
            Ok(()) => true,
            Err(SendFailure::Full(item)) => {
                *self.item = Some(item);
                false
            }
            Err(SendFailure::Disconnected(item)) => {
                *self.failure = Some(item);
                true
            }
        }
    }

    fn register(&mut self, with: &Registration, index: usize) {
        let waiter = with.waiter.clone();
        match self.chan.rendezvous() {
            Some(rendezvous) => {
                let Some(item) = self.item.take() else { return };
                let claim = (Arc::clone(&with.ticket), index);
                match rendezvous.enter_send(item, waiter, claim) {
                    Ok(key) => self.key = Some(key),
                    Err(item) => *self.item = Some(item),
                }
            }
            None if self.item.is_some() => self.key = Some(self.chan.room().enter(waiter)),
            None => {}
        }
    }

    fn is_ready(&self, with: Option<&Registration>) -> bool {
        // Of what it registered, an offer has the item.
        (self.key.is_some() || self.item.is_some()) && To(self.chan).is_ready(with)
    }

    fn unregister(&mut self) {
        let Some(key) = self.key.take() else { return };
        match self.chan.rendezvous() {
            Some(rendezvous) => *self.item = rendezvous.withdraw(key),
            None => self.notified = !self.chan.room().leave(key),
        }
    }

    fn settle(&mut self, won: bool) {
        if won {
            return;
        }
        if self.notified {
            self.chan.room().notify_one();
        }
        if let Some(home) = &mut self.home {
            **home = self.item.take();
        }
    }

    fn watch(&mut self) {
        // Without an item it is never ready.
        self.watched = self.item.is_some().then(|| To(self.chan).watch());
    }

    fn has_changed(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| To(self.chan).has_changed(watched))
    }

    fn unwatch(&mut self) {
        To(self.chan).unwatch(self.watched.take());
    }

    fn drop_item(&mut self) {
        drop(self.item.take());
    }
}

impl<T> fmt::Debug for SendArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendArm").finish_non_exhaustive()
    }
}
