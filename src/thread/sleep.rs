//! Letting time pass, and letting others run.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::sys::clock;
use crate::sys::time::deadline_after;
use std::time::{Duration, Instant};

/// Suspends the calling green thread for at least `duration`, as [`std::thread::sleep`]; blocks an OS thread. A sleep of zero
/// is a [`yield_now`], as gevent's `sleep(0)`.
///
/// # How exact it is
/// A sleep is never too short. It is late by as long as other green threads keep the worker busy, and by what the kernel takes
/// to wake an idle worker: some 20 to 40 µs. Times are not rounded up to whole milliseconds, except by kernels before 5.11.
/// Where more than eight sleeps of one worker end in the same millisecond, an idle worker wakes once for all of them, at the
/// end of that millisecond: this makes each late by up to a millisecond more, and by half of one on average. Sleeps of one
/// worker that are due at the same time end in the order in which they began.
///
/// The 50 µs of timer slack that Linux grants itself for other threads are switched off (`PR_SET_TIMERSLACK`) on workers,
/// and on the thread of a current-thread runtime while it runs. OS threads and processes that are started there inherit
/// that setting. With it, half of all sleeps of 100 µs on an idle machine of two processors were late by no more than 16 to 22 µs,
/// where those of std in the same run had 65 to 71 µs (`cargo run --release --example workloads -- naps 2`).
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
/// let before = Instant::now();
/// greenthread::spawn(|| greenthread::sleep(Duration::from_millis(10))).join().unwrap();
/// assert!(before.elapsed() >= Duration::from_millis(10));
/// ```
#[doc(alias("Sleep", "delay"))]
pub fn sleep(duration: Duration) {
    if duration.is_zero() {
        return yield_now();
    }
    wait(deadline_after(duration));
}

/// Like [`sleep`], until a point in time; where that has passed it is a [`yield_now`]. As `tokio::time::sleep_until`.
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
/// let at = Instant::now() + Duration::from_millis(2);
/// greenthread::thread::sleep_until(at);
/// assert!(Instant::now() >= at);
/// ```
pub fn sleep_until(deadline: Instant) {
    if deadline <= clock::now() {
        return yield_now();
    }
    wait(Some(deadline));
}

/// Waits until the deadline; `None` is beyond what the clock can represent, which is for ever.
fn wait(deadline: Option<Instant>) {
    if Parker::new().park(Reason::Sleep, deadline) == Wake::Killed {
        park::raise_kill();
    }
}

/// Lets every other green thread of the worker that is ready run first, as [`std::thread::yield_now`], Go's `runtime.Gosched` and
/// gevent's `sleep(0)`. On a plain OS thread it is std's.
///
/// It is a suspension point: a kill or an expired [`timeout`](crate::timeout()) unwinds here.
///
/// # Examples
/// ```
/// use greenthread::{Runtime, spawn, yield_now};
/// use std::sync::{Arc, Mutex};
/// let log = Arc::new(Mutex::new(String::new()));
/// let count = |name: char, log: Arc<Mutex<String>>| {
///     move || {
///         for _ in 0..3 {
///             log.lock().unwrap().push(name);
///             yield_now();
///         }
///     }
/// };
/// let (a, b) = (count('a', log.clone()), count('b', log.clone()));
/// // On one thread the order is fixed.
/// Runtime::new_current_thread()?.run(move || drop((spawn(a), spawn(b)))).unwrap();
/// assert_eq!(*log.lock().unwrap(), "ababab");
/// # Ok::<(), std::io::Error>(())
/// ```
#[inline(always)]
#[doc(alias("Gosched", "gosched", "idle"))]
pub fn yield_now() {
    park::yield_now();
}
