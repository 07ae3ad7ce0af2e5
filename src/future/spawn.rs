//! Futures as green threads.
#![forbid(unsafe_code)]

use super::spawned::{Boxed, Spawned, is_large};
use crate::thread::{Builder, JoinHandle, LocalJoinHandle};

/// Runs a future on a green thread of its own, as `spawn(move || block_on(future))` does, but while the future is pending that green
/// thread has no stack. Does not suspend. As `tokio::spawn`.
///
/// All polls are of one green thread: [`current`](crate::current), its labels and [`green_local!`](crate::green_local) values are the
/// same in each, [`run`](crate::run) waits for it, and the handle can be joined, killed, and awaited. A kill drops the future, on the
/// green thread, where its destructors may wait. What is polled may wait as any green thread does (for a lock, a blocking call of this
/// library, another future by `wait`); then it keeps its stack until that is over, and other futures are polled on other stacks.
///
/// Between two polls the stack is given back, and the next poll takes the one that was used last. So a pending future costs its own
/// size and some hundred bytes, and ten thousand connections that are served this way share a stack that is in the processor's cache. It
/// keeps its stack while it has values of its own: those of `green_local!`, of a
/// [`ContextVar`](crate::thread::ContextVar), and greenlets.
///
/// If the system has no memory for a stack when the future is to be polled, it waits for up to a second for a stack that another gives
/// back; then it is dropped, and joining returns the error ([`JoinError::io_error`](crate::JoinError::io_error)).
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
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: IntoFuture + Send + 'static,
    F::Output: Send + 'static,
{
    let spawned = if is_large::<F>() {
        Builder::new().spawn_body(Spawned(Boxed::new(future)))
    } else {
        Builder::new().spawn_body(Spawned(future))
    };
    spawned.expect("failed to spawn a green thread")
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
#[track_caller]
pub fn spawn_local<F>(future: F) -> LocalJoinHandle<F::Output>
where
    F: IntoFuture + 'static,
    F::Output: 'static,
{
    let spawned = if is_large::<F>() {
        Builder::new().spawn_local_body(Spawned(Boxed::new(future)))
    } else {
        Builder::new().spawn_local_body(Spawned(future))
    };
    spawned.expect("failed to spawn a green thread")
}
