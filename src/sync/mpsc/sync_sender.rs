//! Sending with a limit.
#![forbid(unsafe_code)]

use super::{Receiver, SendError, TrySendError};
use crate::sync::channel::{Chan, SendFailure};
use std::fmt;
use std::sync::Arc;

/// Makes a channel that holds up to `bound` items; while it is full, sending waits. With a bound of zero, each send waits until
/// its item has been received. As [`std::sync::mpsc::sync_channel`].
///
/// # Examples
/// ```
/// let (sender, receiver) = greenthread::sync::mpsc::sync_channel(1);
/// let producer = greenthread::spawn(move || {
///     for i in 0..10 {
///         sender.send(i).unwrap();
///     }
/// });
/// assert_eq!(receiver.iter().sum::<i32>(), 45);
/// producer.join().unwrap();
/// ```
#[must_use]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let chan = Arc::new(Chan::new(Some(bound)));
    (SyncSender { chan: Arc::clone(&chan) }, Receiver::new(chan))
}

/// The sending side of a [`sync_channel`], as [`std::sync::mpsc::SyncSender`]. Clones send to the same channel.
pub struct SyncSender<T> {
    chan: Arc<Chan<T>>,
}

impl<T> SyncSender<T> {
    pub(in crate::sync) fn chan(&self) -> &Chan<T> {
        &self.chan
    }

    /// Sends an item, and waits for room if need be. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`SendError`], which holds the item, if the receiver is gone.
    ///
    /// # Examples
    /// A producer that is never more than two items ahead:
    /// ```
    /// use greenthread::sync::mpsc::sync_channel;
    ///
    /// let (sender, receiver) = sync_channel(2);
    /// let producer = greenthread::spawn(move || {
    ///     for line in ["one", "two", "three", "four"] {
    ///         sender.send(line).unwrap(); // waits for room
    ///     }
    /// });
    /// assert_eq!(receiver.iter().collect::<Vec<_>>(), ["one", "two", "three", "four"]);
    /// # producer.join().unwrap();
    /// ```
    #[doc(alias = "blocking_send")]
    #[inline]
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.chan.send(item, None, |failure| match failure {
            SendFailure::Full(item) | SendFailure::Disconnected(item) => SendError(item),
        })
    }

    /// Sends an item if there is room, or, with a bound of zero, if the receiver waits. Does not wait.
    ///
    /// # Errors
    /// [`TrySendError`], which holds the item: `Full` if there is no room, `Disconnected` if the receiver is gone.
    ///
    /// # Examples
    /// A log that leaves lines out rather than hold anybody up:
    /// ```
    /// use greenthread::sync::mpsc::{TrySendError, sync_channel};
    ///
    /// let (sender, receiver) = sync_channel(1);
    /// assert_eq!(sender.try_send("kept"), Ok(()));
    /// assert_eq!(sender.try_send("left out"), Err(TrySendError::Full("left out")));
    /// assert_eq!(receiver.recv(), Ok("kept"));
    /// ```
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.chan.try_send(item, |failure| match failure {
            SendFailure::Full(item) => TrySendError::Full(item),
            SendFailure::Disconnected(item) => TrySendError::Disconnected(item),
        })
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        self.chan.add_sender();
        Self { chan: Arc::clone(&self.chan) }
    }
}

impl<T> Drop for SyncSender<T> {
    fn drop(&mut self) {
        self.chan.drop_sender();
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}
