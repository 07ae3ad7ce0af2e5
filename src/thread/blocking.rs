//! Running code that blocks or computes elsewhere.
#![forbid(unsafe_code)]

use crate::runtime::blocking::{self, Kind};

/// Runs `body` on an OS thread of a pool, suspends only the calling green thread meanwhile, and returns what `body` returns. For
/// code that computes for long, and for code that blocks its OS thread, such as a C library. As gevent's thread pool,
/// `tokio::task::spawn_blocking` and asyncio's `to_thread`.
///
/// The threads of the pool are started as they are needed and end when they have been idle for ten seconds. There are at most
/// 256 of them in the whole process, or as many as the environment variable `GREENTHREAD_BLOCKING_THREADS` says; further
/// calls wait their turn. If the system gives not one thread, `body` runs on the worker. Called from a plain OS thread, or
/// from inside another `blocking`, it runs on the calling thread.
///
/// A kill or a [`timeout`](crate::timeout()) ends the wait. If `body` has begun by then, it goes on to its end all the same, and
/// its value is dropped; nobody waits for it, not even the end of the runtime. [`shield`](crate::shield) keeps the wait from
/// being cut short.
///
/// Inside `body` the caller is an OS thread: waits block that thread, and a `body` that waits for other calls of `blocking`
/// keeps its own place in the pool meanwhile.
///
/// # Panics
/// If `body` panics, with the same payload.
///
/// # Examples
/// ```
/// let ticks = greenthread::spawn(|| (0..10).map(|_| greenthread::yield_now()).count());
/// let sum = greenthread::spawn(|| {
///     greenthread::blocking(|| (1..=1_000_000u64).sum::<u64>()) // computes on a thread of its own
/// });
/// assert_eq!((ticks.join().unwrap(), sum.join().unwrap()), (10, 500_000_500_000));
/// ```
#[doc(alias(
    "spawn_blocking",
    "block_in_place",
    "to_thread",
    "run_in_executor",
    "threadpool",
    "unblock"
))]
pub fn blocking<F, T>(body: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    blocking::run(Kind::User, body)
}
