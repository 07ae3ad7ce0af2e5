//! A switch allocates nothing. In a process of its own, for the counting allocator.

use greenthread::generator::{Generator, Yielder};
use greenthread::greenlet::{Greenlet, switch_to_parent};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(f: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

#[test]
fn switches_allocate_nothing() {
    let mut generator = Generator::new(|y: &Yielder<[u64; 8]>| {
        loop {
            y.yield_([1; 8]);
        }
    });
    generator.next();
    assert_eq!(allocations(|| assert!(generator.by_ref().take(1000).all(|item| item[7] == 1))), 0);

    let child = Greenlet::new(|mut values: [u64; 8]| {
        loop {
            let sum: u64 = values.iter().sum();
            values = switch_to_parent(sum).unwrap();
        }
    });
    child.any().switch::<_, u64>([1u64; 8]).unwrap();
    let switches = || {
        for n in 0..1000 {
            assert_eq!(child.any().switch::<_, u64>([n; 8]).unwrap(), 8 * n);
            assert!(child.any().switch::<_, u64>(n).is_err());
        }
    };
    assert_eq!(allocations(switches), 0);
    assert!(allocations(|| drop(std::hint::black_box(Box::new(1)))) > 0, "the counter counts");
}
