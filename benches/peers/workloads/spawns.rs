//! Spawning and joining in batches of 10,000, with 32 captured bytes each; and the same where each yields once before it ends.

use super::{Peer, Size, green, may, may_spawn, os_spawn, tokio, tokio_here};
use std::hint::black_box;

pub(super) const PLAIN: &[Peer] = &[
    ("greenthread", greenthread::<false>),
    ("may", mays::<false>),
    ("tokio", |size| tokio(size.workers, tasks::<false>(size.n))),
    ("tokio, current thread", |size| tokio_here(tasks::<false>(size.n))),
    ("OS threads", os_threads::<false>),
];
pub(super) const YIELDING: &[Peer] = &[
    ("greenthread", greenthread::<true>),
    ("may", mays::<true>),
    ("tokio", |size| tokio(size.workers, tasks::<true>(size.n))),
    ("tokio, current thread", |size| tokio_here(tasks::<true>(size.n))),
    ("OS threads", os_threads::<true>),
];

const BATCH: u64 = 10_000;

/// The sizes of the batches for `n` spawns in all.
fn batches(n: u64) -> impl Iterator<Item = u64> {
    (0..n).step_by(BATCH as usize).map(move |done| BATCH.min(n - done))
}

macro_rules! spawns {
    ($n:expr, $spawn:path, $yields:path) => {{
        let mut handles = Vec::with_capacity(BATCH as usize);
        for batch in batches($n) {
            for i in 0..batch {
                let captured = black_box([i; 4]);
                handles.push($spawn(move || {
                    if YIELDS {
                        $yields();
                    }
                    black_box(captured);
                }));
            }
            handles.drain(..).for_each(|handle| handle.join().unwrap());
        }
    }};
}

fn greenthread<const YIELDS: bool>(size: Size) {
    green(size.workers, move || spawns!(size.n, greenthread::spawn, greenthread::yield_now));
}

fn mays<const YIELDS: bool>(size: Size) {
    may(size.workers, move || spawns!(size.n, may_spawn, may::coroutine::yield_now));
}

fn os_threads<const YIELDS: bool>(size: Size) {
    spawns!(size.n, os_spawn, std::thread::yield_now);
}

async fn tasks<const YIELDS: bool>(n: u64) {
    let mut handles = Vec::with_capacity(BATCH as usize);
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
            handle.await.unwrap();
        }
    }
}
