//! The free stacks of one size on one OS thread, in last-in first-out order, so that the next user gets the warmest.
//!
//! Invariant: each stack that was carved is either in the pool or owned by somebody. So an arena can be unmapped if all
//! of its stacks are in the pool; one of which some are not may hold live frames, and stays.

use super::arena::Arena;
use super::budget;
use super::size::{GUARD, StackSize};
use crate::sys::memory;
use crate::sys::prefetch::prefetch;
use std::io;
use std::ptr::NonNull;

/// For how many stacks memory is prefetched together.
const PREFETCH: usize = 8;
/// If so many stacks have been given back since the last one was taken, they may be in any order: the next users get
/// them in the order of their addresses.
const MANY: usize = 16 * 1024;
/// How many stacks are put in order at a time, which takes less than a millisecond.
const ORDER: usize = 64 * 1024;
/// How many free stacks keep their memory when a thread trims.
pub(super) const KEEP_WARM: usize = 256;

/// The free stacks of one size.
pub(super) struct StackPool {
    size: StackSize,
    arenas: Vec<Arena>,
    /// Free slots, the most recently used last.
    free: Vec<NonNull<u8>>,
    /// How many slots at the bottom of `free` were not used since the last [`StackPool::trim`]; it may be a few too
    /// low.
    unused: usize,
    /// How many of those were discarded; never more than `unused`.
    discarded: usize,
    /// Slots below this one have to be put in order before they are used.
    unordered: usize,
    /// Slots from this one on have been prefetched, unless there are many more by now. Never more than the length of
    /// `free`, except after a trim, when none have been.
    prefetched: usize,
}

/// How many stacks an OS thread has.
#[allow(dead_code, reason = "metrics alone ask")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) used: usize,
    /// How many free stacks still have their memory.
    pub(crate) hot: usize,
    /// How many free stacks have none, as it was given back.
    pub(crate) cold: usize,
    /// How many bytes of address space are mapped.
    pub(crate) mapped: usize,
}

impl StackPool {
    pub(super) fn new(size: StackSize) -> Self {
        Self {
            size,
            arenas: Vec::new(),
            free: Vec::new(),
            unused: 0,
            discarded: 0,
            unordered: 0,
            prefetched: 0,
        }
    }

    pub(super) fn size(&self) -> StackSize {
        self.size
    }

    /// Takes a stack back that nobody uses any more.
    #[inline]
    pub(super) fn give(&mut self, slot: NonNull<u8>) {
        self.free.push(slot);
    }

    /// A free stack.
    #[inline(always)]
    pub(super) fn warm(&mut self) -> Option<NonNull<u8>> {
        let slot = self.free.pop()?;
        if self.free.len().wrapping_sub(self.prefetched) >= 8 * PREFETCH {
            self.prefetch();
        }
        Some(slot)
    }

    /// Prefetches the tops of the next free stacks, of several at once: each needs an address translation of its own,
    /// and the processor makes a few at a time.
    #[cold]
    #[inline(never)]
    fn prefetch(&mut self) {
        if self.free.len().saturating_sub(self.prefetched) >= MANY {
            self.unordered = self.free.len();
        }
        self.prefetched = self.free.len().saturating_sub(PREFETCH);
        if self.prefetched < self.unordered {
            self.order();
        }
        self.unused = self.unused.min(self.prefetched);
        self.discarded = self.discarded.min(self.unused);
        for slot in &self.free[self.prefetched..] {
            let top = slot.as_ptr().wrapping_add(self.size.stride());
            (1..=4).for_each(|line| prefetch(top.wrapping_sub(64 * line)));
        }
    }

    /// Puts the next free stacks in the order of their addresses, as neighbours share what the processor needs to
    /// translate these. Stacks that have been discarded are left out; they come last.
    #[cold]
    #[inline(never)]
    fn order(&mut self) {
        let from = self.free.len().saturating_sub(ORDER).max(self.discarded);
        self.free[from..].sort_unstable_by(|a, b| b.cmp(a));
        self.unused = self.unused.min(from);
        self.unordered = if from == self.discarded { 0 } else { from };
    }

    #[cold]
    #[inline(never)]
    pub(super) fn carve(&mut self) -> io::Result<NonNull<u8>> {
        if let Some(arena) = self.arenas.last_mut()
            && let Some(slot) = arena.carve()?
        {
            return Ok(slot);
        }
        let mut arena = Arena::map(self.size, self.arenas.len())?;
        let slot = arena.carve();
        self.arenas.push(arena);
        slot?.ok_or_else(|| io::Error::other("an empty stack arena"))
    }

    /// Adds its stacks to the numbers.
    pub(super) fn count(&self, all: Counts) -> Counts {
        let carved: usize = self.arenas.iter().map(Arena::carved).sum();
        Counts {
            used: all.used + carved - self.free.len(),
            hot: all.hot + self.free.len() - self.discarded,
            cold: all.cold + self.discarded,
            mapped: all.mapped + self.arenas.iter().map(Arena::bytes).sum::<usize>(),
        }
    }

    #[cfg(test)]
    pub(super) fn arenas(&self) -> usize {
        self.arenas.len()
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    /// Whether [`trim`](Self::trim) has something to do, now or later, once the pool has taken in so many `hot` ones.
    pub(super) fn has_surplus(&self, hot: usize) -> bool {
        self.discarded < (self.free.len() + hot).saturating_sub(KEEP_WARM)
    }

    /// Gives the memory of stacks that have been free since the last call back to the system, except that of
    /// [`KEEP_WARM`] stacks. Returns how many were trimmed.
    pub(super) fn trim(&mut self) -> usize {
        let unused = std::mem::replace(&mut self.unused, self.free.len());
        // The next use has to note itself.
        self.prefetched = self.free.len();
        self.unordered = 0;
        if self.discarded >= unused.min(self.free.len().saturating_sub(KEEP_WARM)) {
            return 0;
        }
        let before = self.free.len() - self.discarded;
        let unused = self.unmap_unused(unused);
        let end = unused.min(self.free.len().saturating_sub(KEEP_WARM));
        // Neighbours are discarded together by one call; the guards between them stay.
        let stride = self.size.stride();
        let cold = &self.free[..end];
        for run in cold.chunk_by(|a, b| a.as_ptr().wrapping_add(stride) == b.as_ptr()) {
            // SAFETY: every slot in `free` is unused, so the range from above the first one's guard to the end of the
            // last one, which are neighbours in one arena, is not in use.
            unsafe { memory::discard(run[0].add(GUARD), run.len() * stride - GUARD) };
        }
        self.discarded = end;
        before - (self.free.len() - end)
    }

    /// Unmaps the arenas whose stacks have all come back; the others hold live frames and are leaked on purpose. Nobody
    /// takes a stack of the pool any more.
    pub(super) fn end(&mut self) {
        for arena in self.arenas.drain(..) {
            let back = self.free.iter().filter(|&&slot| arena.contains(slot)).count();
            if back == arena.carved() {
                // SAFETY: all slots that were handed out are in `free`, which nobody can take from any more.
                unsafe { arena.unmap() };
            } else {
                budget::leaked(back * arena.stride());
            }
        }
    }

    /// Unmaps arenas whose stacks are all among the first `unused` free ones: only that frees their page tables. Newer
    /// arenas go first. Of the stacks that stay, those of older arenas are moved further up and are used first. Returns
    /// how many of the first ones are left.
    fn unmap_unused(&mut self, unused: usize) -> usize {
        let recent = self.free.split_off(unused);
        let mut cold = std::mem::take(&mut self.free);
        cold.sort_unstable();
        let mut left = cold.len() + recent.len();
        for at in (0..self.arenas.len()).rev() {
            let arena = &self.arenas[at];
            let start = cold.partition_point(|&slot| slot < arena.start());
            let len = cold[start..].iter().take_while(|&&slot| arena.contains(slot)).count();
            if len == arena.carved() && left >= len + KEEP_WARM {
                left -= len;
                // SAFETY: all slots that were handed out are in `cold`, of which they are not taken over to `free`.
                unsafe { self.arenas.remove(at).unmap() };
            } else {
                self.free.extend_from_slice(&cold[start..start + len]);
            }
        }
        let unused = self.free.len();
        self.free.extend(recent);
        self.free.shrink_to(2 * self.free.len());
        self.unused = self.free.len();
        self.prefetched = self.free.len();
        unused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In whatever order they came back, many stacks are used in the order of their addresses, each once, and before
    /// those that were discarded.
    #[test]
    fn many_are_used_in_order() {
        let size = StackSize::default();
        let pool = |slots: std::ops::Range<usize>| StackPool {
            // A prefetch may name any address.
            free: slots
                .map(|at| NonNull::without_provenance((at + 1).try_into().unwrap()))
                .collect(),
            ..StackPool::new(size)
        };
        let shuffled = |pool: &mut StackPool| {
            let mut seed = 1u64;
            for at in (1..pool.free.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                pool.free.swap(at, (seed >> 33) as usize % (at + 1));
            }
        };
        let addresses = |pool: &mut StackPool, count: usize| -> Vec<usize> {
            (0..count).map(|_| pool.warm().unwrap().addr().get()).collect()
        };

        let count = ORDER + ORDER / 2;
        let mut many = pool(0..count);
        shuffled(&mut many);
        let mut used = addresses(&mut many, count);
        // When one is taken, those after it are put in order, and the next ones some time before their turn.
        assert!(used[1..=ORDER - PREFETCH].is_sorted() && used[ORDER + 2..].is_sorted());
        used.sort_unstable();
        assert!(used.into_iter().eq(1..=count), "each once");

        let mut some = pool(0..2 * MANY);
        shuffled(&mut some);
        (some.unused, some.discarded) = (MANY / 2, MANY / 2);
        let discarded = some.free[..MANY / 2].to_vec();
        let mut kept: Vec<usize> = some.free[MANY / 2..].iter().map(|at| at.addr().get()).collect();
        let used = addresses(&mut some, 2 * MANY - MANY / 2);
        assert_eq!(some.free, discarded, "as they were");
        assert!(used[1..].is_sorted());
        kept.sort_unstable();
        let mut used = used;
        used.sort_unstable();
        assert_eq!(used, kept);
    }
}
