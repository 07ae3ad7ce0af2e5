//! Waiting for a number of things to be done.
#![forbid(unsafe_code)]

use super::gate::Gate;
use crate::runtime::park::Reason;
use crate::sys::time::deadline_after;
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
///     group.add(1);
///     let group = Arc::clone(&group);
///     greenthread::spawn(move || group.done());
/// }
/// group.wait();
/// assert_eq!(group.count(), 0);
/// ```
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
