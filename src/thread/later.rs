//! Green threads that start at a later time.
#![forbid(unsafe_code)]

use super::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Spawns a green thread that starts after `delay`, as gevent's `spawn_later` and the `call_later` of asyncio's loop. Does not
/// suspend.
///
/// Until it starts it has no stack and takes a few hundred bytes. If it is killed before that, it never runs, and ends at
/// once. A [`run`](crate::run) waits for it as for any other descendant. Green threads of one worker that have the same
/// time start in the order in which they were spawned. With a single worker, all start in the order of their times, even
/// when they are late.
///
/// # Panics
/// If there is no room for another stack, or the global runtime cannot start; [`Builder::spawn_later`] returns these as an
/// error instead.
///
/// # Examples
/// ```
/// use greenthread::thread::spawn_later;
/// use std::time::{Duration, Instant};
/// let before = Instant::now();
/// let later = spawn_later(Duration::from_millis(5), || "later");
/// let never = spawn_later(Duration::from_secs(1000), || "never");
/// assert_eq!(later.join().unwrap(), "later");
/// assert!(before.elapsed() >= Duration::from_millis(5));
/// never.kill();
/// assert!(never.join().unwrap_err().is_killed());
/// ```
#[doc(alias("call_later", "AfterFunc"))]
#[track_caller]
pub fn spawn_later<F, T>(delay: Duration, body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn_later(delay, body).expect("failed to spawn a green thread")
}

/// Like [`spawn_later`], for a point in time; if that has passed, the green thread starts as soon as it can. Does not suspend.
/// As the `call_at` of asyncio's loop.
///
/// # Panics
/// If there is no room for another stack, or the global runtime cannot start; [`Builder::spawn_at`] returns these as an error
/// instead.
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
/// let at = Instant::now() + Duration::from_millis(2);
/// let started = greenthread::thread::spawn_at(at, Instant::now);
/// assert!(started.join().unwrap() >= at);
/// ```
#[doc(alias("call_at"))]
#[track_caller]
pub fn spawn_at<F, T>(at: Instant, body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn_at(at, body).expect("failed to spawn a green thread")
}
