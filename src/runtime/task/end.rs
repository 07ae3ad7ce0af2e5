//! Whether a task has ended, and whether its end has to look for those who want to know.
//!
//! | word | meaning | goes on to |
//! |---|---|---|
//! | 0 | it goes on; nothing has been left in the header's `completion` | `HEEDED`, by whoever leaves something there, under the lock; `COME`, by whoever ends it |
//! | `HEEDED` | it goes on | both, by whoever ends it, under the lock |
//! | `COME`, with `HEEDED` or without | it has ended | |
//!
//! So the end of most tasks, which nobody waits for yet, takes no lock; and who wants to leave something there either does so before the
//! end, which then sees it, or finds that it has come.
#![forbid(unsafe_code)]

use crate::util::sync::{AtomicU8, Ordering, mutated};

const HEEDED: u8 = 1;
const COME: u8 = 2;

#[derive(Debug)]
pub(super) struct TaskEnd(AtomicU8);

impl Default for TaskEnd {
    #[inline(always)]
    fn default() -> Self {
        Self(AtomicU8::new(0))
    }
}

impl TaskEnd {
    /// Whether it has come; then all that was before it is seen.
    #[inline]
    pub(super) fn has_come(&self) -> bool {
        let weaker = mutated("who sees an end does not see what was before it");
        self.0.load(if weaker { Ordering::Relaxed } else { Ordering::Acquire }) & COME != 0
    }

    /// Has it look into `completion`, of which the caller has the lock; `false` if it has come already, and all that was before it is
    /// seen.
    #[inline]
    pub(super) fn heed(&self) -> bool {
        let word = self.0.load(Ordering::Acquire);
        if word & HEEDED != 0 || mutated("an end is not told that somebody waits") {
            return word & COME == 0;
        }
        self.0.fetch_or(HEEDED, Ordering::Acquire) & COME == 0
    }

    /// Lets it come, if nobody heeds it.
    #[inline(always)]
    pub(super) fn come_unheeded(&self) -> bool {
        self.0.compare_exchange(0, COME, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Lets it come. Under the lock of `completion`, so that nobody else changes the word.
    pub(super) fn come(&self) {
        self.0.store(HEEDED | COME, Ordering::Release);
    }
}
