//! Locks and channels beside their peers.
//!
//!     cargo bench -p greenthread-benches --bench sync [-- WORKLOAD]
//!
//! Each figure is a process of its own. Ours and theirs alternate nine times; shown are the medians and the median of the
//! ratios. `ROUNDS` in the environment sets how many times. Workloads:
//!
//! | name | what |
//! |---|---|
//! | `ping-pong` | a message to another green thread and back, channels of capacity one, one worker |
//! | `mpmc` | 4 senders, 4 receivers, capacity 1024; two workers, or OS threads |
//! | `mutex` | 1000 green threads lock one mutex 1000 times, two workers |
//! | `mutex-held`, `mutex-held-1` | likewise 2000 times, and the guard is held over a yield; two workers, one; with the longest wait for the lock, and the processor time as a part of the peer's |
//! | `uncontended` | locking and unlocking a mutex that nobody else uses |

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn rounds() -> usize {
    std::env::var("ROUNDS").map_or(9, |text| text.parse().expect("ROUNDS is a number"))
}

/// A workload, and whom to compare with; the first is ours.
const TABLE: [(&str, &[&str]); 6] = [
    ("ping-pong", &["greenthread", "tokio", "may", "crossbeam-channel", "flume", "std"]),
    ("mpmc", &["greenthread", "crossbeam-channel", "flume"]),
    ("mutex", &["greenthread", "tokio", "may", "std"]),
    ("mutex-held", &["greenthread", "tokio", "may"]),
    ("mutex-held-1", &["greenthread", "tokio", "may"]),
    ("uncontended", &["greenthread", "parking_lot", "std"]),
];

fn nanos_each(n: u64, f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_nanos() as f64 / n as f64
}

fn tokio_runtime(workers: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap()
}

/// Runs `main` as a green thread of a runtime with so many workers.
fn green(workers: usize, main: impl FnOnce() -> f64 + Send + 'static) -> f64 {
    greenthread::Runtime::builder().workers(workers).build().unwrap().run(main).unwrap()
}

fn may_run(workers: usize, main: impl FnOnce() -> f64 + Send + 'static) -> f64 {
    may::config().set_workers(workers);
    // SAFETY: the coroutine uses no thread-locals and little stack.
    unsafe { may::coroutine::spawn(main) }.join().unwrap()
}

/// `$send` and `$recv` of two pairs, one of them in another thread made by `$spawn`.
macro_rules! ping_pong {
    ($n:expr, $channel:expr, $spawn:expr) => {{
        let ((to, there), (back, here)) = ($channel, $channel);
        let other = $spawn(move || {
            for _ in 0..$n {
                back.send(there.recv().unwrap() + 1).unwrap();
            }
        });
        let each = nanos_each($n, || {
            for i in 0..$n {
                to.send(i).unwrap();
                black_box(here.recv().unwrap());
            }
        });
        other.join().unwrap();
        each
    }};
}

fn ping_pong(peer: &str) -> f64 {
    const N: u64 = 300_000;
    const FEW: u64 = 30_000;
    match peer {
        "greenthread" => {
            green(1, || ping_pong!(N, greenthread::sync::mpsc::sync_channel(1), greenthread::spawn))
        }
        "tokio" => tokio_runtime(1).block_on(async {
            tokio::spawn(async {
                let (to, mut there) = tokio::sync::mpsc::channel(1);
                let (back, mut here) = tokio::sync::mpsc::channel(1);
                tokio::spawn(async move {
                    for _ in 0..N {
                        back.send(there.recv().await.unwrap() + 1).await.unwrap();
                    }
                });
                let start = Instant::now();
                for i in 0..N {
                    to.send(i).await.unwrap();
                    black_box(here.recv().await.unwrap());
                }
                start.elapsed().as_nanos() as f64 / N as f64
            })
            .await
            .unwrap()
        }),
        "may" => may_run(1, || {
            // SAFETY: as in `may_run`.
            ping_pong!(N, may::sync::mpsc::channel(), |f| unsafe { may::coroutine::spawn(f) })
        }),
        "crossbeam-channel" => {
            ping_pong!(FEW, crossbeam_channel::bounded(1), std::thread::spawn)
        }
        "flume" => ping_pong!(FEW, flume::bounded(1), std::thread::spawn),
        _ => ping_pong!(FEW, std::sync::mpsc::sync_channel(1), std::thread::spawn),
    }
}

macro_rules! many_to_many {
    ($channel:expr, $spawn:path) => {{
        const N: u64 = 2_000_000;
        let (sender, receiver) = $channel;
        nanos_each(N, || {
            let mut handles = Vec::new();
            for _ in 0..4 {
                let (sender, receiver) = (sender.clone(), receiver.clone());
                handles.push($spawn(move || {
                    for i in 0..N / 4 {
                        sender.send(i).unwrap();
                    }
                }));
                handles.push($spawn(move || {
                    for _ in 0..N / 4 {
                        black_box(receiver.recv().unwrap());
                    }
                }));
            }
            for handle in handles {
                handle.join().unwrap();
            }
        })
    }};
}

fn many_to_many(peer: &str) -> f64 {
    match peer {
        "greenthread" => {
            green(2, || many_to_many!(greenthread::sync::mpmc::bounded(1024), greenthread::spawn))
        }
        "crossbeam-channel" => {
            many_to_many!(crossbeam_channel::bounded(1024), std::thread::spawn)
        }
        _ => many_to_many!(flume::bounded(1024), std::thread::spawn),
    }
}

static LONGEST: AtomicU64 = AtomicU64::new(0);

/// The clock is read at every 37th lock only: it costs as much as the lock, and is not what is to be compared. One that
/// keeps others waiting keeps many. It is a prime, as a lock may be taken so and so often in a row; and the first lock is none of
/// these, as until all have begun it waits for what it costs to begin.
fn clock(round: u64) -> Option<Instant> {
    (round % 37 == 36).then(Instant::now)
}

fn waited(since: Option<Instant>) {
    if let Some(since) = since {
        LONGEST.fetch_max(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }
}

/// 1000 threads; `$yields` gives up the processor while the guard is held.
macro_rules! mutex {
    ($each:expr, $mutex:expr, $spawn:expr, $yields:expr) => {{
        let mutex = Arc::new($mutex);
        let each: u64 = $each;
        nanos_each(1000 * each, || {
            let handles: Vec<_> = (0..1000)
                .map(|_| {
                    let mutex = Arc::clone(&mutex);
                    $spawn(move || {
                        for round in 0..each {
                            if let Some(yields) = $yields {
                                let since = clock(round);
                                let mut guard = mutex.lock().unwrap();
                                waited(since);
                                let yields: fn() = yields;
                                yields();
                                *guard += 1;
                            } else {
                                *mutex.lock().unwrap() += 1;
                            }
                        }
                    })
                })
                .collect();
            for handle in handles {
                handle.join().unwrap();
            }
            assert_eq!(*mutex.lock().unwrap(), 1000 * each);
        })
    }};
}

fn mutex(peer: &str, held: bool, workers: usize) -> f64 {
    let each = if held { 2000 } else { 1000 };
    match peer {
        "greenthread" => green(workers, move || {
            let yields: Option<fn()> = held.then_some(greenthread::yield_now);
            mutex!(each, greenthread::sync::Mutex::new(0), greenthread::spawn, yields)
        }),
        "tokio" => tokio_runtime(workers).block_on(async move {
            tokio::spawn(async move {
                let mutex = Arc::new(tokio::sync::Mutex::new(0u64));
                let start = Instant::now();
                let handles: Vec<_> = (0..1000)
                    .map(|_| {
                        let mutex = Arc::clone(&mutex);
                        tokio::spawn(async move {
                            for round in 0..each {
                                if held {
                                    let since = clock(round);
                                    let mut guard = mutex.lock().await;
                                    waited(since);
                                    tokio::task::yield_now().await;
                                    *guard += 1;
                                } else {
                                    *mutex.lock().await += 1;
                                }
                            }
                        })
                    })
                    .collect();
                for handle in handles {
                    handle.await.unwrap();
                }
                start.elapsed().as_nanos() as f64 / (1000 * each) as f64
            })
            .await
            .unwrap()
        }),
        "may" => may_run(workers, move || {
            let yields: Option<fn()> = held.then_some(may::coroutine::yield_now);
            // SAFETY: as in `may_run`.
            let spawn = |f| unsafe { may::coroutine::spawn(f) };
            mutex!(each, may::sync::Mutex::new(0), spawn, yields)
        }),
        _ => {
            let spawn = |f| std::thread::Builder::new().stack_size(64 * 1024).spawn(f).unwrap();
            mutex!(each, std::sync::Mutex::new(0), spawn, None::<fn()>)
        }
    }
}

fn uncontended(peer: &str) -> f64 {
    const N: u64 = 20_000_000;
    match peer {
        "greenthread" => {
            let mutex = black_box(greenthread::sync::Mutex::new(0u64));
            nanos_each(N, || (0..N).for_each(|_| *black_box(&mutex).lock().unwrap() += 1))
        }
        "parking_lot" => {
            let mutex = black_box(parking_lot::Mutex::new(0u64));
            nanos_each(N, || (0..N).for_each(|_| *black_box(&mutex).lock() += 1))
        }
        _ => {
            let mutex = black_box(std::sync::Mutex::new(0u64));
            nanos_each(N, || (0..N).for_each(|_| *black_box(&mutex).lock().unwrap() += 1))
        }
    }
}

fn measure(workload: &str, peer: &str) -> f64 {
    match workload {
        "ping-pong" => ping_pong(peer),
        "mpmc" => many_to_many(peer),
        "mutex" => mutex(peer, false, 2),
        "mutex-held" => mutex(peer, true, 2),
        "mutex-held-1" => mutex(peer, true, 1),
        _ => uncontended(peer),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The processor time of this process so far, in seconds.
fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What one process has measured.
#[derive(Clone, Copy)]
struct Figures {
    each: f64,
    longest_wait: f64,
    processor_time: f64,
}

fn in_own_process(workload: &str, peer: &str) -> Figures {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(["--one", workload, peer]).output().unwrap();
    assert!(output.status.success(), "{workload} {peer}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    Figures { each: next(), longest_wait: next(), processor_time: next() }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [flag, workload, peer] = &arguments[..]
        && flag == "--one"
    {
        let value = measure(workload, peer);
        println!("{value} {} {}", LONGEST.load(Ordering::Relaxed), processor_time());
        return;
    }
    println!("{:12} {:18} {:>10} {:>10} {:>6}", "workload", "peer", "ours ns", "peer ns", "ratio");
    for (workload, peers) in TABLE {
        if arguments.first().is_some_and(|only| only != workload) {
            continue;
        }
        for peer in &peers[1..] {
            let pairs: Vec<_> = (0..rounds())
                .map(|_| (in_own_process(workload, peers[0]), in_own_process(workload, peer)))
                .collect();
            let of = |figure: fn(&Figures) -> f64| {
                let all = |f: &dyn Fn(&(Figures, Figures)) -> f64| pairs.iter().map(f).collect();
                let ours = median(all(&|pair| figure(&pair.0)));
                let theirs = median(all(&|pair| figure(&pair.1)));
                let mut ratios: Vec<f64> = all(&|pair| figure(&pair.0) / figure(&pair.1));
                ratios.sort_by(f64::total_cmp);
                (ours, theirs, ratios)
            };
            let (ours, theirs, ratios) = of(|figures| figures.each);
            print!("{workload:12} {peer:18} {ours:10.1} {theirs:10.1} {:6.2}", median(ratios));
            if workload.starts_with("mutex-held") {
                let (ours, theirs, ratios) = of(|figures| figures.longest_wait / 1e6);
                let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
                print!("  longest wait: ours {ours:.2} ms, theirs {theirs:.2} ms, ");
                print!("ratio {:.2} ({least:.2}..{most:.2})", median(ratios));
                let (_, _, ratios) = of(|figures| figures.processor_time);
                let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
                print!("; processor time {:.2} ({least:.2}..{most:.2})", median(ratios));
            }
            println!();
        }
    }
}
