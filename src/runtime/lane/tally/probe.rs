//! How long tasks that are ready wait for their turn, measured for one at a time.
//!
//! To note the time of each would cost more than the rest of a switch. So a worker follows one task in its run queue,
//! by its place, and then the next one; it does not see those in between.
#![forbid(unsafe_code)]

use super::Tally;
use crate::runtime::task::Ready;
use crate::sys::{clock, rate};
use std::cell::Cell;

/// One of this many tasks is followed, among those that others have woken and that could be followed.
const ONE_OF: u32 = 4;
/// The value of `before` while no task is followed. [`Probe::next`] counts it down as it does any other value, but it
/// never gets down to half of this.
const NOBODY: usize = usize::MAX;

/// The task that is followed, if one is.
#[derive(Debug)]
pub(crate) struct Probe {
    /// How many tasks run before it.
    before: Cell<usize>,
    /// When it became ready, in ticks.
    since: Cell<u64>,
    offers: Cell<u32>,
}

impl Default for Probe {
    fn default() -> Self {
        Self { before: Cell::new(NOBODY), since: Cell::new(0), offers: Cell::new(0) }
    }
}

impl Probe {
    fn follows(&self) -> bool {
        self.before.get() < NOBODY / 2
    }

    /// How many of the next `batch` tasks to run before this is called again.
    #[inline(always)]
    pub(crate) fn next(&self, tally: &Tally, batch: usize) -> usize {
        let before = self.before.get();
        if before >= batch {
            self.before.set(before - batch);
            batch
        } else {
            self.come_to(tally, before, batch)
        }
    }

    #[inline(never)]
    fn come_to(&self, tally: &Tally, before: usize, batch: usize) -> usize {
        if before > 0 {
            self.before.set(0);
            return before;
        }
        self.before.set(NOBODY);
        tally.waited(rate::nanos(clock::ticks().saturating_sub(self.since.get())));
        batch
    }

    /// Another thread has woken `task`, which is queued behind this many others.
    pub(crate) fn woken(&self, behind: usize, task: Ready) {
        if !self.follows() {
            self.follow(behind, task.woken_at());
        }
    }

    /// This many tasks are ready, and the last of them has just become so: it may be the next one to be followed.
    #[inline]
    pub(crate) fn follow_last(&self, ready: usize) {
        if ready == 0 || self.follows() {
            return;
        }
        let offers = self.offers.get().wrapping_add(1);
        self.offers.set(offers);
        if offers.is_multiple_of(ONE_OF) {
            self.follow(ready - 1, clock::ticks());
        }
    }

    fn follow(&self, before: usize, since: u64) {
        self.before.set(before);
        self.since.set(since);
    }
}
