//! Libraries of others over our connections, and a server of others at their other end.
//!
//! `tungstenite` and `ureq` take any stream, so their blocking code suspends green threads. What needs `redis-server` or
//! PostgreSQL is ignored unless asked for: `cargo test -p greenthread-peers -- --include-ignored`.

mod http_clients;
mod postgres;
mod redis;
mod web_sockets;

use greenthread::{JoinHandle, Runtime};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// How long anything may take before it counts as a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// On one worker, where whoever blocked it would hang everybody, and on two and eight.
fn everywhere(case: fn()) {
    let (done, finished) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        for workers in [1, 2, 8] {
            Runtime::builder().workers(workers).build().unwrap().run(case).unwrap();
        }
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

/// A name in the file system that is removed when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("greenthread-peers-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes that differ by place and number.
fn data(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| ((at * (2 * number + 1)) >> 4) as u8).collect()
}
