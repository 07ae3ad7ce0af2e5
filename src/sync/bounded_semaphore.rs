//! Permits that limit how many do something at once, and no more than that.
#![forbid(unsafe_code)]

use super::permit::permits;
use super::raw_semaphore::RawSemaphore;
use crate::sys::time::deadline_after;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A [`Semaphore`](super::Semaphore) that never has more permits than at first: giving back a permit that was not taken is an
/// error, which finds a bug in most cases. As Python's and gevent's `BoundedSemaphore`.
///
/// # Examples
/// ```
/// let semaphore = greenthread::sync::BoundedSemaphore::new(1);
/// semaphore.acquire_raw();
/// assert!(semaphore.release().is_ok());
/// assert!(semaphore.release().is_err());
/// assert_eq!(semaphore.available(), 1);
/// ```
#[derive(Debug)]
pub struct BoundedSemaphore {
    raw: RawSemaphore,
    bound: usize,
}

impl BoundedSemaphore {
    /// Makes a semaphore with `permits` free permits, and never more.
    ///
    /// # Panics
    /// If `permits` is more than half of `usize::MAX`.
    #[must_use]
    pub const fn new(permits: usize) -> Self {
        Self { raw: RawSemaphore::new(permits), bound: permits }
    }

    /// Gives a permit back. Does not suspend. Permits with a guard are given back by the guard.
    ///
    /// # Errors
    /// [`ReleaseError`] if no permit is taken; nothing is changed then.
    #[inline]
    pub fn release(&self) -> Result<(), ReleaseError> {
        self.release_many(1)
    }

    /// Gives `count` permits back. Does not suspend.
    ///
    /// # Errors
    /// [`ReleaseError`] if fewer permits are taken; nothing is changed then.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::BoundedSemaphore;
    ///
    /// let seats = BoundedSemaphore::new(3);
    /// seats.acquire_many(2).forget();
    /// // One more than were taken: nothing changes.
    /// assert!(seats.release_many(3).is_err());
    /// assert!(seats.release_many(2).is_ok());
    /// assert_eq!((seats.available(), seats.bound()), (3, 3));
    /// ```
    pub fn release_many(&self, count: usize) -> Result<(), ReleaseError> {
        self.raw.release(count, self.bound).map_err(|()| ReleaseError(()))
    }

    fn give_back(&self, count: usize) {
        // An error means that somebody else has given it back: nothing is left to do.
        let _ = self.release_many(count);
    }

    /// How many permits are free at this moment.
    pub fn available(&self) -> usize {
        self.raw.available()
    }

    /// How many permits there are, free or taken.
    pub fn bound(&self) -> usize {
        self.bound
    }
}

permits!(BoundedSemaphore, BoundedSemaphorePermit, OwnedBoundedSemaphorePermit);

/// The error of giving more permits back to a [`BoundedSemaphore`] than are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReleaseError(());

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore released more often than acquired")
    }
}

impl Error for ReleaseError {}
