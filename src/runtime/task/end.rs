//! The word that says whether a task has ended, and whether its end must look for those who want to know.
//!
//! | word | meaning | goes on to |
//! |---|---|---|
//! | 0 | the task has not ended; nothing has been left in the header's `completion` | `HEEDED`, by whoever leaves something there, under the lock; `COME`, by whoever ends the task |
//! | `HEEDED` | it has not ended; its end must look into `completion` | both, by whoever ends the task, under the lock |
//! | `COME`, with `HEEDED` or without | it has ended | |
//!
//! So the end of most tasks, for which nobody waits yet, takes no lock. Whoever wants to leave something there either
//! does so before the end, which then sees it, or finds that the task has ended.
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
    /// Whether the task has ended. If so, the caller sees all that happened before.
    #[inline]
    pub(super) fn has_come(&self) -> bool {
        let weaker = mutated("who sees an end does not see what was before it");
        self.0.load(if weaker { Ordering::Relaxed } else { Ordering::Acquire }) & COME != 0
    }

    /// Makes the end look into `completion`, whose lock the caller holds. Returns `false` if the task has ended
    /// already; the caller then sees all that happened before.
    #[inline]
    pub(super) fn heed(&self) -> bool {
        let word = self.0.load(Ordering::Acquire);
        if word & HEEDED != 0 || mutated("an end is not told that somebody waits") {
            return word & COME == 0;
        }
        self.0.fetch_or(HEEDED, Ordering::Acquire) & COME == 0
    }

    /// Ends the task if nothing was left for its end. Returns `false`, and does nothing, otherwise.
    #[inline(always)]
    pub(super) fn come_unheeded(&self) -> bool {
        self.0.compare_exchange(0, COME, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Ends the task. Called under the lock of `completion`, so that nobody else changes the word.
    pub(super) fn come(&self) {
        self.0.store(HEEDED | COME, Ordering::Release);
    }
}
