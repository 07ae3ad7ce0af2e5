//! The one receiver.
#![forbid(unsafe_code)]

use super::{IntoIter, Iter, RecvError, RecvTimeoutError, TryIter, TryRecvError};
use crate::sync::channel::Chan;
use crate::sys::time::deadline_after;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The receiving side of a channel, as [`std::sync::mpsc::Receiver`]. It can be sent to another thread, but not shared with one.
///
/// # Examples
/// ```
/// use greenthread::sync::mpsc::{RecvTimeoutError, TryRecvError, channel};
/// use std::time::Duration;
/// let (sender, receiver) = channel();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// assert_eq!(receiver.recv_timeout(Duration::from_millis(1)), Err(RecvTimeoutError::Timeout));
/// (1..=3).for_each(|item| sender.send(item).unwrap());
/// assert_eq!(receiver.recv(), Ok(1));
/// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2, 3]);
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
/// ```
pub struct Receiver<T> {
    chan: Arc<Chan<T>>,
    not_sync: PhantomData<Cell<()>>,
}

impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> Receiver<T> {
    pub(super) fn new(chan: Arc<Chan<T>>) -> Self {
        Self { chan, not_sync: PhantomData }
    }

    pub(in crate::sync) fn chan(&self) -> &Chan<T> {
        &self.chan
    }

    /// Receives an item, and waits for one if need be. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`RecvError`] if there is no item left and all senders are gone.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpsc::{RecvError, channel};
    ///
    /// let (sender, receiver) = channel();
    /// greenthread::spawn(move || sender.send("the only one"));
    /// assert_eq!(receiver.recv(), Ok("the only one"));
    /// // All senders are gone.
    /// assert_eq!(receiver.recv(), Err(RecvError));
    /// ```
    #[doc(alias = "blocking_recv")]
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.chan.recv(None, |_| RecvError)
    }

    /// Receives an item if there is one. Does not wait.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if there is none; [`TryRecvError::Disconnected`] if moreover all senders are gone.
    ///
    /// # Examples
    /// To look for orders between two pieces of work:
    /// ```
    /// use greenthread::sync::mpsc::{TryRecvError, channel};
    ///
    /// let (orders, receiver) = channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// orders.send("stop").unwrap();
    /// assert_eq!(receiver.try_recv(), Ok("stop"));
    /// ```
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.chan.try_recv()
    }

    /// As [`recv`](Self::recv), waiting for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`] if no item came in that time; [`RecvTimeoutError::Disconnected`] if no item is left and all
    /// senders are gone.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpsc::{RecvTimeoutError, channel};
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = channel::<u32>();
    /// let nothing = receiver.recv_timeout(Duration::from_millis(1));
    /// assert_eq!(nothing, Err(RecvTimeoutError::Timeout));
    /// drop(sender);
    /// let end = receiver.recv_timeout(Duration::from_secs(60));
    /// assert_eq!(end, Err(RecvTimeoutError::Disconnected));
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.chan.recv(deadline_after(timeout), |error| error)
    }

    /// As [`recv`](Self::recv), waiting up to a point in time.
    ///
    /// # Errors
    /// Those of [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.chan.recv(Some(deadline), |error| error)
    }

    /// An iterator that receives items until all senders are gone; its `next` waits as [`recv`](Self::recv) does.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpsc::channel;
    ///
    /// let (sender, receiver) = channel();
    /// greenthread::spawn(move || (1..=4).for_each(|i| sender.send(i).unwrap()));
    /// assert_eq!(receiver.iter().map(|i| i * i).sum::<i32>(), 30);
    /// ```
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// An iterator that receives the items that are there, without waiting.
    ///
    /// # Examples
    /// All that has come so far:
    /// ```
    /// use greenthread::sync::mpsc::channel;
    ///
    /// let (sender, receiver) = channel();
    /// sender.send("one").unwrap();
    /// sender.send("two").unwrap();
    /// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["one", "two"]);
    /// assert_eq!(receiver.try_iter().next(), None);
    /// ```
    #[must_use]
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.chan.drop_receiver();
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

/// What must not compile.
///
/// One thread owns it; it can be sent but not shared:
/// ```compile_fail
/// fn sync<T: Sync>() {}
/// sync::<greenthread::sync::mpsc::Receiver<u8>>();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
