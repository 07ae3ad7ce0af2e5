//! The life of a runtime: its phase, the workers that are left, and those that wait for its end.
//!
//! Invariant: a phase never goes back, and whoever waits for the end is woken once the last worker has ended.
#![forbid(unsafe_code)]

use crate::runtime::task::Waiter;
use crate::util::lock::Mutex;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// The phase of a runtime. It only goes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// Green threads are killed, and new ones never run.
    Ending,
    /// Green threads that did not end are given up.
    GivingUp,
}

#[derive(Debug)]
pub(super) struct Life {
    phase: AtomicU8,
    /// How many workers have a hub that has not ended.
    workers_left: AtomicUsize,
    end_waiters: Mutex<Vec<Waiter>>,
}

impl Life {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Running as u8),
            workers_left: AtomicUsize::new(workers),
            end_waiters: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Running,
            1 => Phase::Ending,
            _ => Phase::GivingUp,
        }
    }

    /// Enters a later phase.
    pub(super) fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::SeqCst);
    }

    /// Counts a worker whose hub is about to end; returns whether it was the last one.
    pub(super) fn worker_ended(&self) -> bool {
        self.workers_left.fetch_sub(1, Ordering::SeqCst) == 1
    }

    pub(super) fn has_ended(&self) -> bool {
        self.workers_left.load(Ordering::SeqCst) == 0
    }

    /// Asks for a wake-up by [`wake_waiters`](Self::wake_waiters).
    pub(super) fn add_end_waiter(&self, waiter: Waiter) {
        self.end_waiters.lock().push(waiter);
    }

    /// Wakes those who wait for the end. The last worker has ended.
    pub(super) fn wake_waiters(&self) {
        for waiter in self.end_waiters.lock().drain(..) {
            waiter.unpark();
        }
    }
}
