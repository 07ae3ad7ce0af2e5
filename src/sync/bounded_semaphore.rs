//! Permits that limit how many do something at once, and no more than that.
#![forbid(unsafe_code)]

use super::raw_semaphore::RawSemaphore;
use crate::sys::time::deadline_after;
use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

/// A [`Semaphore`](super::Semaphore) that never has more permits than at first: giving back one that was not taken is an
/// error, and most often a bug that this finds. As Python's and gevent's `BoundedSemaphore`.
///
/// # Examples
/// ```
/// let semaphore = greenthread::sync::BoundedSemaphore::new(1);
/// semaphore.acquire();
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

    /// Takes a permit, waiting for one if need be. Suspends a green thread, blocks an OS thread.
    ///
    /// Nothing gives it back by itself; see [`access`](Self::access) for that.
    #[inline]
    pub fn acquire(&self) {
        self.raw.acquire(1, None);
    }

    /// Takes `count` permits at once. Those who came earlier are served first, even if they want more.
    pub fn acquire_many(&self, count: usize) {
        self.raw.acquire(count, None);
    }

    /// Takes a permit if one is free and nobody waits. Does not suspend.
    #[inline]
    #[must_use = "says whether there was a permit"]
    pub fn try_acquire(&self) -> bool {
        self.raw.try_acquire(1)
    }

    /// As [`acquire`](Self::acquire), for at most `timeout`; `false` if there was no permit in that time.
    #[must_use = "says whether there was a permit"]
    pub fn acquire_timeout(&self, timeout: Duration) -> bool {
        self.raw.acquire(1, deadline_after(timeout))
    }

    /// As [`acquire_timeout`](Self::acquire_timeout), to a point in time.
    #[must_use = "says whether there was a permit"]
    pub fn acquire_deadline(&self, deadline: Instant) -> bool {
        self.raw.acquire(1, Some(deadline))
    }

    /// Takes a permit that is given back when the guard is dropped. Suspends as [`acquire`](Self::acquire) does.
    ///
    /// # Examples
    /// ```
    /// let semaphore = greenthread::sync::BoundedSemaphore::new(1);
    /// let permit = semaphore.access();
    /// assert!(semaphore.try_access().is_none());
    /// drop(permit);
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    pub fn access(&self) -> BoundedSemaphorePermit<'_> {
        self.acquire();
        BoundedSemaphorePermit { semaphore: self }
    }

    /// As [`access`](Self::access) if a permit is free and nobody waits. Does not suspend.
    pub fn try_access(&self) -> Option<BoundedSemaphorePermit<'_>> {
        self.try_acquire().then(|| BoundedSemaphorePermit { semaphore: self })
    }

    /// As [`access`](Self::access), for at most `timeout`.
    pub fn access_timeout(&self, timeout: Duration) -> Option<BoundedSemaphorePermit<'_>> {
        self.acquire_timeout(timeout).then(|| BoundedSemaphorePermit { semaphore: self })
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

    /// How many permits are free at this moment.
    pub fn available(&self) -> usize {
        self.raw.available()
    }

    /// How many permits there are, free or taken.
    pub fn bound(&self) -> usize {
        self.bound
    }
}

/// A permit of a [`BoundedSemaphore`], given back when it is dropped.
#[derive(Debug)]
#[must_use = "the permit is given back at once if it is not kept"]
pub struct BoundedSemaphorePermit<'a> {
    semaphore: &'a BoundedSemaphore,
}

impl BoundedSemaphorePermit<'_> {
    /// Keeps the permit taken: nothing gives it back but a later `release`.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for BoundedSemaphorePermit<'_> {
    fn drop(&mut self) {
        // An error says that somebody else gave it back: there is nothing left to do.
        let _ = self.semaphore.release();
    }
}

/// More permits were to be given back to a [`BoundedSemaphore`] than had been taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseError(());

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore released more often than acquired")
    }
}

impl Error for ReleaseError {}
