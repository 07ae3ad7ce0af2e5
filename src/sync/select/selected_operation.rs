//! The operation that a `Select` has chosen.
#![forbid(unsafe_code)]

use super::list::Operation;
use crate::sync::channel::CallId;
use crate::sync::mpmc::{Receiver, RecvError, SendError, Sender, TrySendError};
use crate::util::dropping::Held;
use std::fmt;
use std::thread::panicking;

/// The operation that a [`Select`](super::Select) has chosen, to be completed by [`recv`](Self::recv) or
/// [`send`](Self::send).
///
/// It must be completed, and at once: a thread that receives from that channel may be waiting for what it sends.
/// Dropping it panics, as crossbeam's does (but not while the thread unwinds). Then an item that it received is
/// dropped, the room that it had for sending is free again, and whoever waited for its item waits for another. If a
/// chosen send is forgotten (`mem::forget`), its room stays taken; whoever receives it waits for ever, and no timeout
/// or kill ends that.
#[must_use = "it panics when it is dropped before it is completed"]
pub struct SelectedOperation<'a> {
    index: usize,
    operation: Option<Box<dyn Operation + 'a>>,
}

impl<'a> SelectedOperation<'a> {
    pub(super) fn new(index: usize, operation: Box<dyn Operation + 'a>) -> Self {
        Self { index, operation: Some(operation) }
    }

    /// The number that [`Select::recv`](super::Select::recv) or [`Select::send`](super::Select::send) gave.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Completes a receive, and returns what has been received. `receiver` is the one that was given to the
    /// [`Select`](super::Select) under this number, or one of the same channel. Does not wait.
    ///
    /// # Errors
    /// [`RecvError`] if no item was left and all senders were gone.
    ///
    /// # Panics
    /// If the receiver is another channel's, or a send has been chosen.
    ///
    /// # Examples
    /// The end of a channel is also chosen, which is how one learns of it:
    /// ```
    /// use greenthread::sync::mpmc::{RecvError, Select, unbounded};
    ///
    /// let (sender, receiver) = unbounded::<u32>();
    /// drop(sender);
    /// let mut select = Select::new();
    /// select.recv(&receiver);
    /// assert_eq!(select.select().recv(&receiver), Err(RecvError));
    /// ```
    #[track_caller]
    pub fn recv<T>(mut self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        let call = CallId::with(&mut self);
        if !self.hand_over(call, |operation| operation.receives_from(receiver.address())) {
            return Err(RecvError);
        }
        match receiver.take_handed_over(call) {
            Some(item) => Ok(item),
            None => unreachable!("it has just been handed over"),
        }
    }

    /// Completes a send: `item` goes to the sender that was given to the [`Select`](super::Select) under this number, or
    /// one of the same channel. Does not wait.
    ///
    /// # Errors
    /// [`SendError`] with the item if all receivers are gone.
    ///
    /// # Panics
    /// If the sender is another channel's, or a receive has been chosen.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::{Select, bounded};
    ///
    /// let (sender, receiver) = bounded(1);
    /// let mut select = Select::new();
    /// select.send(&sender);
    /// // The item is needed only now.
    /// select.select().send(&sender, "item").unwrap();
    /// assert_eq!(receiver.recv(), Ok("item"));
    /// ```
    #[track_caller]
    pub fn send<T>(mut self, sender: &Sender<T>, item: T) -> Result<(), SendError<T>> {
        let item = Held::new(item);
        let call = CallId::with(&mut self);
        if self.hand_over(call, |operation| operation.sends_to(sender.address())) {
            sender.keep_promise(call, item.into_inner()).map_err(SendError)
        } else {
            // Either there is always room, or nobody receives.
            sender.try_send(item.into_inner()).map_err(|error| match error {
                TrySendError::Full(item) | TrySendError::Disconnected(item) => SendError(item),
            })
        }
    }

    /// Leaves what the operation has in the channel; `false` if it has nothing.
    #[track_caller]
    fn hand_over(&mut self, call: CallId, is_chosen: impl FnOnce(&dyn Operation) -> bool) -> bool {
        let chosen = self.operation.as_mut().filter(|operation| is_chosen(&***operation));
        let Some(operation) = chosen else {
            panic!("the operation that was selected is another, or another channel's")
        };
        let handed_over = operation.hand_over(call);
        self.operation = None;
        handed_over
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        let Some(operation) = self.operation.take() else { return };
        drop(operation);
        assert!(panicking(), "dropped `SelectedOperation` without completing the operation");
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation").field("index", &self.index).finish_non_exhaustive()
    }
}
