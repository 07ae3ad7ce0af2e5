//! The few free stacks of an OS thread that were used last, all of one size: an array in a thread-local without a destructor, so that
//! a spawn and an end touch nothing else. Behind it is the pool, which takes them all back where it counts or frees stacks.
#![forbid(unsafe_code)]

use super::size::StackSize;
use std::cell::Cell;
use std::ptr::NonNull;

const ROOM: usize = 32;
/// How many come from the pool together: as many as it prefetches together.
const FILL: usize = 8;
/// How many go to the pool together.
const SPILL: usize = 16;

struct Hot {
    /// The size of all of them, and how many there are.
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

/// Keeps one. `false` if there is no room, or others are of another size.
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

/// Where there are none, makes that the size, and takes a few, the last of which is to be used first.
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

/// Where there is no room, hands over those that were used least lately.
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

/// Hands over all.
pub(super) fn empty(mut to: impl FnMut(StackSize, NonNull<u8>)) {
    HOT.with(|hot| {
        let len = hot.len.replace(0);
        hot.slots[..len].iter().for_each(|slot| to(hot.size.get(), slot.get()));
    });
}
