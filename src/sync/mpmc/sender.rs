//! One of the senders.
#![forbid(unsafe_code)]

use super::{SendError, SendTimeoutError, TrySendError};
use crate::sync::channel::{CallId, Chan, SendFailure};
use crate::sys::time::deadline_after;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The sending side of a channel. Clones send to the same channel.
///
/// # Examples
/// ```
/// use greenthread::sync::mpmc::{SendTimeoutError, TrySendError, bounded};
/// use std::time::Duration;
/// let (sender, receiver) = bounded(1);
/// sender.send(1).unwrap();
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// let late = sender.send_timeout(2, Duration::from_millis(1));
/// assert_eq!(late, Err(SendTimeoutError::Timeout(2)));
/// drop(receiver);
/// assert_eq!(sender.send(2).unwrap_err().0, 2, "the item comes back");
/// ```
pub struct Sender<T> {
    pub(in crate::sync) chan: Arc<Chan<T>>,
}

impl<T> Sender<T> {
    /// Sends an item, and waits for room if need be; with a capacity of zero, until the item has been received. Suspends a green
    /// thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`SendError`], which holds the item, if all receivers are gone.
    ///
    /// # Examples
    /// With no room at all, both sides meet:
    /// ```
    /// use greenthread::sync::mpmc::bounded;
    ///
    /// let (sender, receiver) = bounded(0);
    /// let producer = greenthread::spawn(move || {
    ///     sender.send("from hand to hand").unwrap();
    ///     "it has been received"
    /// });
    /// assert_eq!(receiver.recv(), Ok("from hand to hand"));
    /// assert_eq!(producer.join().unwrap(), "it has been received");
    /// ```
    #[doc(alias = "blocking_send")]
    #[inline]
    pub fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.chan.send(item, None, |failure| match failure {
            SendFailure::Full(item) | SendFailure::Disconnected(item) => SendError(item),
        })
    }

    /// Sends an item if there is room, or, with a capacity of zero, if a receiver waits. Does not wait.
    ///
    /// # Errors
    /// [`TrySendError`], which holds the item: `Full` if it cannot be sent now, `Disconnected` if all receivers are gone.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::{TrySendError, bounded};
    ///
    /// let (sender, receiver) = bounded(1);
    /// assert_eq!(sender.try_send(1), Ok(()));
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// drop(receiver);
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Disconnected(2)));
    /// ```
    #[inline]
    pub fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        self.chan.try_send(item, |failure| match failure {
            SendFailure::Full(item) => TrySendError::Full(item),
            SendFailure::Disconnected(item) => TrySendError::Disconnected(item),
        })
    }

    /// As [`send`](Self::send), waiting for at most `timeout`.
    ///
    /// # Errors
    /// [`SendTimeoutError`], which holds the item, if the time ran out or all receivers are gone.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::bounded;
    /// use std::time::Duration;
    ///
    /// let (sender, _receiver) = bounded(1);
    /// sender.send_timeout("first", Duration::from_millis(1)).unwrap();
    /// let error = sender.send_timeout("second", Duration::from_millis(1)).unwrap_err();
    /// assert!(error.is_timeout());
    /// assert_eq!(error.into_inner(), "second");
    /// ```
    pub fn send_timeout(&self, item: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.send_until(item, deadline_after(timeout))
    }

    /// As [`send`](Self::send), waiting up to a point in time.
    ///
    /// # Errors
    /// [`SendTimeoutError`], which holds the item, if the time came first or all receivers are gone.
    pub fn send_deadline(&self, item: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_until(item, Some(deadline))
    }

    fn send_until(&self, item: T, deadline: Option<Instant>) -> Result<(), SendTimeoutError<T>> {
        self.chan.send(item, deadline, |failure| match failure {
            SendFailure::Full(item) => SendTimeoutError::Timeout(item),
            SendFailure::Disconnected(item) => SendTimeoutError::Disconnected(item),
        })
    }

    /// How many items are in the channel.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chan.len()
    }

    /// Whether no item is in the channel; always so with a capacity of zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chan.is_empty()
    }

    /// Whether the channel has no room; always so with a capacity of zero.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.chan.is_full()
    }

    /// How many items the channel can hold; `None` if there is no limit.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.chan.capacity()
    }

    /// Gives the item to whoever has the promise that a `Select` has made. It comes back if nobody will receive it.
    pub(in crate::sync) fn keep_promise(&self, call: CallId, item: T) -> Result<(), T> {
        self.chan.keep_promise(call, item)
    }

    pub(in crate::sync) fn address(&self) -> *const () {
        Arc::as_ptr(&self.chan).cast()
    }

    /// Whether both send to the same channel.
    ///
    /// # Examples
    /// See also [`len`](Self::len), [`is_full`](Self::is_full) and [`capacity`](Self::capacity), which tell how far
    /// the receivers are behind.
    /// ```
    /// use greenthread::sync::mpmc::bounded;
    ///
    /// let (sender, _receiver) = bounded(1);
    /// let other = sender.clone();
    /// other.send("an item").unwrap();
    /// assert!(sender.same_channel(&other) && !sender.is_empty());
    /// assert!(sender.is_full() && sender.len() == 1 && sender.capacity() == Some(1));
    /// ```
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
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
