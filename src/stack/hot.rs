//! The few free stacks of an OS thread that were used last, all of one size. They are in an array in a thread-local
//! without a destructor, so that a spawn and an end touch nothing else. The pool is behind it, and takes them all back
//! when it counts or frees stacks.
#![forbid(unsafe_code)]

use super::size::StackSize;
use std::cell::Cell;
use std::ptr::NonNull;

const ROOM: usize = 32;
/// How many come from the pool at once: as many as it prefetches together.
const FILL: usize = 8;
/// How many go to the pool at once.
const SPILL: usize = 16;

struct Hot {
    /// The size of all of them, and their number.
    size: Cell<StackSize>,
    len: Cell<usize>,
    slots: [Cell<NonNull<u8>>; ROOM],
}

thread_local! {
    static HOT: Hot = const {
        Hot {
            size: Cell::new(StackSize::DEFAULT),
            len: Cell::new(0),
            slots: [const { Cell::new(NonNull::dangling()) }; ROOM],
        }
    };
}

/// Takes the one that was given last, if it is of that size.
#[inline(always)]
pub(super) fn take(size: StackSize) -> Option<NonNull<u8>> {
    HOT.with(|hot| {
        let at = hot.len.get().wrapping_sub(1);
        if hot.size.get() != size || at >= ROOM {
            return None;
        }
        hot.len.set(at);
        Some(hot.slots[at].get())
    })
}

/// Keeps a stack. Returns `false` if there is no room, or the others are of another size.
#[inline(always)]
pub(super) fn give(size: StackSize, slot: NonNull<u8>) -> bool {
    HOT.with(|hot| {
        let len = hot.len.get();
        let fits = hot.size.get() == size && len < ROOM;
        if fits {
            hot.slots[len].set(slot);
            hot.len.set(len + 1);
        }
        fits
    })
}

/// If there are none, sets the size and takes a few from `next`, whose first one is used first.
pub(super) fn fill(size: StackSize, mut next: impl FnMut() -> Option<NonNull<u8>>) {
    HOT.with(|hot| {
        if hot.len.get() != 0 {
            return;
        }
        let mut some = [None; FILL];
        some.iter_mut().for_each(|slot| *slot = next());
        hot.size.set(size);
        for slot in some.into_iter().rev().flatten() {
            give(size, slot);
        }
    });
}

/// If there is no room, passes on those that have not been used for the longest time.
pub(super) fn spill(size: StackSize, to: impl FnMut(NonNull<u8>)) {
    HOT.with(|hot| {
        if hot.size.get() == size && hot.len.get() == ROOM {
            hot.slots[..SPILL].iter().map(Cell::get).for_each(to);
            for at in SPILL..ROOM {
                hot.slots[at - SPILL].swap(&hot.slots[at]);
            }
            hot.len.set(ROOM - SPILL);
        }
    });
}

/// How many there are of that size.
#[inline]
pub(super) fn count(size: StackSize) -> usize {
    HOT.with(|hot| if hot.size.get() == size { hot.len.get() } else { 0 })
}

/// Passes on all.
pub(super) fn empty(mut to: impl FnMut(StackSize, NonNull<u8>)) {
    HOT.with(|hot| {
        let len = hot.len.replace(0);
        hot.slots[..len].iter().for_each(|slot| to(hot.size.get(), slot.get()));
    });
}
