//! The one decision of a `select!`.
#![forbid(unsafe_code)]

use crate::util::sync::{AtomicUsize, Ordering};

const OPEN: usize = usize::MAX;
const CLOSED: usize = usize::MAX - 1;

/// Says which arm of a waiting `select!` somebody else has completed: at most one, decided by compare-and-swap. It is
/// needed for a rendezvous, where the other side must know that this side takes part before it gives its item away.
#[derive(Debug)]
pub(crate) struct Ticket(AtomicUsize);

impl Ticket {
    pub(crate) fn new() -> Self {
        let ticket = Self(AtomicUsize::new(OPEN));
        // An atomic of loom's is made by its first use, which must not be by another thread.
        #[cfg(loom)]
        ticket.0.load(Ordering::Relaxed);
        ticket
    }

    /// Called by the other side: completes `arm`, unless the decision has been made.
    pub(super) fn claim(&self, arm: usize) -> bool {
        self.0.compare_exchange(OPEN, arm, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire) == OPEN
    }

    /// Called by the owner: from here on nobody can claim it. Returns the arm that was completed, if one was.
    pub(crate) fn close(&self) -> Option<usize> {
        match self.0.compare_exchange(OPEN, CLOSED, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(CLOSED) => None,
            Err(arm) => Some(arm),
        }
    }
}
