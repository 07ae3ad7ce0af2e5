//! The operation that a `Select` has chosen.
#![forbid(unsafe_code)]

use super::list::Receive;
use crate::sync::mpmc::{Receiver, RecvError};
use std::fmt;
use std::thread::panicking;

/// The receive that a [`Select`](super::Select) has chosen, and that [`recv`](Self::recv) completes.
///
/// It must be completed: dropping it drops the item and panics, as crossbeam's does (but not while its thread unwinds).
#[must_use = "it panics when it is dropped before it is completed"]
pub struct SelectedOperation<'a> {
    index: usize,
    receive: Option<Box<dyn Receive + 'a>>,
}

impl<'a> SelectedOperation<'a> {
    pub(super) fn new(index: usize, receive: Box<dyn Receive + 'a>) -> Self {
        Self { index, receive: Some(receive) }
    }

    /// The number that [`Select::recv`](super::Select::recv) gave.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Completes the operation and returns what has been received. `receiver` is the one that was given to the
    /// [`Select`](super::Select) under this number, or one of the same channel. Does not wait.
    ///
    /// # Errors
    /// [`RecvError`] if no item was left and all senders were gone.
    ///
    /// # Panics
    /// If `receiver` belongs to another channel.
    #[track_caller]
    pub fn recv<T>(mut self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        let receive = self.receive.as_mut().filter(|receive| receive.is_from(receiver.address()));
        let Some(receive) = receive else { panic!("that receiver was not selected") };
        let has_item = receive.hand_over();
        self.receive = None;
        if !has_item {
            return Err(RecvError);
        }
        match receiver.take_handed_over() {
            Some(item) => Ok(item),
            None => unreachable!("it has just been handed over"),
        }
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        let Some(receive) = self.receive.take() else { return };
        drop(receive);
        assert!(panicking(), "dropped `SelectedOperation` without completing the operation");
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedOperation").field("index", &self.index).finish_non_exhaustive()
    }
}
