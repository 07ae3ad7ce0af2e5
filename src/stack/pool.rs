//! The stacks of one OS thread: free ones in last-in first-out order, so that the next user gets the warmest.

use super::arena::Arena;
use super::budget;
use super::hot;
use super::size::{GUARD, StackSize};
use crate::sys::memory;
use crate::sys::prefetch::prefetch;
use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// Stacks whose memory is asked for together.
const PREFETCH: usize = 8;
/// So many stacks given back since the last was taken have come in any order: the next users get them by address.
const MANY: usize = 16 * 1024;
/// Stacks that are put in order at a time, which takes under a millisecond.
const ORDER: usize = 64 * 1024;
/// Free stacks that keep their memory when a thread trims.
const KEEP_WARM: usize = 256;

/// A stack with its guard, owned by whoever holds the value.
///
/// Dropping it gives it back to the pool of the thread. Forgetting it leaks the memory, which is what must happen
/// where live frames may remain on it.
#[derive(Debug)]
pub(crate) struct Stack {
    slot: NonNull<u8>,
    size: StackSize,
    /// A stack goes back to the pool that it came from, so it stays on its thread.
    not_send: PhantomData<*mut ()>,
}

impl Stack {
    /// A stack from the pool of the calling thread.
    ///
    /// # Errors
    /// Where no memory could be mapped; the error names the limit that stopped it.
    #[inline]
    pub(crate) fn acquire(size: StackSize) -> io::Result<Self> {
        Self::try_acquire(size).map_err(budget::explain)
    }

    /// As [`acquire`](Self::acquire), for who tries again and again: the error is only what the system said.
    #[inline(always)]
    pub(crate) fn try_acquire(size: StackSize) -> io::Result<Self> {
        let slot = match hot::take(size) {
            Some(slot) => slot,
            None => Self::less_hot(size)?,
        };
        Ok(Self { slot, size, not_send: PhantomData })
    }

    #[cold]
    #[inline(never)]
    fn less_hot(size: StackSize) -> io::Result<NonNull<u8>> {
        let ending = || io::Error::other("the OS thread is ending: it makes no more stacks");
        let acquire = |pools: &RefCell<StackPools>| {
            let mut pools = pools.borrow_mut();
            let pool = pools.of(size);
            hot::fill(size, || pool.warm());
            hot::take(size).or_else(|| pool.warm()).map_or_else(|| pool.carve(), Ok)
        };
        POOLS.try_with(acquire).unwrap_or_else(|_| Err(ending()))
    }

    /// One that another user has given back, if there is one.
    #[cold]
    pub(crate) fn reuse(size: StackSize) -> Option<Self> {
        let slot = POOLS.try_with(|pools| pools.borrow_mut().all_of(size).warm()).ok()??;
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
    /// Gives it back, as dropping it does; always inlined.
    #[inline(always)]
    pub(crate) fn release(self) {
        ManuallyDrop::new(self).put_back();
    }

    #[inline(always)]
    fn put_back(&self) {
        if !hot::give(self.size, self.slot) {
            self.put_down();
        }
    }

    #[cold]
    #[inline(never)]
    fn put_down(&self) {
        // A pool whose thread-local is gone has leaked its arenas, so there is nothing to give back to.
        let _ = POOLS.try_with(|pools| {
            let mut pools = pools.borrow_mut();
            let pool = pools.of(self.size);
            hot::spill(self.size, |slot| pool.free.push(slot));
            if !hot::give(self.size, self.slot) {
                pool.free.push(self.slot);
            }
        });
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.put_back();
    }
}

/// Gives the memory of stacks that were free all the time since the last call back to the system, beyond a warm reserve.
/// Returns how many it trimmed.
pub(crate) fn trim() -> usize {
    with_all(|pools| pools.iter_mut().map(StackPool::trim).sum())
}

/// Whether [`trim`] has something to do, now or after a while in which no stack is used.
pub(crate) fn has_surplus() -> bool {
    with_all(|pools| pools.iter().any(StackPool::has_surplus))
}

/// Calls `f` with all pools of the calling OS thread, in which those that are kept hot are, too.
fn with_all<T: Default>(f: impl FnOnce(&mut [StackPool]) -> T) -> T {
    POOLS
        .try_with(|pools| {
            let mut pools = pools.borrow_mut();
            pools.take_back();
            f(&mut pools.0)
        })
        .unwrap_or_default()
}

/// The stacks of one OS thread.
#[allow(dead_code, reason = "metrics alone ask")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) used: usize,
    /// Free ones that still have their memory.
    pub(crate) hot: usize,
    /// Free ones whose memory was given back.
    pub(crate) cold: usize,
    /// Bytes of address space.
    pub(crate) mapped: usize,
}

/// Counts the stacks of the calling OS thread.
#[allow(dead_code, reason = "metrics alone ask")]
pub(crate) fn counts() -> Counts {
    let of = |all: Counts, pool: &StackPool| {
        let carved: usize = pool.arenas.iter().map(Arena::carved).sum();
        Counts {
            used: all.used + carved - pool.free.len(),
            hot: all.hot + pool.free.len() - pool.discarded,
            cold: all.cold + pool.discarded,
            mapped: all.mapped + pool.arenas.iter().map(Arena::bytes).sum::<usize>(),
        }
    };
    with_all(|pools| pools.iter().fold(Counts::default(), of))
}

/// The free stacks of one size.
struct StackPool {
    size: StackSize,
    arenas: Vec<Arena>,
    /// Free slots, the most recently used last.
    free: Vec<NonNull<u8>>,
    /// How many slots at the bottom of `free` were not used since the last [`StackPool::trim`], or a few less.
    unused: usize,
    /// How many of them were discarded: not more than `unused`.
    discarded: usize,
    /// Slots below this one are to be put in order before they are used.
    unordered: usize,
    /// Slots from this one on have been prefetched, if there are not many more by now. Never above `free`'s length but after
    /// a trim, when none are.
    prefetched: usize,
}

impl StackPool {
    /// A free one.
    #[inline(always)]
    fn warm(&mut self) -> Option<NonNull<u8>> {
        let slot = self.free.pop()?;
        if self.free.len().wrapping_sub(self.prefetched) >= 8 * PREFETCH {
            self.prefetch();
        }
        Some(slot)
    }

    /// Asks for the tops of the next free stacks. Several at once: each takes an address translation of its own, and the
    /// processor finds a few at a time.
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

    /// Puts the next free stacks in order of address: neighbours share what the processor needs to translate their addresses.
    /// Not those that have been discarded, which come last.
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
    fn carve(&mut self) -> io::Result<NonNull<u8>> {
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

    fn has_surplus(&self) -> bool {
        self.discarded < self.free.len().saturating_sub(KEEP_WARM)
    }

    fn trim(&mut self) -> usize {
        let unused = std::mem::replace(&mut self.unused, self.free.len());
        // The next use is to note itself.
        self.prefetched = self.free.len();
        self.unordered = 0;
        if self.discarded >= unused.min(self.free.len().saturating_sub(KEEP_WARM)) {
            return 0;
        }
        let before = self.free.len() - self.discarded;
        let unused = self.unmap_unused(unused);
        let end = unused.min(self.free.len().saturating_sub(KEEP_WARM));
        // Neighbours go together in one call; the guards between them stay.
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

    /// Unmaps arenas of which all stacks are among the first `unused` free ones: that alone frees their page tables. Newer
    /// ones go first, and of those that stay, the stacks of older ones come to lie further up and are used first. Returns how
    /// many of the first ones are left.
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

/// The pools of one thread, one for each stack size it has used; the default size comes first.
struct StackPools(Vec<StackPool>);

impl StackPools {
    fn of(&mut self, size: StackSize) -> &mut StackPool {
        let at = self.0.iter().position(|pool| pool.size == size);
        let at = at.unwrap_or_else(|| self.add(size));
        &mut self.0[at]
    }

    /// As [`of`](Self::of), with those that are kept hot.
    fn all_of(&mut self, size: StackSize) -> &mut StackPool {
        self.take_back();
        self.of(size)
    }

    /// Takes in those that are kept hot.
    fn take_back(&mut self) {
        hot::empty(|size, slot| self.of(size).free.push(slot));
    }

    #[cold]
    fn add(&mut self, size: StackSize) -> usize {
        self.0.push(StackPool {
            size,
            arenas: Vec::new(),
            free: Vec::new(),
            unused: 0,
            discarded: 0,
            unordered: 0,
            prefetched: 0,
        });
        self.0.len() - 1
    }
}

impl Drop for StackPools {
    /// Unmaps the arenas of which every stack has come back; the others hold live frames and are leaked on purpose.
    fn drop(&mut self) {
        self.take_back();
        for pool in &mut self.0 {
            for arena in pool.arenas.drain(..) {
                let back = pool.free.iter().filter(|&&slot| arena.contains(slot)).count();
                if back == arena.carved() {
                    // SAFETY: all slots that were handed out are in `free`, which nobody can take from any more.
                    unsafe { arena.unmap() };
                } else {
                    budget::leaked(back * arena.stride());
                }
            }
        }
    }
}

thread_local! {
    static POOLS: RefCell<StackPools> = const { RefCell::new(StackPools(Vec::new())) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fault::{self, Syscall};

    #[test]
    fn reuses_the_warmest_first() {
        let size = StackSize::default();
        let (a, b) = (Stack::acquire(size).unwrap(), Stack::acquire(size).unwrap());
        let (a_at, b_at) = (a.limit(), b.limit());
        assert_ne!(a_at, b_at);
        drop(b);
        drop(a);
        assert_eq!(Stack::acquire(size).unwrap().limit(), a_at);
    }

    /// However they came back, many are used in order of address, each once, and before those that were discarded.
    #[test]
    fn many_are_used_in_order() {
        let size = StackSize::default();
        let pool = |slots: std::ops::Range<usize>| StackPool {
            size,
            arenas: Vec::new(),
            // A prefetch may name any address.
            free: slots
                .map(|at| NonNull::without_provenance((at + 1).try_into().unwrap()))
                .collect(),
            unused: 0,
            discarded: 0,
            unordered: 0,
            prefetched: 0,
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
        // What is put in order when one is taken are those after it, and the next some time before their turn.
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

    #[test]
    fn trims_what_was_not_used_but_for_the_warm_ones() {
        let size = StackSize::default();
        let stacks: Vec<_> = (0..KEEP_WARM + 100).map(|_| Stack::acquire(size).unwrap()).collect();
        for stack in &stacks {
            // SAFETY: the byte just below the top belongs to the stack we hold.
            unsafe { stack.top().sub(1).write(1) };
        }
        drop(stacks);
        assert_eq!(trim(), 0, "all were used just now");
        drop(Stack::acquire(size).unwrap());
        assert_eq!(trim(), 100);
        assert_eq!(trim(), 0, "what is trimmed is not trimmed again");
        let again: Vec<_> = (0..KEEP_WARM + 100).map(|_| Stack::acquire(size).unwrap()).collect();
        // SAFETY: as above.
        let kept = again.iter().filter(|stack| unsafe { stack.top().sub(1).read() } == 1).count();
        assert_eq!(kept, KEEP_WARM);
    }

    #[test]
    fn unmaps_arenas_that_are_not_used() {
        let arenas = || POOLS.with(|pools| pools.borrow().0[0].arenas.len());
        let size = StackSize::default();
        let take = |count| -> Vec<_> {
            let stacks = (0..count).map(|_| Stack::acquire(size).unwrap()).collect();
            for stack in &stacks {
                let stack: &Stack = stack;
                // SAFETY: the byte just below the top belongs to the stack we hold.
                unsafe { stack.top().sub(1).write(1) };
            }
            stacks
        };
        let mut stacks = take(4000);
        let most = arenas();
        let kept = stacks.pop().unwrap();
        // They come back in disorder.
        let (even, odd): (Vec<_>, Vec<_>) =
            stacks.into_iter().enumerate().partition(|(at, _)| at % 2 == 0);
        drop((odd, even));
        assert_eq!((trim(), arenas()), (0, most), "all were used just now");
        drop(Stack::acquire(size).unwrap());
        assert_eq!(trim(), 3999 - KEEP_WARM);
        assert_eq!((trim(), arenas()), (0, 1), "the newest, of which one stack is in use");
        // SAFETY: as above.
        assert_eq!(unsafe { kept.top().sub(1).read() }, 1);
        drop((take(4000), kept));
        drop(Stack::acquire(size).unwrap());
        trim();
        trim();
        assert_eq!(arenas(), 1);
        // With none in use, as many stay as are kept warm.
        std::thread::spawn(move || {
            let all: Vec<_> = (0..4000).map(|_| Stack::acquire(size).unwrap()).collect();
            drop(all);
            assert_eq!((trim(), trim()), (0, 4000 - KEEP_WARM));
            POOLS.with(|pools| assert_eq!(pools.borrow().0[0].free.len(), KEEP_WARM));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_failing_mmap_is_an_error_that_names_the_limit() {
        std::thread::spawn(|| {
            fault::fail(Syscall::Mmap, 0, usize::MAX, libc::ENOMEM);
            let error = Stack::acquire(StackSize::default()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            assert!(error.to_string().contains("vm.max_map_count"), "{error}");
            fault::fail(Syscall::Mmap, 0, 3, libc::ENOMEM);
            assert!(Stack::acquire(StackSize::default()).is_ok(), "smaller arenas are tried");
            fault::fail(Syscall::Madvise, 0, 1, libc::ENOMEM);
            fault::fail(Syscall::Mprotect, 0, 1, libc::ENOMEM);
            let first = Stack::acquire(StackSize::default());
            let second = Stack::acquire(StackSize::default());
            assert!(first.is_ok() && second.is_err(), "the second needs a guard of its own");
        })
        .join()
        .unwrap();
    }
}
