//! Direct switches, there and back, with no runtime.

use super::{Peer, Size};
use corosensei::Coroutine;
use corosensei::stack::{Stack, StackPointer};
use greenthread::generator::{Generator, Yielder};
use greenthread::greenlet::{Greenlet, switch_to_parent};
use std::hint::black_box;

pub(super) const PEERS: &[Peer] = &[
    ("greenthread, generator", |size| {
        let mut generator = Generator::new(|y: &Yielder<u64>| {
            for n in 0.. {
                y.yield_(n);
            }
        });
        steps(size, || _ = black_box(black_box(&mut generator).next()));
    }),
    ("greenthread, greenlet", |size| {
        let child = Greenlet::new(|mut n: u64| {
            loop {
                n = switch_to_parent::<u64, u64>(n).expect("main is waiting");
            }
        });
        steps(size, || drop(black_box(black_box(&child).any().switch::<u64, u64>(1))));
    }),
    ("corosensei alone", |size| {
        let memory = Memory(vec![0; 4096]);
        let mut raw = Coroutine::<(), u64, (), _>::with_stack(memory, |y, ()| {
            for n in 0.. {
                y.suspend(n);
            }
        });
        steps(size, || _ = black_box(black_box(&mut raw).resume(())));
        // It is suspended: without its `unwind` feature corosensei cannot drop it.
        std::mem::forget(raw);
    }),
    ("generator crate", |size| {
        let mut peer = generator::Gn::<()>::new_scoped(|mut s| {
            for n in 0u64.. {
                s.yield_with(n);
            }
            generator::done!();
        });
        steps(size, || _ = black_box(black_box(&mut peer).next()));
    }),
];

/// Each step gets its handle anew, as a function would that is called with a reference: the optimizer knows nothing from the step
/// before.
#[inline(never)]
fn steps(size: Size, step: impl FnMut()) {
    std::iter::repeat_with(step).take(size.n as usize).for_each(drop);
}

/// A plain block of memory: what is measured is the switch.
struct Memory(Vec<u128>);

// SAFETY: the vector's memory is not moved or resized while the stack exists, and is large enough and aligned. It has
// no guard; the bodies above call nothing.
unsafe impl Stack for Memory {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.0.as_ptr_range().end as usize).expect("memory is not at zero")
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new(self.0.as_ptr() as usize).expect("memory is not at zero")
    }
}
