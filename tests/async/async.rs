//! Async crates of others, unmodified, waited for on green threads and OS threads; and our connections under their protocols.
//!
//! What needs `nginx`, `redis-server` or PostgreSQL is ignored unless asked for:
//! `cargo test -p greenthread-async -- --include-ignored`.

// A task is spawned inside a future so that this happens in tokio's context; what is awaited is the spawning.
#![allow(clippy::async_yields_async)]

mod connections;
mod context;
mod examples;
mod executors;
mod grpc;
mod http;
#[path = "../patched/prints.rs"]
mod prints;
mod server;
mod servers;

use greenthread::{JoinHandle, Runtime};
use std::sync::mpsc;
use std::time::Duration;

/// How long anything may take before it counts as a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// On green threads of one worker, where whoever blocked it would hang everybody, of two and eight, of a current-thread
/// runtime, and on an OS thread.
fn everywhere(case: fn()) {
    let (done, finished) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for workers in [1, 2, 8] {
            Runtime::builder().workers(workers).build().unwrap().run(case).unwrap();
        }
        Runtime::new_current_thread().unwrap().run(case).unwrap();
        case();
        let _ = done.send(());
    });
    match finished.recv_timeout(3 * LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap(),
    }
}

fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}
