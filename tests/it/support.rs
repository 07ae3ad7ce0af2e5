//! What several tests need.

use greenthread::Runtime;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long anything may take before it counts as a hang: longer where an emulator may be at work (`.ci/aarch64`).
pub(crate) const LIMIT: Duration =
    Duration::from_secs(if cfg!(target_arch = "aarch64") { 600 } else { 60 });

/// Runs `body` on an OS thread of its own and returns its value; a hang is a panic.
#[track_caller]
pub(crate) fn within_limit<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = channel();
    let thread = std::thread::spawn(move || {
        let _ = send.send(body());
    });
    match receive.recv_timeout(LIMIT) {
        Ok(value) => {
            thread.join().unwrap();
            value
        }
        Err(RecvTimeoutError::Disconnected) => resume_unwind(thread.join().unwrap_err()),
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
    }
}

/// Runs a case on a green thread of each flavour of runtime, and on an OS thread.
#[track_caller]
pub(crate) fn everywhere(case: fn()) {
    for count in [1, 2, 8] {
        within_limit(move || workers(count).run(case).unwrap());
    }
    within_limit(move || Runtime::new_current_thread().unwrap().run(case).unwrap());
    within_limit(case);
}

/// Runs a test on a current-thread runtime and on 1, 2 and 8 workers.
#[track_caller]
pub(crate) fn on_all_runtimes(test: fn()) {
    within_limit(move || {
        Runtime::new_current_thread().unwrap().run_local(test).unwrap();
        for count in [1, 2, 8] {
            workers(count).run(test).unwrap();
        }
    });
}

/// Waits on an OS thread or a green thread until `condition` holds.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "what was waited for did not come");
        greenthread::sleep(Duration::from_millis(1));
    }
}

/// A runtime with so many workers.
pub(crate) fn workers(count: usize) -> Runtime {
    Runtime::builder().workers(count).build().unwrap()
}

/// Longer than any test runs.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(100_000);

/// Runs a closure when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
