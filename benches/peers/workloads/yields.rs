//! Giving way: `threads` green threads, `n` yields in all. All of them are there before the first gives way in earnest: they wait for a
//! lock that is held until then, as few would be there at a time where those that are started early end early.

use super::{Peer, Size, green, may, may_spawn, os_spawn, tokio, tokio_here};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) const PEERS: &[Peer] = &[
    ("greenthread", |size| {
        green(size.workers, move || {
            let gate = greenthread::sync::Mutex::new(());
            let yields = greenthread::yield_now;
            yields!(size, gate, greenthread::spawn, greenthread::sleep, yields);
        });
    }),
    ("may", |size| {
        may(size.workers, move || {
            let gate = may::sync::Mutex::new(());
            let yields = may::coroutine::yield_now;
            yields!(size, gate, may_spawn, may::coroutine::sleep, yields);
        });
    }),
    ("tokio", |size| tokio(size.workers, tasks(size))),
    ("tokio, current thread", |size| tokio_here(tasks(size))),
    ("OS threads", |size| {
        let gate = std::sync::Mutex::new(());
        yields!(size, gate, os_spawn, std::thread::sleep, std::thread::yield_now);
    }),
];

static UP: AtomicU64 = AtomicU64::new(0);
/// How often is looked whether all are there.
const LOOK: Duration = Duration::from_millis(1);

macro_rules! yields {
    ($size:ident, $gate:expr, $spawn:path, $sleep:path, $yields:path) => {{
        let each = $size.n / $size.threads;
        let gate = Arc::new($gate);
        let closed = gate.lock().unwrap();
        let start = |_| {
            let gate = Arc::clone(&gate);
            $spawn(move || {
                UP.fetch_add(1, Ordering::Relaxed);
                drop(gate.lock().unwrap());
                (0..each).for_each(|_| $yields());
            })
        };
        let all: Vec<_> = (0..$size.threads).map(start).collect();
        while UP.load(Ordering::Relaxed) < $size.threads {
            $sleep(LOOK);
        }
        drop(closed);
        all.into_iter().for_each(|one| one.join().unwrap());
    }};
}
use yields;

async fn tasks(size: Size) {
    let each = size.n / size.threads;
    let gate = Arc::new(tokio::sync::Mutex::new(()));
    let closed = gate.lock().await;
    let start = |_| {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            UP.fetch_add(1, Ordering::Relaxed);
            drop(gate.lock().await);
            for _ in 0..each {
                tokio::task::yield_now().await;
            }
        })
    };
    let all: Vec<_> = (0..size.threads).map(start).collect();
    while UP.load(Ordering::Relaxed) < size.threads {
        tokio::time::sleep(LOOK).await;
    }
    drop(closed);
    for one in all {
        one.await.unwrap();
    }
}
