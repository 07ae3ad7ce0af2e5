//! Blocking crates and C libraries of others, unmodified, on patched green threads.
//!
//! What needs `nginx` or `redis-server` is ignored unless asked for: `cargo test -p greenthread-patched -- --include-ignored`.
//! The programs beside this are run as tests too, with what their documentation says that they print.

#[path = "../monkey/children.rs"]
mod children;
mod clients;
mod databases;
mod examples;
mod must_block;
mod servers;
mod support;

use greenthread::{JoinHandle, Runtime, monkey};
use std::sync::{Mutex, Once, PoisonError, mpsc};
use std::time::Duration;

/// How long anything may take before it counts as a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `case` as the main green thread of a runtime with so many workers; a hang is a failure.
fn on<T: Send + 'static>(workers: usize, case: impl FnOnce() -> T + Send + 'static) -> T {
    static ONCE: Once = Once::new();
    /// Tests count waits: one at a time.
    static ONE: Mutex<()> = Mutex::new(());
    // SAFETY: nothing here is of the kinds that `patch_all` names; what rayon is given suspends nobody.
    ONCE.call_once(|| unsafe { monkey::patch_all() });
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (done, finished) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let result = Runtime::builder().workers(workers).build().unwrap().run(case).unwrap();
        let _ = done.send(());
        result
    });
    match finished.recv_timeout(LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs; {}", monkey::report()),
        _ => thread.join().unwrap(),
    }
}

/// How often a patched function has suspended a green thread.
fn waits(name: &str) -> u64 {
    let report = monkey::report();
    report.used.iter().find(|used| used.name == name).map_or(0, |used| used.waits)
}

fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}
