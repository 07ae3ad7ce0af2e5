//! Giving way: 1000 green threads on one worker, beside may and tokio.

use criterion::{Criterion, criterion_group, criterion_main};
use greenthread_benches::{Contestant, print_ratios};
use std::hint::black_box;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const THREADS: u64 = 1000;
/// Yields of each thread before the clock starts, so that all of them are up.
const WARM_UP: u64 = 10;

/// Yields of each thread for `n` in all.
fn each(n: u64) -> u64 {
    n.div_ceil(THREADS)
}

/// What was measured, scaled to `n` yields: short runs are rounded up to one yield for each thread.
fn scaled(start: &OnceLock<Instant>, n: u64) -> Duration {
    let took = start.get().expect("somebody started the clock").elapsed();
    took.mul_f64(n as f64 / (each(n) * THREADS) as f64)
}

fn greenthread(n: u64) -> Duration {
    greenthread_benches::greenthread()
        .spawn(move || {
            let start = Arc::new(OnceLock::new());
            let handles: Vec<_> = (0..THREADS)
                .map(|_| {
                    let start = Arc::clone(&start);
                    greenthread::spawn(move || {
                        for _ in 0..WARM_UP {
                            greenthread::yield_now();
                        }
                        start.get_or_init(Instant::now);
                        for _ in 0..each(n) {
                            greenthread::yield_now();
                        }
                    })
                })
                .collect();
            for handle in handles {
                handle.join().expect("a value");
            }
            scaled(&start, n)
        })
        .join()
        .expect("a value")
}

fn may(n: u64) -> Duration {
    greenthread_benches::may(move || {
        let start = Arc::new(OnceLock::new());
        let handles: Vec<_> = (0..THREADS)
            .map(|_| {
                let start = Arc::clone(&start);
                may::go!(move || {
                    for _ in 0..WARM_UP {
                        may::coroutine::yield_now();
                    }
                    start.get_or_init(Instant::now);
                    for _ in 0..each(n) {
                        may::coroutine::yield_now();
                    }
                })
            })
            .collect();
        for handle in handles {
            handle.join().expect("a value");
        }
        scaled(&start, n)
    })
}

fn tokio(n: u64) -> Duration {
    let all = async move {
        let start = Arc::new(OnceLock::new());
        let handles: Vec<_> = (0..THREADS)
            .map(|_| {
                let start = Arc::clone(&start);
                tokio::spawn(async move {
                    for _ in 0..WARM_UP {
                        tokio::task::yield_now().await;
                    }
                    start.get_or_init(Instant::now);
                    for _ in 0..each(n) {
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for handle in handles {
            handle.await.expect("a value");
        }
        scaled(&start, n)
    };
    let runtime = greenthread_benches::tokio();
    runtime.block_on(runtime.spawn(all)).expect("a value")
}

const CONTESTANTS: &[Contestant] = &[("greenthread", greenthread), ("may", may), ("tokio", tokio)];

fn benchmark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("yield, 1000 threads");
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    for (name, run) in CONTESTANTS {
        group.bench_function(*name, |bencher| bencher.iter_custom(|n| run(black_box(n))));
    }
    group.finish();
    print_ratios("yield, 1000 threads", 4_000_000, CONTESTANTS);
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
