//! Green threads that start at a later time.
#![forbid(unsafe_code)]

use super::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Spawns a green thread that starts after `delay`, as gevent's `spawn_later`. Does not suspend.
///
/// Until then it has no stack and takes a few hundred bytes. Killed before, it never runs, and ends at once. A
/// [`run`](crate::run) waits for it as for any other descendant. Those with the same time on one worker start in the order
/// in which they were spawned. On a current-thread runtime, or one with a single worker, all start in the order of their
/// times, also where they are late.
///
/// # Panics
/// As [`spawn`](crate::spawn).
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
pub fn spawn_later<F, T>(delay: Duration, body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn_later(delay, body).expect("failed to spawn a green thread")
}

/// Like [`spawn_later`], to a point in time; one that has passed is as good as now.
///
/// # Panics
/// As [`spawn`](crate::spawn).
pub fn spawn_at<F, T>(at: Instant, body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn_at(at, body).expect("failed to spawn a green thread")
}
