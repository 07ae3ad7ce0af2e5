//! One of the receivers.
#![forbid(unsafe_code)]

use super::{IntoIter, Iter, RecvError, RecvTimeoutError, TryIter, TryRecvError};
use crate::sync::channel::{CallId, Chan, TimedMessages};
use crate::sys::time::deadline_after;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The receiving side of a channel. Clones receive from the same channel; each item goes to one of them.
///
/// # Examples
/// ```
/// use greenthread::sync::mpmc::{RecvTimeoutError, TryRecvError, bounded};
/// use std::time::Duration;
/// let (sender, receiver) = bounded(2);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
/// sender.send("a").unwrap();
/// sender.send("b").unwrap();
/// assert!(receiver.is_full() && receiver.len() == 2 && receiver.capacity() == Some(2));
/// let clone = receiver.clone();
/// assert!(clone.same_channel(&receiver));
/// assert_eq!((receiver.recv(), clone.recv()), (Ok("a"), Ok("b")));
/// ```
pub struct Receiver<T> {
    pub(in crate::sync) source: ItemsFrom<T>,
}

/// The source of the items.
pub(in crate::sync) enum ItemsFrom<T> {
    Chan(Arc<Chan<T>>),
    Timer(Arc<TimedMessages<T>>),
}

/// Not inlined, like the calls of channels, so that their callers' stacks need no room for it.
#[inline(never)]
fn recv_message<T, E>(
    timer: &TimedMessages<T>,
    deadline: Option<Instant>,
    error: impl FnOnce(RecvTimeoutError) -> E,
) -> Result<T, E> {
    timer.recv(deadline).map_err(error)
}

/// Not inlined, for the same reason.
#[inline(never)]
fn try_recv_message<T>(timer: &TimedMessages<T>) -> Result<T, TryRecvError> {
    timer.try_recv().ok_or(TryRecvError::Empty)
}

impl<T> Receiver<T> {
    pub(super) fn of(chan: Arc<Chan<T>>) -> Self {
        Self { source: ItemsFrom::Chan(chan) }
    }

    pub(super) fn at(timer: TimedMessages<T>) -> Self {
        Self { source: ItemsFrom::Timer(Arc::new(timer)) }
    }

    /// Receives an item, and waits for one if need be. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`RecvError`] if there is no item left and all senders are gone.
    ///
    /// # Examples
    /// Each item goes to one of those who receive:
    /// ```
    /// use greenthread::sync::mpmc::unbounded;
    ///
    /// let (sender, receiver) = unbounded();
    /// let workers = [(); 3].map(|()| {
    ///     let receiver = receiver.clone();
    ///     greenthread::spawn(move || {
    ///         let mut done = 0;
    ///         while let Ok(_job) = receiver.recv() {
    ///             done += 1;
    ///         }
    ///         done
    ///     })
    /// });
    /// (0..10).for_each(|job| sender.send(job).unwrap());
    /// drop(sender);
    /// assert_eq!(workers.into_iter().map(|worker| worker.join().unwrap()).sum::<i32>(), 10);
    /// ```
    #[doc(alias = "blocking_recv")]
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        match &self.source {
            ItemsFrom::Chan(chan) => chan.recv(None, |_| RecvError),
            ItemsFrom::Timer(timer) => recv_message(timer, None, |_| RecvError),
        }
    }

    /// Receives an item if there is one. Does not wait.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if there is none; [`TryRecvError::Disconnected`] if moreover all senders are gone.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::{TryRecvError, unbounded};
    ///
    /// let (sender, receiver) = unbounded();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match &self.source {
            ItemsFrom::Chan(chan) => chan.try_recv(),
            ItemsFrom::Timer(timer) => try_recv_message(timer),
        }
    }

    /// As [`recv`](Self::recv), waiting for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`] if no item came in that time; [`RecvTimeoutError::Disconnected`] if no item is left and all
    /// senders are gone.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::{RecvTimeoutError, unbounded};
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = unbounded();
    /// let limit = Duration::from_millis(1);
    /// assert_eq!(receiver.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
    /// sender.send("an item").unwrap();
    /// assert_eq!(receiver.recv_timeout(limit), Ok("an item"));
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let deadline = deadline_after(timeout);
        match &self.source {
            ItemsFrom::Chan(chan) => chan.recv(deadline, |error| error),
            ItemsFrom::Timer(timer) => recv_message(timer, deadline, |error| error),
        }
    }

    /// As [`recv`](Self::recv), waiting up to a point in time.
    ///
    /// # Errors
    /// Those of [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        match &self.source {
            ItemsFrom::Chan(chan) => chan.recv(Some(deadline), |error| error),
            ItemsFrom::Timer(timer) => recv_message(timer, Some(deadline), |error| error),
        }
    }

    /// An iterator that receives items until all senders are gone; its `next` waits as [`recv`](Self::recv) does.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::unbounded;
    ///
    /// let (sender, receiver) = unbounded();
    /// greenthread::spawn(move || ["a", "b"].map(|item| sender.send(item)));
    /// assert_eq!(receiver.iter().collect::<String>(), "ab");
    /// ```
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// An iterator that receives the items that are there, without waiting.
    ///
    /// # Examples
    /// All that has come so far, in one go:
    /// ```
    /// use greenthread::sync::mpmc::unbounded;
    ///
    /// let (sender, receiver) = unbounded();
    /// (1..=3).for_each(|i| sender.send(i).unwrap());
    /// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    /// assert!(receiver.is_empty());
    /// ```
    #[must_use]
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    /// How many items are in the channel.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.source {
            ItemsFrom::Chan(chan) => chan.len(),
            ItemsFrom::Timer(timer) => usize::from(timer.is_due()),
        }
    }

    /// Whether no item is in the channel; always so with a capacity of zero.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the channel has no room; always so with a capacity of zero.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match &self.source {
            ItemsFrom::Chan(chan) => chan.is_full(),
            ItemsFrom::Timer(timer) => self.len() == timer.capacity(),
        }
    }

    /// How many items the channel can hold; `None` if there is no limit.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        match &self.source {
            ItemsFrom::Chan(chan) => chan.capacity(),
            ItemsFrom::Timer(timer) => Some(timer.capacity()),
        }
    }

    /// The address of the channel, which identifies it.
    pub(in crate::sync) fn address(&self) -> *const () {
        match &self.source {
            ItemsFrom::Chan(chan) => Arc::as_ptr(chan).cast(),
            ItemsFrom::Timer(timer) => Arc::as_ptr(timer).cast(),
        }
    }

    /// The item that a `Select` has received for this receiver.
    pub(in crate::sync) fn take_handed_over(&self, call: CallId) -> Option<T> {
        match &self.source {
            ItemsFrom::Chan(chan) => chan.take_from_hands(call),
            ItemsFrom::Timer(timer) => timer.hands.take(call),
        }
    }

    /// Whether both receive from the same channel; so do all that are made by [`never`](super::never).
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::unbounded;
    ///
    /// let (_, one) = unbounded::<u8>();
    /// let (_, other) = unbounded::<u8>();
    /// assert!(one.same_channel(&one.clone()) && !one.same_channel(&other));
    /// ```
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (ItemsFrom::Chan(a), ItemsFrom::Chan(b)) => Arc::ptr_eq(a, b),
            (ItemsFrom::Timer(a), ItemsFrom::Timer(b)) => {
                Arc::ptr_eq(a, b) || (a.capacity() == 0 && b.capacity() == 0)
            }
            _ => false,
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        let source = match &self.source {
            ItemsFrom::Chan(chan) => {
                chan.add_receiver();
                ItemsFrom::Chan(Arc::clone(chan))
            }
            ItemsFrom::Timer(timer) => ItemsFrom::Timer(Arc::clone(timer)),
        };
        Self { source }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let ItemsFrom::Chan(chan) = &self.source {
            chan.drop_receiver();
        }
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
