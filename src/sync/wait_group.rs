//! Waiting for a number of things to be done.
#![forbid(unsafe_code)]

use super::gate::Gate;
use crate::runtime::park::Reason;
use crate::sys::time::deadline_after;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::panicking;
use std::time::{Duration, Instant};

/// Waits until [`done`](Self::done) has been called as often as things were [`add`](Self::add)ed, as Go's `sync.WaitGroup`.
/// Guards do the counting where a panic or a kill must not be forgotten.
///
/// std has none. Where there are handles, joining them does the same.
///
/// # Examples
/// ```
/// use greenthread::sync::{Arc, WaitGroup};
/// let group = Arc::new(WaitGroup::new());
/// for _ in 0..10 {
///     let guard = group.guard_owned();
///     greenthread::spawn(move || drop(guard));
/// }
/// group.wait();
/// assert_eq!(group.count(), 0);
///
/// // As in Go, without guards:
/// group.add(2);
/// for _ in 0..2 {
///     let group = Arc::clone(&group);
///     greenthread::spawn(move || group.done());
/// }
/// group.wait();
/// ```
#[doc(alias("WaitGroup.Go"))]
#[derive(Debug, Default)]
pub struct WaitGroup {
    count: AtomicUsize,
    gate: Gate,
}

impl WaitGroup {
    /// Makes a group with nothing to wait for.
    #[must_use]
    pub const fn new() -> Self {
        Self { count: AtomicUsize::new(0), gate: Gate::new() }
    }

    /// Adds `n` things to wait for. Call it before spawning the thread that will call [`done`](Self::done): a
    /// [`wait`](Self::wait) before that would return at once. Does not suspend.
    ///
    /// # Panics
    /// If the count overflows.
    ///
    /// # Examples
    /// Added before the green threads are started, and counted by each as [`done`](Self::done):
    /// ```
    /// use greenthread::sync::WaitGroup;
    ///
    /// let group = WaitGroup::new();
    /// greenthread::scope(|s| {
    ///     group.add(3);
    ///     for _ in 0..3 {
    ///         s.spawn(|| group.done());
    ///     }
    ///     group.wait();
    ///     assert_eq!(group.count(), 0);
    /// });
    /// ```
    pub fn add(&self, n: usize) {
        let update = |count: usize| count.checked_add(n);
        let done = self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update);
        assert!(done.is_ok(), "WaitGroup: too many to wait for");
    }

    /// Counts one of the things as done. Does not suspend.
    ///
    /// # Panics
    /// If nothing is left to be done.
    pub fn done(&self) {
        assert!(self.count_down(), "WaitGroup: done more often than added");
    }

    /// Counts one of the things as done; `false` if nothing is left to be done.
    fn count_down(&self) -> bool {
        let update = |count: usize| count.checked_sub(1);
        let before = self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update);
        if before == Ok(1) {
            self.gate.notify_all();
        }
        before.is_ok()
    }

    /// Like [`done`](Self::done), for guards. It does not panic, as that would end the process while the thread
    /// unwinds.
    fn done_by_guard(&self) {
        let counted = self.count_down();
        assert!(counted || panicking(), "WaitGroup: done more often than added");
    }

    /// Adds one thing to wait for, which is done when the guard is dropped, also by a panic or a kill. Does not suspend. What is
    /// [spawned](crate::spawn), and not in a [`scope`](crate::scope()), takes a guard [of its own](Self::guard_owned) along.
    ///
    /// # Panics
    /// If the count overflows.
    ///
    /// # Examples
    /// One that panics is done too:
    /// ```
    /// use greenthread::sync::WaitGroup;
    ///
    /// let group = WaitGroup::new();
    /// let result = greenthread::catch_unwind(|| {
    ///     let _guard = group.guard();
    ///     panic!("in the middle");
    /// });
    /// assert!(result.is_err());
    /// group.wait();
    /// ```
    pub fn guard(&self) -> WaitGroupGuard<'_> {
        self.add(1);
        WaitGroupGuard(self)
    }

    /// As [`guard`](Self::guard), with a guard that borrows nothing: a new green thread can take it along.
    ///
    /// # Panics
    /// If the count overflows.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{Arc, WaitGroup};
    ///
    /// let group = Arc::new(WaitGroup::new());
    /// for _ in 0..3 {
    ///     let guard = group.guard_owned();
    ///     greenthread::spawn(move || {
    ///         let _guard = guard; // dropped at the end, however that comes
    ///     });
    /// }
    /// group.wait();
    /// ```
    pub fn guard_owned(self: &Arc<Self>) -> OwnedWaitGroupGuard {
        self.add(1);
        OwnedWaitGroupGuard(Arc::clone(self))
    }

    /// How many things are not done yet.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until the count is zero. Suspends a green thread, blocks an OS thread.
    ///
    /// # Examples
    /// It can be used again when it has come to zero:
    /// ```
    /// use greenthread::sync::WaitGroup;
    ///
    /// let group = WaitGroup::new();
    /// group.wait(); // nothing to wait for
    /// for _round in 0..2 {
    ///     greenthread::scope(|s| {
    ///         group.add(1);
    ///         s.spawn(|| group.done());
    ///         group.wait();
    ///     });
    /// }
    /// ```
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// As [`wait`](Self::wait), for at most `timeout`; returns whether all were done in that time.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::WaitGroup;
    /// use std::time::Duration;
    ///
    /// let group = WaitGroup::new();
    /// let part = group.guard();
    /// assert!(!group.wait_timeout(Duration::from_millis(1)));
    /// drop(part);
    /// assert!(group.wait_timeout(Duration::from_millis(1)));
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(deadline_after(timeout))
    }

    /// As [`wait`](Self::wait), up to a point in time; returns whether all were done by then.
    pub fn wait_deadline(&self, deadline: Instant) -> bool {
        self.wait_until(Some(deadline))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        // Being woken means that the count was zero once, even if it is not any more.
        self.count() == 0 || self.gate.wait(Reason::Event, deadline, || self.count() == 0)
    }
}

/// One thing that a [`WaitGroup`] waits for; made by [`WaitGroup::guard`]. The thing is done when this is dropped.
#[derive(Debug)]
#[must_use = "it is done at once if the guard is not kept"]
pub struct WaitGroupGuard<'a>(&'a WaitGroup);

/// As [`WaitGroupGuard`], but it keeps the group alive instead of borrowing it; made by [`WaitGroup::guard_owned`].
#[derive(Debug)]
#[must_use = "it is done at once if the guard is not kept"]
pub struct OwnedWaitGroupGuard(Arc<WaitGroup>);

impl Drop for WaitGroupGuard<'_> {
    fn drop(&mut self) {
        self.0.done_by_guard();
    }
}

impl Drop for OwnedWaitGroupGuard {
    fn drop(&mut self) {
        self.0.done_by_guard();
    }
}
