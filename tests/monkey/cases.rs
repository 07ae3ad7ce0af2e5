//! How a case runs patched: on a runtime of its own, one at a time, within a limit.

use greenthread::{JoinHandle, Runtime, monkey};
use std::sync::{Mutex, Once, PoisonError, mpsc};
use std::time::Duration;

/// How long anything may take before it counts as a hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn patch() {
    static ONCE: Once = Once::new();
    // SAFETY: nothing here is of the kinds that `patch_all` names; what rayon is given suspends nobody.
    ONCE.call_once(|| unsafe { monkey::patch_all() });
}

/// How often a patched function has suspended a green thread.
pub(crate) fn waits(name: &str) -> u64 {
    let report = monkey::report();
    report.used.iter().find(|used| used.name == name).map_or(0, |used| used.waits)
}

/// Runs `case` as the main green thread of a runtime with so many workers; a hang is a failure.
pub(crate) fn on<T: Send + 'static>(
    workers: usize,
    case: impl FnOnce() -> T + Send + 'static,
) -> T {
    /// Tests use descriptors by their numbers, and count waits: one at a time.
    static ONE: Mutex<()> = Mutex::new(());
    patch();
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

pub(crate) fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}
