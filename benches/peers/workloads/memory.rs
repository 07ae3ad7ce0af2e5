//! What blocked green threads take: says `ready`, waits for a line, starts `n` of them that wait for ever, says `up` once each has run,
//! and ends with its standard input. Whoever started the process reads its memory at both stops.

use super::{Peer, Size, green, may_spawn, may_with, os_spawn, tokio};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) const PEERS: &[Peer] = &[
    ("greenthread", |size| {
        green(size.workers, move || {
            blocked!(size, greenthread::spawn, greenthread::sleep, || {
                greenthread::sleep(Duration::MAX);
            });
        });
    }),
    ("may", |size| {
        // Stacks that are there before the first stop would not be counted.
        may_with(1, size.workers, move || {
            let gate = Arc::new(may::sync::Semphore::new(0));
            blocked!(size, may_spawn, may::coroutine::sleep, {
                let gate = Arc::clone(&gate);
                move || gate.wait()
            });
        });
    }),
    ("tokio", |size| tokio(size.workers, tasks(size))),
    ("OS threads", |size| {
        blocked!(size, os_spawn, std::thread::sleep, || std::thread::sleep(Duration::MAX));
    }),
];

static UP: AtomicU64 = AtomicU64::new(0);

/// Says where it is, and waits for an answer; ends the process where there is none.
fn stop(at: &str) {
    println!("{at}");
    let _ = io::stdout().flush();
    let mut line = String::new();
    if io::stdin().read_line(&mut line).is_ok_and(|read| read == 0) {
        std::process::exit(0);
    }
}

macro_rules! blocked {
    ($size:ident, $spawn:path, $sleep:path, $wait:expr) => {{
        stop("ready");
        for _ in 0..$size.n {
            let wait = $wait;
            drop($spawn(move || {
                UP.fetch_add(1, Ordering::Relaxed);
                wait();
            }));
        }
        while UP.load(Ordering::Relaxed) < $size.n {
            $sleep(Duration::from_millis(1));
        }
        stop("up");
        std::process::exit(0);
    }};
}
use blocked;

async fn tasks(size: Size) {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    stop("ready");
    for _ in 0..size.n {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            UP.fetch_add(1, Ordering::Relaxed);
            drop(gate.acquire().await);
        });
    }
    while UP.load(Ordering::Relaxed) < size.n {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stop("up");
    std::process::exit(0);
}
