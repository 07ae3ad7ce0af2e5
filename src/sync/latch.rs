//! A countdown to wait for.
#![forbid(unsafe_code)]

use super::gate::Gate;
use crate::runtime::park::Reason;
use crate::sys::time::deadline_after;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A countdown that threads wait for: it opens, for good, at zero. As Java's `CountDownLatch` and C++'s `std::latch`; Rust's std
/// has none.
///
/// # Examples
/// ```
/// use greenthread::sync::{Arc, Latch};
/// let ready = Arc::new(Latch::new(3));
/// for _ in 0..3 {
///     let ready = Arc::clone(&ready);
///     greenthread::spawn(move || ready.count_down());
/// }
/// ready.wait();
/// assert!(ready.is_open());
/// ```
#[doc(alias = "CountDownLatch")]
#[derive(Debug)]
pub struct Latch {
    left: AtomicUsize,
    gate: Gate,
}

impl Latch {
    /// Makes a latch that opens when [`count_down`](Self::count_down) has been called `count` times; with zero it is open.
    #[must_use]
    pub const fn new(count: usize) -> Self {
        Self { left: AtomicUsize::new(count), gate: Gate::new() }
    }

    /// Counts down by one; an open latch stays as it is. Does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Latch;
    ///
    /// let parts = Latch::new(2);
    /// greenthread::scope(|s| {
    ///     s.spawn(|| parts.count_down());
    ///     s.spawn(|| parts.count_down());
    ///     parts.wait();
    /// });
    /// // It stays open.
    /// parts.count_down();
    /// assert!(parts.is_open() && parts.count() == 0);
    /// ```
    pub fn count_down(&self) {
        let update = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update) == Ok(1) {
            self.gate.notify_all();
        }
    }

    /// How many times it has still to be counted down.
    pub fn count(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.count() == 0
    }

    /// Waits until it is open. Suspends a green thread, blocks an OS thread.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Latch;
    ///
    /// let started = Latch::new(1);
    /// greenthread::scope(|s| {
    ///     s.spawn(|| {
    ///         println!("ready to serve");
    ///         started.count_down();
    ///     });
    ///     started.wait();
    /// });
    /// ```
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// Counts down by one, and waits until the latch is open. Suspends a green thread, blocks an OS thread.
    ///
    /// # Examples
    /// Nobody begins before all are there:
    /// ```
    /// use greenthread::sync::Latch;
    /// let start = Latch::new(3);
    /// greenthread::scope(|s| {
    ///     for _ in 0..3 {
    ///         s.spawn(|| {
    ///             start.arrive_and_wait();
    ///             assert_eq!(start.count(), 0);
    ///         });
    ///     }
    /// });
    /// ```
    pub fn arrive_and_wait(&self) {
        self.count_down();
        self.wait();
    }

    /// As [`wait`](Self::wait), for at most `timeout`; returns whether the latch is open.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Latch;
    /// use std::time::Duration;
    ///
    /// let parts = Latch::new(1);
    /// assert!(!parts.wait_timeout(Duration::from_millis(1)));
    /// parts.count_down();
    /// assert!(parts.wait_timeout(Duration::from_millis(1)));
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(deadline_after(timeout))
    }

    /// As [`wait`](Self::wait), up to a point in time; returns whether the latch is open.
    pub fn wait_deadline(&self, deadline: Instant) -> bool {
        self.wait_until(Some(deadline))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        self.is_open() || self.gate.wait(Reason::Event, deadline, || self.is_open())
    }
}
