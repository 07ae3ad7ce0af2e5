//! One mutex: 1000 green threads that lock it by turns; the same while the guard is held over a yield; and one that nobody else wants.

use super::{Peer, Size, green, may, may_spawn, os_spawn, report, tokio};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

pub(super) const PLAIN: &[Peer] = &[
    ("greenthread", greenthread::<false>),
    ("may", mays::<false>),
    ("tokio", |size| tokio(size.workers, tasks::<false>(size))),
    ("OS threads", os_threads::<false>),
];
pub(super) const HELD: &[Peer] = &[
    ("greenthread", greenthread::<true>),
    ("may", mays::<true>),
    ("tokio", |size| tokio(size.workers, tasks::<true>(size))),
];
pub(super) const UNCONTENDED: &[Peer] = &[
    ("greenthread", |size| lock!(size.n, greenthread::sync::Mutex::new(0u64), unwrap)),
    ("parking_lot", |size| lock!(size.n, parking_lot::Mutex::new(0u64))),
    ("OS threads", |size| lock!(size.n, std::sync::Mutex::new(0u64), unwrap)),
];

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

fn report_longest_wait() {
    report("longest wait, ms", LONGEST.load(Ordering::Relaxed) as f64 / 1e6);
}

macro_rules! mutex {
    ($size:ident, $mutex:expr, $spawn:path, $yields:path) => {{
        let mutex = Arc::new($mutex);
        let each = $size.n / $size.threads;
        let handles: Vec<_> = (0..$size.threads)
            .map(|_| {
                let mutex = Arc::clone(&mutex);
                $spawn(move || {
                    for round in 0..each {
                        if HELD {
                            let since = clock(round);
                            let mut guard = mutex.lock().unwrap();
                            waited(since);
                            $yields();
                            *guard += 1;
                        } else {
                            *mutex.lock().unwrap() += 1;
                        }
                    }
                })
            })
            .collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        assert_eq!(*mutex.lock().unwrap(), $size.threads * each);
        if HELD {
            report_longest_wait();
        }
    }};
}

fn greenthread<const HELD: bool>(size: Size) {
    green(size.workers, move || {
        let mutex = greenthread::sync::Mutex::new(0);
        mutex!(size, mutex, greenthread::spawn, greenthread::yield_now);
    });
}

fn mays<const HELD: bool>(size: Size) {
    may(size.workers, move || {
        mutex!(size, may::sync::Mutex::new(0), may_spawn, may::coroutine::yield_now);
    });
}

fn os_threads<const HELD: bool>(size: Size) {
    mutex!(size, std::sync::Mutex::new(0), os_spawn, std::thread::yield_now);
}

async fn tasks<const HELD: bool>(size: Size) {
    let mutex = Arc::new(tokio::sync::Mutex::new(0u64));
    let each = size.n / size.threads;
    let handles: Vec<_> = (0..size.threads)
        .map(|_| {
            let mutex = Arc::clone(&mutex);
            tokio::spawn(async move {
                for round in 0..each {
                    if HELD {
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
    assert_eq!(*mutex.lock().await, size.threads * each);
    if HELD {
        report_longest_wait();
    }
}

macro_rules! lock {
    ($n:expr, $mutex:expr $(, $unwrap:ident)?) => {{
        let mutex = black_box($mutex);
        (0..$n).for_each(|_| *black_box(&mutex).lock()$(.$unwrap())? += 1);
    }};
}
use lock;
