//! Whether a lock's data may have been left half changed.
//!
//! As in std, a lock is poisoned when its guard is dropped by a panic that began while the guard lived; a neighbour's panic
//! has nothing to do with it. A kill and a timeout do not poison, nor does the closing of a generator or greenlet that holds a
//! guard: they are ways to end, not errors.
#![forbid(unsafe_code)]

use crate::coroutine::own_unwinds;
use crate::runtime::park;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LockResult, PoisonError};

/// Whether the lock is poisoned. It stays so until that is cleared on purpose.
#[derive(Debug)]
pub(crate) struct Poison(AtomicBool);

/// The unwinds that were under way when a guard was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    unwinds: usize,
}

impl Before {
    #[inline(always)]
    pub(crate) fn now() -> Self {
        if park::any_raised() {
            park::note_calm();
        }
        Self { unwinds: own_unwinds() }
    }

    /// Whether the calling thread has begun to panic since then.
    #[inline(always)]
    pub(crate) fn panicked_since(self) -> bool {
        own_unwinds() > self.unwinds && !park::is_interrupted()
    }
}

/// A part of each guard: poisons the lock if a panic ends the guard, before the lock is given back.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    poison: &'a Poison,
    before: Before,
}

impl<'a> Watch<'a> {
    #[inline(always)]
    pub(crate) fn new(poison: &'a Poison) -> Self {
        Self { poison, before: Before::now() }
    }

    pub(crate) fn poison(&self) -> &'a Poison {
        self.poison
    }
}

impl Drop for Watch<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.poison.done(self.before);
    }
}

impl Poison {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Ends the watch of a guard that was made at `before`.
    #[inline(always)]
    fn done(&self, before: Before) {
        if before.panicked_since() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// `value`, as an error if the lock is poisoned.
    #[inline(always)]
    pub(crate) fn check<G>(&self, value: G) -> LockResult<G> {
        if self.get() { Err(PoisonError::new(value)) } else { Ok(value) }
    }
}
