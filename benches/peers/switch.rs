//! Switches, beside raw corosensei and the `generator` crate.
//!
//!     cargo bench -p greenthread-benches --bench switch
//!
//! At the end it prints the ratios of the `switch_ratios` tool, which alternates between them and so bears a busy machine.

use corosensei::Coroutine;
use corosensei::stack::{Stack, StackPointer};
use criterion::{Criterion, criterion_group};
use greenthread::generator::{Generator, Yielder};
use greenthread::greenlet::{Greenlet, switch_to_parent};
use std::hint::black_box;

/// A plain block of memory: what is measured is the switch.
struct Memory(Vec<u128>);

// SAFETY: the vector's memory is not moved or resized while the stack exists, and is large enough and aligned. It has
// no guard; the body below calls nothing.
unsafe impl Stack for Memory {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.0.as_ptr_range().end as usize).expect("memory is not at zero")
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new(self.0.as_ptr() as usize).expect("memory is not at zero")
    }
}

fn switches(c: &mut Criterion) {
    let mut raw = Coroutine::<(), u64, (), _>::with_stack(Memory(vec![0; 4096]), |y, ()| {
        for n in 0.. {
            y.suspend(n);
        }
    });
    c.bench_function("raw corosensei resume + suspend", |b| {
        b.iter(|| black_box(&mut raw).resume(()));
    });
    // It is suspended: without its `unwind` feature corosensei cannot drop it.
    std::mem::forget(raw);

    let mut ours = Generator::new(|y: &Yielder<u64>| y.yield_all(0..));
    c.bench_function("generator next", |b| b.iter(|| black_box(&mut ours).next()));

    let mut peer = generator::Gn::<()>::new_scoped(|mut s| {
        for n in 0u64.. {
            s.yield_with(n);
        }
        generator::done!();
    });
    c.bench_function("generator crate next", |b| b.iter(|| black_box(&mut peer).next()));

    let child = Greenlet::new(|mut n: u64| {
        loop {
            n = switch_to_parent::<u64, u64>(n).expect("main is waiting");
        }
    });
    c.bench_function("greenlet switch, there and back", |b| {
        b.iter(|| black_box(&child).any().switch::<u64, u64>(1));
    });

    c.bench_function("generator made and dropped", |b| {
        b.iter(|| {
            let captured = black_box([1u64; 4]);
            black_box(Generator::new(move |_: &Yielder<u64>| _ = black_box(captured)));
        });
    });
}

criterion_group!(benches, switches);

#[path = "../tools/switch_ratios.rs"]
#[allow(unreachable_pub)]
mod ratios;

fn main() {
    benches();
    // Not where this runs as a test.
    if std::env::args().any(|argument| argument == "--bench") {
        ratios::main();
    }
}
