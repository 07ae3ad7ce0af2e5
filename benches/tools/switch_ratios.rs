//! How long switches take, as ratios to a raw corosensei resume and suspend: the twentieth part of many short alternating
//! runs that was fastest, since what else the machine does only ever adds time.
//!
//! Run it optimized: `cargo run --release --example switch_ratios`. It prints one line for each operation, such as
//! `generator next: 1.2 x raw (9.1 ns)`.

use corosensei::Coroutine;
use corosensei::stack::{Stack, StackPointer};
use greenthread::generator::{Generator, Yielder};
use greenthread::greenlet::{Greenlet, switch_to_parent};
use std::hint::black_box;
use std::time::Instant;

const RUNS: usize = 101;
const STEPS: u32 = 20_000;

/// A plain block of memory: what is measured is the switch.
struct Memory {
    base: StackPointer,
    limit: StackPointer,
}

impl Memory {
    fn new() -> Self {
        let memory = vec![0u128; 4096].leak().as_ptr_range();
        let address = |at: *const u128| StackPointer::new(at as usize).expect("not at zero");
        Self { base: address(memory.end), limit: address(memory.start) }
    }
}

// SAFETY: the memory is leaked, and is large enough and aligned. It has no guard; the body below calls nothing.
unsafe impl Stack for Memory {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        self.limit
    }
}

/// Not inlined: each loop for itself, its registers not those of a neighbour. And each step gets its handle anew, as a
/// function would that is called with a reference: the optimizer knows nothing from the step before.
#[inline(never)]
fn per_step(mut step: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..STEPS {
        step();
    }
    start.elapsed().as_nanos() as f64 / f64::from(STEPS)
}

/// Measures and prints.
pub fn main() {
    // The same work as the generator's: a number for each step.
    let mut raw = Coroutine::<(), u64, (), _>::with_stack(Memory::new(), |y, ()| {
        let mut n = 0;
        loop {
            n += 1;
            y.suspend(n);
        }
    });
    let mut generator = Generator::new(|y: &Yielder<u64>| {
        let mut n = 0;
        loop {
            n += 1;
            y.yield_(n);
        }
    });
    let mut peer = generator::Gn::<()>::new_scoped(|mut s| {
        let mut n = 0u64;
        loop {
            s.yield_with(n);
            n += 1;
        }
    });
    let child = Greenlet::new(|n: u64| {
        let mut n = n;
        loop {
            n = switch_to_parent::<u64, u64>(n).expect("main is waiting");
        }
    });
    let names = [
        "raw resume + suspend",
        "generator next",
        "generator crate next",
        "greenlet switch, there and back",
        "generator made, run to its end",
        "generator made and dropped unstarted",
    ];
    let mut times = vec![Vec::new(); names.len()];
    for _ in 0..RUNS {
        times[0].push(per_step(|| _ = black_box(black_box(&mut raw).resume(()))));
        times[1].push(per_step(|| _ = black_box(black_box(&mut generator).next())));
        times[2].push(per_step(|| _ = black_box(black_box(&mut peer).next())));
        times[3].push(per_step(|| drop(black_box(black_box(&child).any().switch::<u64, u64>(1)))));
        times[4].push(per_step(|| {
            let captured = black_box([1u64; 4]);
            let mut made = Generator::new(move |_: &Yielder<u64>| _ = black_box(captured));
            black_box(made.next());
        }));
        times[5].push(per_step(|| {
            let captured = black_box([1u64; 4]);
            black_box(Generator::new(move |_: &Yielder<u64>| _ = black_box(captured)));
        }));
    }
    let typical: Vec<f64> = times
        .iter_mut()
        .map(|times| {
            times.sort_by(f64::total_cmp);
            times[RUNS / 20]
        })
        .collect();
    for (name, time) in names.iter().zip(&typical) {
        println!("{name}: {:.2} x raw ({time:.1} ns)", time / typical[0]);
    }
    // The raw coroutine is suspended: without its `unwind` feature corosensei cannot drop it.
    std::process::exit(0);
}
