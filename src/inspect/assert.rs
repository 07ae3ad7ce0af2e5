//! Tests that leave nothing behind.
#![forbid(unsafe_code)]

use super::dump;
use crate::runtime::Runtime;
use crate::sys::clock;
use crate::thread::{Thread, current, enumerate, sleep};
use crate::util::dropping::Held;
use std::panic::resume_unwind;
use std::time::Duration;

/// How long green threads may take to end after the code has returned.
const GRACE: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Runs `f` as the `main` of a current-thread runtime of its own. Panics if green threads that were started there have
/// not ended a second after `f`: the message has their number and a [`dump`](super::dump()) of them, and they are
/// killed. For tests; as Go's `goleak`.
///
/// Daemons may stay. So may what `f` starts on other runtimes, by [`Runtime::spawn`] for example.
///
/// # Panics
/// If green threads have been left behind; if `f` panics; and if the caller is a green thread.
///
/// # Examples
/// ```
/// use greenthread::{inspect, thread};
/// let sum = inspect::assert_no_leaks(|| thread::join_all([thread::spawn(|| 1), thread::spawn(|| 2)]));
/// assert_eq!(sum.len(), 2);
/// ```
///
/// ```should_panic
/// use greenthread::{inspect, thread};
/// inspect::assert_no_leaks(|| {
///     thread::spawn(thread::park);
/// });
/// ```
#[doc(alias("goleak", "leak"))]
pub fn assert_no_leaks<T: 'static>(f: impl FnOnce() -> T + 'static) -> T {
    let runtime = Runtime::new_current_thread().expect("failed to make a runtime");
    let result = runtime.run_local(move || {
        let value = Held::new(f());
        look();
        value.into_inner()
    });
    match result {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(error) => panic!("{error}"),
        },
    }
}

fn left() -> Vec<Thread> {
    let own = current();
    enumerate().into_iter().filter(|thread| *thread != own && !thread.is_daemon()).collect()
}

fn look() {
    let until = clock::now() + GRACE;
    let mut left_behind = left();
    while !left_behind.is_empty() && clock::now() < until {
        sleep(LOOK_EVERY);
        left_behind = left();
    }
    if left_behind.is_empty() {
        return;
    }
    let mut dump = dump();
    dump.threads.retain(|thread| left_behind.iter().any(|it| it.task().id() == thread.id));
    dump.runtimes.clear();
    // The runtime ends only when they have.
    left_behind.iter().for_each(|thread| thread.task().kill());
    panic!("what has been started has not ended: {dump}");
}
