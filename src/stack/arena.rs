//! One large mapping cut into equal stacks.

use super::overflow;
use super::size::{GUARD, StackSize};
use crate::sys::memory;
use std::io;
use std::ptr::NonNull;

/// How many stacks the first arena of a size has, and how many the largest.
const FIRST: usize = 16;
const LARGEST: usize = 4096;

/// A mapping of `slots` stacks. The slots are given out in the order of their addresses, and a slot gets its guard when
/// it is given out.
#[derive(Debug)]
pub(super) struct Arena {
    start: NonNull<u8>,
    size: StackSize,
    slots: usize,
    /// How many slots have been given out.
    carved: usize,
    registration: overflow::ArenaRegistration,
}

impl Arena {
    /// Maps the next arena of a thread that has `before` arenas of this size.
    ///
    /// # Errors
    /// The error of mmap for a single stack, as ever smaller arenas are tried first.
    pub(super) fn map(size: StackSize, before: usize) -> io::Result<Self> {
        // Arenas of large stacks hold fewer of them, so that one never takes much more than a default one.
        let scale = (size.stride() / StackSize::default().stride()).max(1);
        let mut slots = ((FIRST << before.min(16)).min(LARGEST) / scale).max(1);
        let start = loop {
            match memory::reserve(slots * size.stride()) {
                Ok(start) => break start,
                Err(_) if slots > 1 => slots /= 2,
                Err(error) => return Err(error),
            }
        };
        let registration =
            overflow::register(start.as_ptr() as usize, slots * size.stride(), size.stride());
        Ok(Self { start, size, slots, carved: 0, registration })
    }

    /// The lowest address of a slot that was never given out before, with its guard in place.
    ///
    /// Stacks are made one after the other. What counts is the fault at the first use, which takes longer than the
    /// guard. To populate the tops of many stacks by one `process_madvise` takes as long as their faults, by a call for
    /// each stack longer; and to make the guards of many stacks by one call saves little.
    ///
    /// # Errors
    /// `None` if the arena is used up; an error if the guard could not be installed.
    pub(super) fn carve(&mut self) -> io::Result<Option<NonNull<u8>>> {
        if self.carved == self.slots {
            return Ok(None);
        }
        // SAFETY: `carved < slots`, so the offset lies inside the mapping; nobody has this slot yet.
        let slot = unsafe {
            let slot = self.start.add(self.carved * self.size.stride());
            memory::install_guard(slot, GUARD)?;
            slot
        };
        self.carved += 1;
        Ok(Some(slot))
    }

    pub(super) fn carved(&self) -> usize {
        self.carved
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn stride(&self) -> usize {
        self.size.stride()
    }

    /// How many bytes of address space it takes.
    #[allow(dead_code, reason = "metrics alone ask")]
    pub(super) fn bytes(&self) -> usize {
        self.slots * self.size.stride()
    }

    pub(super) fn contains(&self, slot: NonNull<u8>) -> bool {
        let offset = (slot.as_ptr() as usize).wrapping_sub(self.start.as_ptr() as usize);
        offset < self.slots * self.size.stride()
    }

    /// Unmaps the arena.
    ///
    /// # Safety
    /// Every slot that was given out has been given back, and nobody keeps an address in it.
    pub(super) unsafe fn unmap(self) {
        overflow::unregister(self.registration);
        // SAFETY: the caller says that the memory is not used any more; it is the mapping made in `map`.
        unsafe { memory::release(self.start, self.slots * self.size.stride()) };
    }
}
