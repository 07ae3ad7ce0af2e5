//! Permits that limit how many do something at once.
#![forbid(unsafe_code)]

use super::permit::permits;
use super::raw_semaphore::{MAX_PERMITS, RawSemaphore};
use crate::sys::time::deadline_after;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A number of permits that threads take and give back, first come first served.
///
/// A thread that gives a permit back and takes one again at once cannot overtake one that waits. As gevent's and Python's
/// `Semaphore`, std has none today. A waiter that times out or is killed loses no permit.
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
///             let _permit = semaphore.acquire();
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

    /// The guard of permits that the caller has taken.
    pub(crate) fn permit(&self, count: usize) -> SemaphorePermit<'_> {
        SemaphorePermit { semaphore: self, count }
    }

    fn give_back(&self, count: usize) {
        self.release_many(count);
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

permits!(Semaphore, SemaphorePermit, OwnedSemaphorePermit);
