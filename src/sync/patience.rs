//! What a thread does before it goes to sleep.
//!
//! A wait that ends soon is cheaper without a park. A green thread lets the others of its worker run, of which one is
//! often the one that it waits for, and looks again. An OS thread spins for a moment. Both do so a few times only.
#![forbid(unsafe_code)]

use crate::runtime::park;

/// How often an OS thread looks. Each pause is twice as long as the one before.
const SPINS: u32 = if cfg!(loom) { 1 } else { 7 };
/// How often a green thread looks.
pub(crate) const YIELDS: u32 = 2;

/// Counts how often one wait has looked.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    looks: u32,
}

impl Patience {
    /// For a green thread that has yielded `YIELDS` times already.
    pub(crate) fn after_yields() -> Self {
        Self { looks: YIELDS }
    }

    /// Returns `true`, after a little time, if the caller is to look again; `false` if it is time to park.
    #[inline(always)]
    pub(crate) fn again(&mut self) -> bool {
        if self.looks < YIELDS && park::is_green() {
            self.looks += 1;
            park::yield_now();
            return true;
        }
        self.spin()
    }

    /// As [`again`](Self::again), for callers that hold a value of the user's: a kill stays pending.
    pub(crate) fn again_holding(&mut self) -> bool {
        if self.looks < YIELDS && park::is_green() {
            self.looks += 1;
            park::give_way();
            return true;
        }
        self.spin()
    }

    fn spin(&mut self) -> bool {
        if self.looks >= SPINS || park::is_green() {
            return false;
        }
        for _ in 0..1 << self.looks {
            std::hint::spin_loop();
        }
        self.looks += 1;
        true
    }
}
