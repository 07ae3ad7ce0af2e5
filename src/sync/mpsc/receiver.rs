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

/// The receiving side of a channel, as [`std::sync::mpsc::Receiver`].
///
/// One thread has it; it can be sent but not shared.
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

    /// Receives an item, waiting for one if need be. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`RecvError`] if there is no item left and all senders are gone.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.chan.recv(None).map_err(|_| RecvError)
    }

    /// Receives an item if there is one. Does not wait.
    ///
    /// # Errors
    /// [`TryRecvError`] that says whether one may still come.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.chan.try_recv()
    }

    /// As [`recv`](Self::recv), for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvTimeoutError`] that says whether one may still come.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.chan.recv(deadline_after(timeout))
    }

    /// As [`recv`](Self::recv), to a point in time.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.chan.recv(Some(deadline))
    }

    /// Receives items until all senders are gone; `next` waits as [`recv`](Self::recv) does.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Receives the items that are there, without waiting.
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
/// One thread has it; it can be sent but not shared:
/// ```compile_fail
/// fn sync<T: Sync>() {}
/// sync::<greenthread::sync::mpsc::Receiver<u8>>();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
