//! Spawning and joining in batches of 10,000 on one worker, 32 captured bytes each, beside may and tokio; the same
//! where each child yields once before it ends.

use criterion::{Criterion, criterion_group, criterion_main};
use greenthread_benches::{Contestant, print_ratios};
use std::hint::black_box;
use std::time::{Duration, Instant};

const BATCH: u64 = 10_000;

/// The sizes of the batches for `n` spawns in all.
fn batches(n: u64) -> impl Iterator<Item = u64> {
    (0..n).step_by(BATCH as usize).map(move |done| BATCH.min(n - done))
}

fn greenthread<const YIELDS: bool>(n: u64) -> Duration {
    greenthread_benches::greenthread()
        .spawn(move || {
            let mut handles = Vec::with_capacity(BATCH as usize);
            let start = Instant::now();
            for batch in batches(n) {
                for i in 0..batch {
                    let captured = black_box([i; 4]);
                    handles.push(greenthread::spawn(move || {
                        if YIELDS {
                            greenthread::yield_now();
                        }
                        black_box(captured);
                    }));
                }
                for handle in handles.drain(..) {
                    handle.join().expect("a value");
                }
            }
            start.elapsed()
        })
        .join()
        .expect("a value")
}

fn may<const YIELDS: bool>(n: u64) -> Duration {
    greenthread_benches::may(move || {
        let mut handles = Vec::with_capacity(BATCH as usize);
        let start = Instant::now();
        for batch in batches(n) {
            for i in 0..batch {
                let captured = black_box([i; 4]);
                handles.push(may::go!(move || {
                    if YIELDS {
                        may::coroutine::yield_now();
                    }
                    black_box(captured);
                }));
            }
            for handle in handles.drain(..) {
                handle.join().expect("a value");
            }
        }
        start.elapsed()
    })
}

fn tokio<const YIELDS: bool>(n: u64) -> Duration {
    let all = async move {
        let mut handles = Vec::with_capacity(BATCH as usize);
        let start = Instant::now();
        for batch in batches(n) {
            for i in 0..batch {
                let captured = black_box([i; 4]);
                handles.push(tokio::spawn(async move {
                    if YIELDS {
                        tokio::task::yield_now().await;
                    }
                    black_box(captured);
                }));
            }
            for handle in handles.drain(..) {
                handle.await.expect("a value");
            }
        }
        start.elapsed()
    };
    let runtime = greenthread_benches::tokio();
    runtime.block_on(runtime.spawn(all)).expect("a value")
}

const PLAIN: &[Contestant] =
    &[("greenthread", greenthread::<false>), ("may", may::<false>), ("tokio", tokio::<false>)];
const YIELDING: &[Contestant] =
    &[("greenthread", greenthread::<true>), ("may", may::<true>), ("tokio", tokio::<true>)];

fn benchmark(criterion: &mut Criterion) {
    for (what, contestants) in [("spawn + join", PLAIN), ("spawn + yield + join", YIELDING)] {
        let mut group = criterion.benchmark_group(what);
        group.sample_size(20).measurement_time(Duration::from_secs(3));
        for (name, run) in contestants {
            group.bench_function(*name, |bencher| bencher.iter_custom(|n| run(black_box(n))));
        }
        group.finish();
        print_ratios(what, 200_000, contestants);
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
