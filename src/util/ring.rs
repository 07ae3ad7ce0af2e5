//! A growing first-in first-out ring for one owner.
//!
//! A run queue holds pointers to scattered stacks, so what it costs is cache misses; the ring keeps the pointers
//! themselves dense and lets the owner look a few places ahead to prefetch.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;

/// First-in first-out queue of small copyable values with a power-of-two capacity.
///
/// All methods take `&self`: the ring stays on its thread, and no method calls code of others while it touches the slots.
pub(crate) struct Ring<T> {
    /// Its length is a power of two.
    slots: UnsafeCell<Box<[MaybeUninit<T>]>>,
    /// Counts pops and pushes; they wrap, and the slot is the count modulo the length.
    head: Cell<usize>,
    tail: Cell<usize>,
}

impl<T> std::fmt::Debug for Ring<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring")
            .field("head", &self.head)
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

impl<T: Copy> Ring<T> {
    /// An empty ring with room for at least `capacity` values.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let slots = vec![MaybeUninit::uninit(); capacity.next_power_of_two()].into_boxed_slice();
        Self { slots: UnsafeCell::new(slots), head: Cell::new(0), tail: Cell::new(0) }
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.tail.get().wrapping_sub(self.head.get())
    }

    /// The slots; the borrow must end before anything else of the ring is called.
    ///
    /// # Safety
    /// No other borrow of the slots exists: every method ends its own before it returns or calls another.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    unsafe fn slots(&self) -> &mut [MaybeUninit<T>] {
        // SAFETY: as the caller promises; the ring is not `Sync`, so no other thread is in it.
        unsafe { &mut *self.slots.get() }
    }

    #[inline(always)]
    pub(crate) fn push(&self, value: T) {
        let tail = self.tail.get();
        // SAFETY: the borrow ends in this block.
        let full = unsafe { self.slots() }.len() == self.len();
        if full {
            self.grow();
        }
        // SAFETY: the borrow ends in this statement, and the index is below the length, a power of two.
        unsafe {
            let slots = self.slots();
            let at = tail & (slots.len() - 1);
            slots.get_unchecked_mut(at).write(value);
        }
        self.tail.set(tail.wrapping_add(1));
    }

    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<T> {
        let value = self.peek(0)?;
        self.head.set(self.head.get().wrapping_add(1));
        Some(value)
    }

    /// The value `offset` places behind the front, without removing it.
    #[inline(always)]
    pub(crate) fn peek(&self, offset: usize) -> Option<T> {
        if offset >= self.len() {
            return None;
        }
        // SAFETY: the borrow ends in this block. The index is below the length, a power of two, and a slot between
        // head and tail was written by `push` or `grow`.
        unsafe {
            let slots = self.slots();
            let at = self.head.get().wrapping_add(offset) & (slots.len() - 1);
            Some(slots.get_unchecked(at).assume_init())
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&self) {
        let len = self.len();
        // SAFETY: the borrow ends in this statement.
        let capacity = unsafe { self.slots() }.len() * 2;
        let mut bigger = vec![MaybeUninit::uninit(); capacity].into_boxed_slice();
        let head = self.head.get();
        for offset in 0..len {
            if let Some(value) = self.peek(offset) {
                bigger[head.wrapping_add(offset) & (capacity - 1)].write(value);
            }
        }
        // SAFETY: no borrow of the slots is left, and the ring is not `Sync`.
        unsafe { *self.slots.get() = bigger };
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn keeps_order_across_growth_and_wrap() {
        let ring = Ring::with_capacity(2);
        let (mut put, mut got) = (0u32, 0u32);
        for round in 0..200 {
            for _ in 0..(round % 7) + 1 {
                ring.push(put);
                put += 1;
            }
            assert_eq!(ring.peek(0), Some(got));
            for _ in 0..(round % 5) + 1 {
                if let Some(value) = ring.pop() {
                    assert_eq!(value, got);
                    got += 1;
                }
            }
        }
        while let Some(value) = ring.pop() {
            assert_eq!(value, got);
            got += 1;
        }
        assert_eq!((got, ring.len(), ring.peek(0)), (put, 0, None));
    }
}
