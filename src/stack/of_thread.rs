//! The stacks of one OS thread: the hot ones, and behind them a pool for each size.
//!
//! Invariant: a free stack is in one place, either in a pool or among the hot ones. Before stacks are counted or their
//! memory is given back, the pools take the hot ones in.

use super::hot;
use super::pool::{Counts, StackPool};
use super::size::StackSize;
use std::cell::RefCell;
use std::io;
use std::ptr::NonNull;

/// The pools of one thread, one for each stack size that it has used; the default size comes first.
struct StackPools(Vec<StackPool>);

impl StackPools {
    fn of(&mut self, size: StackSize) -> &mut StackPool {
        let at = self.0.iter().position(|pool| pool.size() == size);
        let at = at.unwrap_or_else(|| self.add(size));
        &mut self.0[at]
    }

    /// Like [`of`](Self::of), after it has taken the hot ones in.
    fn all_of(&mut self, size: StackSize) -> &mut StackPool {
        self.take_back();
        self.of(size)
    }

    /// Takes the hot ones in.
    fn take_back(&mut self) {
        hot::empty(|size, slot| self.of(size).give(slot));
    }

    #[cold]
    fn add(&mut self, size: StackSize) -> usize {
        self.0.push(StackPool::new(size));
        self.0.len() - 1
    }
}

impl Drop for StackPools {
    fn drop(&mut self) {
        self.take_back();
        self.0.iter_mut().for_each(StackPool::end);
    }
}

thread_local! {
    static POOLS: RefCell<StackPools> = const { RefCell::new(StackPools(Vec::new())) };
}

/// Takes a free stack, or carves a new one. If none was hot, a few are afterwards.
#[cold]
#[inline(never)]
pub(super) fn take(size: StackSize) -> io::Result<NonNull<u8>> {
    let ending = || io::Error::other("the OS thread is ending: it makes no more stacks");
    let acquire = |pools: &RefCell<StackPools>| {
        let mut pools = pools.borrow_mut();
        let pool = pools.of(size);
        hot::fill(size, || pool.warm());
        hot::take(size).or_else(|| pool.warm()).map_or_else(|| pool.carve(), Ok)
    };
    POOLS.try_with(acquire).unwrap_or_else(|_| Err(ending()))
}

/// Takes one that another user has given back, if there is one.
pub(super) fn reuse(size: StackSize) -> Option<NonNull<u8>> {
    POOLS.try_with(|pools| pools.borrow_mut().all_of(size).warm()).ok()?
}

/// Takes back a stack for which the hot ones have no room.
#[cold]
#[inline(never)]
pub(super) fn put_back(size: StackSize, slot: NonNull<u8>) {
    // A pool whose thread-local is gone has leaked the arenas with stacks in use, so there is nothing to give it back
    // to.
    let _ = POOLS.try_with(|pools| {
        let mut pools = pools.borrow_mut();
        let pool = pools.of(size);
        hot::spill(size, |slot| pool.give(slot));
        if !hot::give(size, slot) {
            pool.give(slot);
        }
    });
}

/// Gives the memory of stacks that have been free since the last call back to the system, except that of a warm
/// reserve. Returns how many were trimmed.
pub(crate) fn trim() -> usize {
    with_all(|pools| pools.iter_mut().map(StackPool::trim).sum())
}

/// Whether [`trim`] has something to do, now or after a period in which no stack is used.
///
/// It is asked before each sleep of a worker, so it counts the hot ones where they are.
pub(crate) fn has_surplus() -> bool {
    let any = |pools: &RefCell<StackPools>| {
        pools.borrow().0.iter().any(|pool| pool.has_surplus(hot::count(pool.size())))
    };
    POOLS.try_with(any).unwrap_or_default()
}

/// Calls `f` with all pools of the calling OS thread, after these have taken the hot ones in.
fn with_all<T: Default>(f: impl FnOnce(&mut [StackPool]) -> T) -> T {
    POOLS
        .try_with(|pools| {
            let mut pools = pools.borrow_mut();
            pools.take_back();
            f(&mut pools.0)
        })
        .unwrap_or_default()
}

/// Counts the stacks of the calling OS thread.
#[allow(dead_code, reason = "metrics alone ask")]
pub(crate) fn counts() -> Counts {
    with_all(|pools| pools.iter().fold(Counts::default(), |all, pool| pool.count(all)))
}

#[cfg(test)]
mod tests {
    use super::super::Stack;
    use super::super::pool::KEEP_WARM;
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
        let arenas = || POOLS.with(|pools| pools.borrow().0[0].arenas());
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
        // They come back out of order.
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
        // If none is in use, as many stay as are kept warm.
        std::thread::spawn(move || {
            let all: Vec<_> = (0..4000).map(|_| Stack::acquire(size).unwrap()).collect();
            drop(all);
            assert_eq!((trim(), trim()), (0, 4000 - KEEP_WARM));
            POOLS.with(|pools| assert_eq!(pools.borrow().0[0].free(), KEEP_WARM));
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
