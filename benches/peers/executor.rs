//! Handing in trivial tasks and taking their results: green threads beside plain spawn and join, OS threads beside the crates
//! `threadpool` and `rayon`, processes beside Python's `ProcessPoolExecutor`.

use greenthread::executor::{Executor, GreenExecutor, ProcessPool, ThreadPool};
use greenthread::process::{self, function};
use greenthread_benches::{Contestant, median, print_ratios};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const BATCH: u64 = 10_000;
/// Threads of each pool.
const WORKERS: usize = 2;

/// The sizes of the batches for `n` tasks in all.
fn batches(n: u64) -> impl Iterator<Item = u64> {
    (0..n).step_by(BATCH as usize).map(move |done| BATCH.min(n - done))
}

fn on_a_green_thread(body: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    greenthread_benches::greenthread().spawn(body).join().expect("a value")
}

fn green(n: u64) -> Duration {
    on_a_green_thread(move || {
        let executor = GreenExecutor::new();
        let mut futures = Vec::with_capacity(BATCH as usize);
        let start = Instant::now();
        for batch in batches(n) {
            for i in 0..batch {
                let captured = black_box([i; 4]);
                futures.push(executor.submit(move || captured[0]).expect("it is taken"));
            }
            for future in futures.drain(..) {
                black_box(future.into_result().expect("a value"));
            }
        }
        start.elapsed()
    })
}

fn plain(n: u64) -> Duration {
    on_a_green_thread(move || {
        let mut handles = Vec::with_capacity(BATCH as usize);
        let start = Instant::now();
        for batch in batches(n) {
            for i in 0..batch {
                let captured = black_box([i; 4]);
                handles.push(greenthread::spawn(move || captured[0]));
            }
            for handle in handles.drain(..) {
                black_box(handle.join().expect("a value"));
            }
        }
        start.elapsed()
    })
}

fn thread_pool(n: u64) -> Duration {
    let pool = ThreadPool::new(WORKERS).expect("a pool");
    let mut futures = Vec::with_capacity(BATCH as usize);
    let start = Instant::now();
    for batch in batches(n) {
        for i in 0..batch {
            let captured = black_box([i; 4]);
            futures.push(pool.submit(move || captured[0]).expect("it is taken"));
        }
        for future in futures.drain(..) {
            black_box(future.into_result().expect("a value"));
        }
    }
    start.elapsed()
}

/// Neither of the two has futures; a channel brings the results.
fn by_channel(n: u64, mut execute: impl FnMut(Box<dyn FnOnce() + Send>)) -> Duration {
    let start = Instant::now();
    for batch in batches(n) {
        let (send, receive) = channel();
        for i in 0..batch {
            let (captured, send) = (black_box([i; 4]), send.clone());
            execute(Box::new(move || send.send(captured[0]).expect("a receiver")));
        }
        drop(send);
        for value in receive {
            black_box(value);
        }
    }
    start.elapsed()
}

fn threadpool(n: u64) -> Duration {
    let pool = threadpool::ThreadPool::new(WORKERS);
    by_channel(n, |task| pool.execute(task))
}

fn rayon(n: u64) -> Duration {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build().expect("a pool");
    by_channel(n, |task| pool.spawn(task))
}

fn increment(number: u64) -> u64 {
    number + 1
}

/// One task at a time, there and back.
fn round_trips(n: u64) -> Duration {
    let pool = ProcessPool::new(1).expect("a pool");
    pool.apply(function!(increment), 0).expect("a value");
    let start = Instant::now();
    let mut value = 0;
    for _ in 0..n {
        value = pool.apply(function!(increment), value).expect("a value");
    }
    assert_eq!(value, n);
    start.elapsed()
}

/// Python measures itself; a line of the number of tasks asks it to.
const PYTHON: &str = r#"
import sys, time
from concurrent.futures import ProcessPoolExecutor
def increment(number):
    return number + 1
if __name__ == "__main__":
    with ProcessPoolExecutor(1) as pool:
        pool.submit(increment, 0).result()
        for line in sys.stdin:
            start, value = time.perf_counter(), 0
            for _ in range(int(line)):
                value = pool.submit(increment, value).result()
            print(time.perf_counter() - start, flush=True)
"#;

fn processes() {
    const TRIPS: u64 = 2000;
    let script = std::env::temp_dir().join(format!("greenthread-bench-{}.py", std::process::id()));
    std::fs::write(&script, PYTHON).expect("a script");
    let python =
        Command::new("python3").arg(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        println!("process round trip: no python3 to compare with");
        return;
    };
    let mut ask = python.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(python.stdout.take().expect("a pipe")).lines();
    let mut theirs = || -> f64 {
        writeln!(ask, "{TRIPS}").expect("python runs");
        answers.next().expect("an answer").expect("a line").parse().expect("seconds")
    };
    let (mut ours_each, mut theirs_each, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..9 {
        let (ours, theirs) = (round_trips(TRIPS).as_secs_f64(), theirs());
        ours_each.push(ours * 1e6 / TRIPS as f64);
        theirs_each.push(theirs * 1e6 / TRIPS as f64);
        ratios.push(ours / theirs);
    }
    drop(ask);
    python.wait().expect("python ends");
    std::fs::remove_file(&script).expect("the script");
    println!(
        "process round trip: greenthread {:.1} us, python {:.1} us; greenthread takes {:.3} of it",
        median(ours_each),
        median(theirs_each),
        median(ratios),
    );
}

const GREEN: &[Contestant] = &[("GreenExecutor", green), ("spawn + join", plain)];
const THREADS: &[Contestant] =
    &[("ThreadPool", thread_pool), ("threadpool", threadpool), ("rayon::spawn", rayon)];

fn main() {
    process::init();
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    print_ratios("a task and its result", 200_000, GREEN);
    print_ratios("a task and its result", 200_000, THREADS);
    processes();
}
