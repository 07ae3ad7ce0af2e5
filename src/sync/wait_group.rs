//! Waiting for a number of things to be done.
#![forbid(unsafe_code)]

use super::gate::Gate;
use crate::runtime::park::Reason;
use crate::sys::time::deadline_after;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Waits for as many [`done`](Self::done)s as there were [`add`](Self::add)s, as Go's `sync.WaitGroup`.
///
/// std has none; joining handles does the same where there are handles.
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
/// ```
#[doc(alias("WaitGroup.Go"))]
#[derive(Debug, Default)]
pub struct WaitGroup {
    count: AtomicUsize,
    gate: Gate,
}

impl WaitGroup {
    /// One with nothing to wait for.
    pub const fn new() -> Self {
        Self { count: AtomicUsize::new(0), gate: Gate::new() }
    }

    /// Adds `n` things to wait for. Call it before the thread that will be done is spawned.
    ///
    /// # Panics
    /// If the count overflows.
    pub fn add(&self, n: usize) {
        let update = |count: usize| count.checked_add(n);
        let done = self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update);
        assert!(done.is_ok(), "WaitGroup: too many to wait for");
    }

    /// One of them is done. Does not suspend.
    ///
    /// # Panics
    /// If nothing is left to be done.
    pub fn done(&self) {
        let update = |count: usize| count.checked_sub(1);
        match self.count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update) {
            Ok(1) => self.gate.notify_all(),
            Ok(_) => {}
            Err(_) => panic!("WaitGroup: done more often than added"),
        }
    }

    /// Adds one thing to wait for, which is done when the guard is dropped: also where a panic or a kill does that. Does not
    /// suspend.
    ///
    /// # Panics
    /// If the count overflows.
    pub fn guard(&self) -> WaitGroupGuard<'_> {
        self.add(1);
        WaitGroupGuard(self)
    }

    /// As [`guard`](Self::guard), with a guard that borrows nothing: a green thread that is spawned can take it along.
    ///
    /// # Panics
    /// As `guard`.
    pub fn guard_owned(self: &Arc<Self>) -> OwnedWaitGroupGuard {
        self.add(1);
        OwnedWaitGroupGuard(Arc::clone(self))
    }

    /// How many are not done.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until the count is zero. Suspends a green thread, blocks an OS thread.
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// As [`wait`](Self::wait), for at most `timeout`; says whether all were done.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(deadline_after(timeout))
    }

    /// As [`wait_timeout`](Self::wait_timeout), to a point in time.
    pub fn wait_deadline(&self, deadline: Instant) -> bool {
        self.wait_until(Some(deadline))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        // Woken means that the count was zero once, even if it is not any more.
        self.count() == 0 || self.gate.wait(Reason::Event, deadline, || self.count() == 0)
    }
}

/// One thing that a [`WaitGroup`] waits for; its end is that it is done.
#[derive(Debug)]
#[must_use = "it is done at once if the guard is not kept"]
pub struct WaitGroupGuard<'a>(&'a WaitGroup);

/// As [`WaitGroupGuard`], and keeps the group alive; made by [`WaitGroup::guard_owned`].
#[derive(Debug)]
#[must_use = "it is done at once if the guard is not kept"]
pub struct OwnedWaitGroupGuard(Arc<WaitGroup>);

impl Drop for WaitGroupGuard<'_> {
    fn drop(&mut self) {
        self.0.done();
    }
}

impl Drop for OwnedWaitGroupGuard {
    fn drop(&mut self) {
        self.0.done();
    }
}
