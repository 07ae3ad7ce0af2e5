//! `greenthread::sync`.

mod barrier;
mod channel;
mod condvar;
mod deadline;
mod event;
mod given_up;
mod handed_on;
mod mapped;
mod mutex;
mod once;
mod order;
mod rwlock;
mod select;
mod select_list;
mod select_moment;
mod select_queue;
mod semaphore;
mod stress;
mod wait_group;

use greenthread::Runtime;
use std::time::{Duration, Instant};

/// Long enough for everything that is going to happen.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// Time for something that must not happen.
pub(crate) const SHORT: Duration = Duration::from_millis(20);

pub(crate) fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

/// Waits for `condition`, for a generous time.
pub(crate) fn eventually(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "it never happened");
        greenthread::sleep(Duration::from_millis(1));
    }
}

/// Numbers that look random, the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}
