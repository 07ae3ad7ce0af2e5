//! A stack, as its owner has it.
//!
//! Invariant: a [`Stack`] is the only owner of its memory, and it never leaves the OS thread that acquired it.

use super::size::StackSize;
use super::{budget, hot, of_thread};
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// A stack with its guard.
///
/// Dropping it gives it back to the pool of the thread. Forgetting it leaks the memory, which is what must happen
/// where live frames may remain on it.
#[derive(Debug)]
pub(crate) struct Stack {
    slot: NonNull<u8>,
    size: StackSize,
    /// A stack goes back to the pool from which it came, so it stays on its thread.
    not_send: PhantomData<*mut ()>,
}

impl Stack {
    /// A stack from the pool of the calling thread.
    ///
    /// # Errors
    /// If no memory could be mapped; the error names the limit that was met.
    #[inline]
    pub(crate) fn acquire(size: StackSize) -> io::Result<Self> {
        Self::try_acquire(size).map_err(budget::explain)
    }

    /// Like [`acquire`](Self::acquire), for callers that try again and again: the error is the system's own.
    #[inline(always)]
    pub(crate) fn try_acquire(size: StackSize) -> io::Result<Self> {
        let slot = match hot::take(size) {
            Some(slot) => slot,
            None => of_thread::take(size)?,
        };
        Ok(Self { slot, size, not_send: PhantomData })
    }

    /// A stack that another user has given back, if there is one.
    #[cold]
    pub(crate) fn reuse(size: StackSize) -> Option<Self> {
        let slot = of_thread::reuse(size)?;
        Some(Self { slot, size, not_send: PhantomData })
    }

    /// The address just above the stack's highest byte.
    #[inline(always)]
    pub(crate) fn top(&self) -> NonNull<u8> {
        // SAFETY: a slot is `stride` bytes, so this is one past its end, inside or at the end of the arena's mapping.
        unsafe { self.slot.add(self.size.stride()) }
    }

    /// The lowest address, guard included.
    #[inline(always)]
    pub(crate) fn limit(&self) -> NonNull<u8> {
        self.slot
    }
}

impl Stack {
    /// Gives the stack back, as dropping it does; always inlined.
    #[inline(always)]
    pub(crate) fn release(self) {
        ManuallyDrop::new(self).put_back();
    }

    #[inline(always)]
    fn put_back(&self) {
        if !hot::give(self.size, self.slot) {
            of_thread::put_back(self.size, self.slot);
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.put_back();
    }
}
