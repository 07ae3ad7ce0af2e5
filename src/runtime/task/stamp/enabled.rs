//! The twin with the feature `counters`: whoever leaves the task in the mailbox of its hub notes the time.
#![forbid(unsafe_code)]

use crate::sys::clock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The time in ticks of the processor's counter. Written by the one waker of a wait, before the hub takes the task over
/// from it.
#[derive(Debug, Default)]
pub(crate) struct Stamp(AtomicU64);

impl Stamp {
    #[inline(always)]
    pub(in crate::runtime::task) fn set(&self) {
        self.0.store(clock::ticks(), Ordering::Relaxed);
    }

    #[inline(always)]
    pub(in crate::runtime::task) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
