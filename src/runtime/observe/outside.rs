//! What may wake green threads at any time from outside of all runtimes: signals, and the ends of processes. While
//! somebody waits for one of these, there is no deadlock even if nothing goes on.
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

/// While this lives, something may come from outside and wake a green thread.
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
        // A copy of it in a forked child was never counted there.
        if process::generation() == self.generation {
            counts().expected.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Whether an [`Expectation`] lives.
pub(in crate::runtime) fn is_expected() -> bool {
    counts().expected.load(Ordering::SeqCst) > 0
}

/// Counts an OS thread that lives as long as the process, and wakes somebody only while an [`Expectation`] lives.
pub(crate) fn count_thread() {
    counts().threads.fetch_add(1, Ordering::SeqCst);
}

/// How many such threads there are.
pub(in crate::runtime) fn threads() -> usize {
    counts().threads.load(Ordering::SeqCst)
}
