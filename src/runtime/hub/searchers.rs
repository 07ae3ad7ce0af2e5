//! Which workers are searching, that is, look for something to start, and so need not be woken for new tasks.
//!
//! Adding a new task wakes one sleeper, unless some worker is *searching* already: that one will find the task, and
//! wakes the next worker if it finds more than it can start at once. A worker that was searching, or was woken to
//! search, but has green threads to run first, wakes another one too. A worker that has seen work which another one is
//! to start sleeps for a moment only: it is *watching*. It looks again by itself, so nobody is woken while there is
//! one.
//!
//! Invariant: each worker that is counted as searching looks for new tasks once more after it was counted, or wakes
//! another one. The head of `task/mailbox.rs` says how a worker sleeps and is woken.
#![forbid(unsafe_code)]

use super::shared::HubShared;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

#[derive(Debug, Default)]
pub(super) struct Searchers {
    /// How many workers look for something to start.
    searching: AtomicUsize,
    /// How many workers sleep for a moment only, as they have seen work which another one is to start.
    watching: AtomicUsize,
}

impl Searchers {
    /// Wakes one sleeping worker to search, unless one is searching.
    #[inline]
    pub(super) fn wake_one(&self, hubs: &[&'static HubShared]) {
        loop {
            fence(Ordering::SeqCst);
            if self.searching.load(Ordering::SeqCst) != 0
                || self.watching.load(Ordering::SeqCst) != 0
            {
                return;
            }
            let sleeping = hubs.iter().filter(|hub| hub.is_sleeping());
            let Some(hub) = sleeping.min_by_key(|hub| hub.live()) else { return };
            self.begin();
            if hub.lane.mailbox.wake_to_search() {
                return;
            }
            // That worker has woken up by itself. Others may have relied on our count meanwhile, so this looks again on
            // their behalf.
            self.end();
        }
    }

    /// Counts a worker as searching.
    pub(super) fn begin(&self) {
        self.searching.fetch_add(1, Ordering::SeqCst);
    }

    /// Undoes [`begin`](Self::begin). Returns whether no worker searches any more.
    pub(super) fn end(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Runs `sleep`, in which the calling worker is watching.
    pub(super) fn watching<T>(&self, sleep: impl FnOnce() -> T) -> T {
        self.watching.fetch_add(1, Ordering::SeqCst);
        let slept = sleep();
        self.watching.fetch_sub(1, Ordering::SeqCst);
        slept
    }
}
