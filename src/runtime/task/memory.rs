//! Memory for tasks: every OS thread keeps a few freed blocks of each size.
//!
//! A program that spawns ten thousand short tasks and joins them allocates and frees more at a time than malloc's own
//! per-thread cache holds, and its slow path costs several times what the rest of a spawn does.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// Sizes are rounded up to multiples of this. Memory with a larger alignment is left to the allocator.
const STEP: usize = 32;
/// Blocks of more steps than this are left to the allocator.
const CLASSES: usize = 16;
/// How many blocks of each size a thread keeps; enough for a burst.
const KEEP: u32 = 16 * 1024;
/// How many blocks of each size remain after a trim.
const KEEP_WARM: u32 = 256;

/// A block that nobody uses.
struct Free {
    next: *mut Free,
}

struct Class {
    first: Cell<*mut Free>,
    len: Cell<u32>,
}

struct Cache([Class; CLASSES]);

thread_local! {
    static CACHE: Cache = const {
        Cache([const { Class { first: Cell::new(ptr::null_mut()), len: Cell::new(0) } }; CLASSES])
    };
}

/// Which class a layout belongs to, and the layout of its blocks.
#[inline(always)]
const fn class_of(layout: Layout) -> Option<(usize, Layout)> {
    let class = layout.size().div_ceil(STEP);
    if class == 0 || class > CLASSES || layout.align() > 16 {
        return None;
    }
    match Layout::from_size_align(class * STEP, 16) {
        Ok(block) => Some((class - 1, block)),
        Err(_) => None,
    }
}

impl Class {
    #[inline(always)]
    fn take(&self) -> Option<NonNull<u8>> {
        let first = NonNull::new(self.first.get())?;
        // SAFETY: a block in the list is unused memory of ours with a link at its start.
        self.first.set(unsafe { first.as_ref() }.next);
        self.len.set(self.len.get() - 1);
        Some(first.cast())
    }

    /// # Safety
    /// `block` is an unused block of this class.
    #[inline(always)]
    unsafe fn give(&self, block: NonNull<u8>) -> bool {
        if self.len.get() >= KEEP {
            return false;
        }
        let block = block.cast::<Free>();
        // SAFETY: the block is at least a step long, aligned to 16, and unused.
        unsafe { block.write(Free { next: self.first.get() }) };
        self.first.set(block.as_ptr());
        self.len.set(self.len.get() + 1);
        true
    }

    fn shrink(&self, class: usize, keep: u32) {
        let Ok(layout) = Layout::from_size_align((class + 1) * STEP, 16) else { return };
        while self.len.get() > keep {
            let Some(block) = self.take() else { return };
            // SAFETY: every block of a class was allocated with its layout, see `allocate`.
            unsafe { dealloc(block.as_ptr(), layout) };
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for (at, class) in self.0.iter().enumerate() {
            class.shrink(at, 0);
        }
    }
}

/// Memory for a `T`, which the caller writes. If the value were passed in, it would be made on the stack and copied.
#[inline(always)]
pub(super) fn allocate<T>() -> NonNull<T> {
    let layout = Layout::new::<T>();
    let (class, layout) =
        class_of(layout).map_or((CLASSES, layout), |(class, block)| (class, block));
    let kept = if class < CLASSES {
        CACHE.try_with(|cache| cache.0[class].take()).ok().flatten()
    } else {
        None
    };
    let block = kept.unwrap_or_else(|| {
        // SAFETY: the layout is not empty: a task has a header.
        NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
    });
    block.cast()
}

/// Frees what [`allocate`] returned.
///
/// # Safety
/// `value` came from `allocate::<T>`, and what was written there has been dropped.
#[inline(always)]
pub(super) unsafe fn free<T>(value: NonNull<T>) {
    let layout = Layout::new::<T>();
    let block = value.cast::<u8>();
    let Some((class, layout)) = class_of(layout) else {
        // SAFETY: allocated with its own layout, see `allocate`.
        return unsafe { dealloc(block.as_ptr(), layout) };
    };
    // SAFETY: the block belongs to this class and is unused now.
    let kept = CACHE.try_with(|cache| unsafe { cache.0[class].give(block) }).unwrap_or(false);
    if !kept {
        // SAFETY: allocated with this layout, see `allocate`.
        unsafe { dealloc(block.as_ptr(), layout) };
    }
}

/// Gives blocks beyond a warm reserve of the calling thread back.
pub(crate) fn trim() {
    let _ = CACHE.try_with(|cache| {
        for (at, class) in cache.0.iter().enumerate() {
            class.shrink(at, KEEP_WARM);
        }
    });
}
