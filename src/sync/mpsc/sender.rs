//! Sending without a limit.
#![forbid(unsafe_code)]

use super::{Receiver, SendError};
use crate::sync::channel::{Chan, SendFailure};
use std::fmt;
use std::sync::Arc;

/// Makes a channel without a limit, to which sending never waits. As [`std::sync::mpsc::channel`].
///
/// # Examples
/// ```
/// let (sender, receiver) = greenthread::sync::mpsc::channel();
/// greenthread::spawn(move || sender.send("hello").unwrap());
/// assert_eq!(receiver.recv().unwrap(), "hello");
/// assert!(receiver.recv().is_err(), "the sender is gone");
/// ```
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let chan = Arc::new(Chan::new(None));
    (Sender { chan: Arc::clone(&chan) }, Receiver::new(chan))
}

/// The sending side of a [`channel`], as [`std::sync::mpsc::Sender`]. Clones send to the same channel.
///
/// # Examples
/// ```
/// use greenthread::sync::mpsc::channel;
///
/// let (sender, receiver) = channel();
/// for i in 1..=3 {
///     let sender = sender.clone();
///     greenthread::spawn(move || sender.send(i).unwrap());
/// }
/// // The receiver comes to the end when the last sender is gone.
/// drop(sender);
/// assert_eq!(receiver.iter().sum::<i32>(), 6);
/// ```
pub struct Sender<T> {
    chan: Arc<Chan<T>>,
}

impl<T> Sender<T> {
    pub(in crate::sync) fn chan(&self) -> &Chan<T> {
        &self.chan
    }

    /// Sends an item. Does not wait. Success does not mean that the item will be received.
    ///
    /// # Errors
    /// [`SendError`], which holds the item, if the receiver is gone.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpsc::channel;
    ///
    /// let (sender, receiver) = channel();
    /// assert!(sender.send("heard").is_ok());
    /// drop(receiver);
    /// // Nobody will ever receive it, so it comes back.
    /// assert_eq!(sender.send("unheard").unwrap_err().0, "unheard");
    /// ```
    #[inline]
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.chan.try_send(item, |failure| match failure {
            SendFailure::Full(item) | SendFailure::Disconnected(item) => SendError(item),
        })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.chan.add_sender();
        Self { chan: Arc::clone(&self.chan) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.chan.drop_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}
