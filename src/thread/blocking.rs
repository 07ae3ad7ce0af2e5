//! Running code that blocks or computes elsewhere.
#![forbid(unsafe_code)]

use crate::runtime::blocking::{self, Kind};

/// Runs `body`, which computes for long or blocks its OS thread (a C library, say), on an OS thread kept for that, and
/// suspends only the calling green thread meanwhile; returns what `body` returns. As gevent's thread pool and
/// `tokio::task::spawn_blocking`.
///
/// The threads come as they are needed and end when they have been idle for ten seconds. There are at most 256 (or as many
/// as the environment variable `GREENTHREAD_BLOCKING_THREADS` says) for the whole process; further calls wait their turn.
/// Where not one thread can be had, `body` runs on the worker. Called from a plain OS thread, or from inside another
/// `blocking`, it runs where it is.
///
/// A kill or a [`timeout`](crate::timeout()) ends the wait. If `body` has begun by then it goes on to its end all the same, and
/// what it returns is dropped; nobody waits for it, not even the end of the runtime. Use [`shield`](crate::shield) to keep
/// the wait from being cut short.
///
/// Inside `body` the caller is an OS thread: what waits there blocks that, and a `body` that waits for other calls of
/// `blocking` holds its place meanwhile.
///
/// # Panics
/// With the panic of `body`.
///
/// # Examples
/// ```
/// let ticks = greenthread::spawn(|| (0..10).map(|_| greenthread::yield_now()).count());
/// let sum = greenthread::spawn(|| {
///     greenthread::blocking(|| (1..=1_000_000u64).sum::<u64>()) // computes on a thread of its own
/// });
/// assert_eq!((ticks.join().unwrap(), sum.join().unwrap()), (10, 500_000_500_000));
/// ```
#[doc(alias("spawn_blocking", "block_in_place", "to_thread", "run_in_executor"))]
pub fn blocking<F, T>(body: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    blocking::run(Kind::User, body)
}
