//! What may wake green threads at any time from outside of all runtimes: signals, and the ends of processes. Where somebody
//! waits for one, that nothing moves is no deadlock.
#![forbid(unsafe_code)]

use crate::sys::process::{self, PerProcess};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, Default)]
struct OutsideCounts {
    expected: AtomicUsize,
    threads: AtomicUsize,
}

fn counts() -> &'static OutsideCounts {
    static COUNTS: PerProcess<OutsideCounts> = PerProcess::new();
    COUNTS.get(OutsideCounts::default)
}

/// While it lives, somebody may be woken from outside.
#[derive(Debug)]
pub(crate) struct Expectation {
    generation: u32,
}

impl Expectation {
    pub(crate) fn new() -> Self {
        counts().expected.fetch_add(1, Ordering::SeqCst);
        Self { generation: process::generation() }
    }
}

impl Drop for Expectation {
    fn drop(&mut self) {
        // A copy in a forked child was never counted there.
        if process::generation() == self.generation {
            counts().expected.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Whether there is an [`Expectation`].
pub(in crate::runtime) fn is_expected() -> bool {
    counts().expected.load(Ordering::SeqCst) > 0
}

/// There is one more OS thread for the rest of the process's life that wakes somebody only where that is expected.
pub(crate) fn count_thread() {
    counts().threads.fetch_add(1, Ordering::SeqCst);
}

/// How many of those there are.
pub(in crate::runtime) fn threads() -> usize {
    counts().threads.load(Ordering::SeqCst)
}
