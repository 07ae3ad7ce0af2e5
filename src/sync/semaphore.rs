//! Permits that limit how many do something at once.
#![forbid(unsafe_code)]

use super::raw_semaphore::{MAX_PERMITS, RawSemaphore};
use crate::sys::time::deadline_after;
use std::time::{Duration, Instant};

/// A number of permits that threads take and give back, first come first served.
///
/// A thread that gives a permit back and takes one again at once cannot overtake one that waits. As gevent's and Python's
/// `Semaphore`, with std's old names; std has none today. A waiter that times out or is killed loses no permit.
///
/// # Examples
/// At most two at a time:
/// ```
/// use greenthread::sync::{Arc, Semaphore, atomic::{AtomicUsize, Ordering}};
///
/// let (semaphore, inside) = (Arc::new(Semaphore::new(2)), Arc::new(AtomicUsize::new(0)));
/// let workers: Vec<_> = (0..8)
///     .map(|_| {
///         let (semaphore, inside) = (Arc::clone(&semaphore), Arc::clone(&inside));
///         greenthread::spawn(move || {
///             let _permit = semaphore.access();
///             assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
///             greenthread::yield_now();
///             inside.fetch_sub(1, Ordering::SeqCst);
///         })
///     })
///     .collect();
/// for worker in workers {
///     worker.join().unwrap();
/// }
/// assert_eq!(semaphore.available(), 2);
/// ```
#[derive(Debug)]
pub struct Semaphore {
    pub(crate) raw: RawSemaphore,
}

impl Semaphore {
    /// One with `permits` free permits; zero is allowed.
    ///
    /// # Panics
    /// For more than half of `usize::MAX`.
    pub const fn new(permits: usize) -> Self {
        Self { raw: RawSemaphore::new(permits) }
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
    /// let semaphore = greenthread::sync::Semaphore::new(1);
    /// let permit = semaphore.access();
    /// assert!(semaphore.try_access().is_none());
    /// drop(permit);
    /// assert_eq!(semaphore.available(), 1);
    /// ```
    pub fn access(&self) -> SemaphorePermit<'_> {
        self.acquire();
        self.permit()
    }

    /// The guard of a permit that the caller has taken.
    pub(crate) fn permit(&self) -> SemaphorePermit<'_> {
        SemaphorePermit { semaphore: self }
    }

    /// As [`access`](Self::access) if a permit is free and nobody waits. Does not suspend.
    pub fn try_access(&self) -> Option<SemaphorePermit<'_>> {
        self.try_acquire().then(|| SemaphorePermit { semaphore: self })
    }

    /// As [`access`](Self::access), for at most `timeout`.
    pub fn access_timeout(&self, timeout: Duration) -> Option<SemaphorePermit<'_>> {
        self.acquire_timeout(timeout).then(|| SemaphorePermit { semaphore: self })
    }

    /// Gives a permit back, or adds one: nothing says that it must have been taken before. Does not suspend.
    ///
    /// # Panics
    /// If there would be more than half of `usize::MAX`.
    #[inline]
    pub fn release(&self) {
        self.release_many(1);
    }

    /// Gives `count` permits back, or adds them.
    ///
    /// # Panics
    /// As [`release`](Self::release).
    pub fn release_many(&self, count: usize) {
        assert!(self.raw.release(count, MAX_PERMITS).is_ok(), "too many permits");
    }

    /// How many permits are free at this moment.
    pub fn available(&self) -> usize {
        self.raw.available()
    }

    /// Takes all permits that are free at this moment, and returns how many those were. Does not suspend.
    pub fn drain(&self) -> usize {
        self.raw.drain()
    }
}

/// A permit of a [`Semaphore`], given back when it is dropped.
#[derive(Debug)]
#[must_use = "the permit is given back at once if it is not kept"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
}

impl SemaphorePermit<'_> {
    /// Keeps the permit taken: nothing gives it back but a later `release`.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.release();
    }
}
