//! Futures as green threads.
#![forbid(unsafe_code)]

use super::block_on::block_on;
use crate::thread::{self, JoinHandle, LocalJoinHandle};

/// Runs a future on a green thread of its own, as `spawn(move || block_on(future))`. Does not suspend. As `tokio::spawn`.
///
/// The handle can be joined, killed, and awaited; a kill drops the future.
///
/// # Panics
/// If there is no room for another stack, or the global runtime cannot start.
///
/// # Examples
/// ```
/// use greenthread::future;
///
/// let one = future::spawn(async { 1 });
/// let two = future::spawn(async { one.await.unwrap() + 1 });
/// assert_eq!(two.join().unwrap(), 2);
/// ```
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: IntoFuture + Send + 'static,
    F::Output: Send + 'static,
{
    thread::spawn(move || block_on(future))
}

/// As [`spawn`], for a future that must stay on the calling OS thread. As `tokio::task::spawn_local`.
///
/// # Panics
/// If the calling OS thread runs no green threads, or there is no room for another stack.
///
/// # Examples
/// ```
/// use greenthread::future;
/// use std::cell::Cell;
/// use std::rc::Rc;
///
/// greenthread::run(|| {
///     let count = Rc::new(Cell::new(0));
///     let other = Rc::clone(&count);
///     future::spawn_local(async move { other.set(1) }).join().unwrap();
///     assert_eq!(count.get(), 1);
/// });
/// ```
pub fn spawn_local<F>(future: F) -> LocalJoinHandle<F::Output>
where
    F: IntoFuture + 'static,
    F::Output: 'static,
{
    thread::spawn_local(move || block_on(future))
}
