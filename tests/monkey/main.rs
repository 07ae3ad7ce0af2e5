//! Unmodified blocking code on patched green threads. Patching is for the whole process, so this is a binary of its own; all
//! tests run patched.

mod before;
mod children;
mod close;
mod connections;
mod files;
mod hostile;
mod kills;
mod libraries;
mod locks;
mod must_block;
mod names;
mod processes;
mod signals;
mod sockets;
mod waits;

use greenthread::{JoinHandle, Runtime, monkey};
use std::sync::{Mutex, Once, PoisonError, mpsc};
use std::time::Duration;

/// How long anything may take before it counts as a hang.
const LIMIT: Duration = Duration::from_secs(60);

fn patch() {
    static ONCE: Once = Once::new();
    // SAFETY: nothing here is of the kinds that `patch_all` names.
    ONCE.call_once(|| unsafe { monkey::patch_all() });
}

/// How often a patched function has suspended a green thread.
fn waits(name: &str) -> u64 {
    let report = monkey::report();
    report.used.iter().find(|used| used.name == name).map_or(0, |used| used.waits)
}

/// Lets others run until that has happened once more.
fn until_waits_exceed(name: &str, before: u64) {
    while waits(name) == before {
        greenthread::yield_now();
    }
}

/// Runs `case` as the main green thread of a runtime with so many workers; a hang is a failure.
fn on<T: Send + 'static>(workers: usize, case: impl FnOnce() -> T + Send + 'static) -> T {
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

fn join_all<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}

#[test]
fn each_row_of_the_documentation_names_tests_that_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = std::fs::read_to_string(root.join("tests/monkey_allocator.rs")).unwrap();
    for folder in ["tests/monkey", "tests/patched"] {
        for entry in root.join(folder).read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                tests += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let rows = include_str!("../../src/monkey/mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "));
    let cells = rows.skip(1).map(|row| row.trim_end_matches('|').rsplit('|').next().unwrap());
    let mut named = 0;
    for test in cells.flat_map(|cell| cell.split('`')).filter(|word| word.contains('_')) {
        assert!(tests.contains(&format!("fn {test}()")), "there is no test {test}");
        named += 1;
    }
    assert!(named > 40, "only {named}");
}
