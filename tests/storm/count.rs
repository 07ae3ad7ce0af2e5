//! What is alive in the process: blocks of memory, stacks, descriptors, OS threads.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

/// Counts the blocks that are in use: headers of tasks, their bodies, values, waiters and links are among them.
struct Counting;

static BLOCKS: AtomicIsize = AtomicIsize::new(0);

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BLOCKS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        BLOCKS.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a storm must leave as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) blocks: isize,
    /// Address space of stacks, in KiB. A worker unmaps it when it ends, if each of its stacks has been given back.
    pub(crate) stacks: usize,
    pub(crate) descriptors: usize,
    pub(crate) os_threads: usize,
}

impl Counts {
    pub(crate) fn now() -> Self {
        let entries = |of: &str| std::fs::read_dir(format!("/proc/self/{of}")).unwrap().count();
        let (stacks, descriptors, os_threads) = (stacks(), entries("fd"), entries("task"));
        Self { blocks: BLOCKS.load(Ordering::Relaxed), stacks, descriptors, os_threads }
    }
}

/// Only stacks are mapped without reserve and without huge pages.
fn stacks() -> usize {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut total, mut size) = (0, 0);
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("Size:") => size = words.next().unwrap().parse().unwrap(),
            Some("VmFlags:") => {
                let flags: Vec<_> = words.collect();
                if flags.contains(&"nr") && flags.contains(&"nh") {
                    total += size;
                }
            }
            _ => {}
        }
    }
    total
}
