//! Permits that limit how many do something at once.
#![forbid(unsafe_code)]

use super::permit::permits;
use super::raw_semaphore::{MAX_PERMITS, RawSemaphore};
use crate::sys::time::deadline_after;
use std::sync::Arc;
use std::thread::panicking;
use std::time::{Duration, Instant};

/// A number of permits that threads take and give back, first come, first served. As gevent's and Python's `Semaphore`; std has
/// none today.
///
/// A thread that gives a permit back and takes one again at once does not overtake one that waits. If a waiter times
/// out or is killed, its permit goes to the next. A permit is handed over: it belongs to the waiter that is woken with
/// it from that moment on, even while the worker of that one runs something else.
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
/// Several permits at once:
/// ```
/// use greenthread::sync::Semaphore;
/// let megabytes = Semaphore::new(10);
/// let large = megabytes.acquire_many(8);
/// assert_eq!((large.num_permits(), megabytes.available()), (8, 2));
/// megabytes.release_many(5); // there are more of them from here on
/// drop(large);
/// assert_eq!(megabytes.drain(), 15);
/// assert!(megabytes.try_acquire().is_none());
/// ```
#[derive(Debug)]
pub struct Semaphore {
    pub(crate) raw: RawSemaphore,
}

impl Semaphore {
    /// Makes a semaphore with `permits` free permits, which may be none.
    ///
    /// # Panics
    /// If `permits` is more than half of `usize::MAX`.
    ///
    /// # Examples
    /// For a resource of which there are three, however many threads want it:
    /// ```
    /// use greenthread::sync::Semaphore;
    ///
    /// static CONNECTIONS: Semaphore = Semaphore::new(3);
    /// let held = [CONNECTIONS.acquire(), CONNECTIONS.acquire(), CONNECTIONS.acquire()];
    /// assert!(CONNECTIONS.try_acquire().is_none());
    /// drop(held);
    /// assert_eq!(CONNECTIONS.available(), 3);
    /// ```
    #[must_use]
    pub const fn new(permits: usize) -> Self {
        Self { raw: RawSemaphore::new(permits) }
    }

    /// Gives a permit back, or adds one: it need not have been taken before. Does not suspend. Permits with a guard are given
    /// back by the guard.
    ///
    /// # Panics
    /// If there would be more than half of `usize::MAX` permits.
    ///
    /// # Examples
    /// As a count of what is there, with none at first; [`release_many`](Self::release_many) adds several:
    /// ```
    /// use greenthread::sync::{Arc, Semaphore};
    ///
    /// let items = Arc::new(Semaphore::new(0));
    /// let consumer = {
    ///     let items = Arc::clone(&items);
    ///     greenthread::spawn(move || (0..3).for_each(|_| items.acquire_raw()))
    /// };
    /// items.release();
    /// items.release_many(2);
    /// consumer.join().unwrap();
    /// assert_eq!(items.available(), 0);
    /// ```
    #[doc(alias = "add_permits")]
    #[doc(alias = "post")]
    #[inline]
    pub fn release(&self) {
        self.release_many(1);
    }

    /// Gives `count` permits back, or adds them. Does not suspend.
    ///
    /// # Panics
    /// If there would be more than half of `usize::MAX` permits.
    pub fn release_many(&self, count: usize) {
        assert!(
            self.raw.release(count, MAX_PERMITS).is_ok(),
            "a semaphore has at most usize::MAX / 2 permits"
        );
    }

    /// Makes the guard for permits that the caller has taken.
    pub(crate) fn permit(&self, count: usize) -> SemaphorePermit<'_> {
        SemaphorePermit { semaphore: self, count }
    }

    /// Gives permits back for a guard. It does not panic, as that would end the process while the thread unwinds.
    fn give_back(&self, count: usize) {
        let released = self.raw.release(count, MAX_PERMITS).is_ok();
        assert!(released || panicking(), "a semaphore has at most usize::MAX / 2 permits");
    }

    /// How many permits are free at this moment.
    #[doc(alias = "available_permits")]
    pub fn available(&self) -> usize {
        self.raw.available()
    }

    /// Takes all permits that are free at this moment, and returns how many those were. Does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Semaphore;
    ///
    /// let tokens = Semaphore::new(5);
    /// let kept = tokens.acquire();
    /// assert_eq!(tokens.drain(), 4);
    /// drop(kept);
    /// assert_eq!(tokens.available(), 1);
    /// ```
    pub fn drain(&self) -> usize {
        self.raw.drain()
    }
}

permits!(Semaphore, SemaphorePermit, OwnedSemaphorePermit);
