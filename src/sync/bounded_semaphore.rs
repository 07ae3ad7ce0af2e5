//! Permits that limit how many do something at once, and no more than that.
#![forbid(unsafe_code)]

use super::permit::permits;
use super::raw_semaphore::RawSemaphore;
use crate::sys::time::deadline_after;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A [`Semaphore`](super::Semaphore) that never has more permits than at first: giving back one that was not taken is an
/// error, and most often a bug that this finds. As Python's and gevent's `BoundedSemaphore`.
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
    /// One with `permits` free permits, and never more.
    ///
    /// # Panics
    /// For more than half of `usize::MAX`.
    pub const fn new(permits: usize) -> Self {
        Self { raw: RawSemaphore::new(permits), bound: permits }
    }

    /// Gives a permit back. Does not suspend.
    ///
    /// # Errors
    /// [`ReleaseError`] if all permits are free already; nothing happens then.
    #[inline]
    pub fn release(&self) -> Result<(), ReleaseError> {
        self.release_many(1)
    }

    /// Gives `count` permits back.
    ///
    /// # Errors
    /// [`ReleaseError`] if so many are not taken; nothing happens then.
    pub fn release_many(&self, count: usize) -> Result<(), ReleaseError> {
        self.raw.release(count, self.bound).map_err(|()| ReleaseError(()))
    }

    fn give_back(&self, count: usize) {
        // An error says that somebody else gave it back: there is nothing left to do.
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

/// More permits were to be given back to a [`BoundedSemaphore`] than had been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReleaseError(());

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore released more often than acquired")
    }
}

impl Error for ReleaseError {}
