//! Starting green threads.
#![forbid(unsafe_code)]

use super::{Builder, JoinHandle};
use crate::runtime::global;
use std::panic::resume_unwind;

/// Spawns a green thread, as [`std::thread::spawn`]: on the caller's runtime, or on the global one, which starts by itself.
/// Does not suspend.
///
/// Dropping the handle lets the green thread run on its own. It never changes its OS thread once it has started, so
/// thread-locals, `Rc` and lock guards held while it waits are sound.
///
/// # Panics
/// Where there is no room for another stack, or the global runtime cannot start; [`Builder::spawn`] returns that as an
/// error instead.
///
/// # Examples
/// ```
/// let handles: Vec<_> = (0..1000).map(|i| greenthread::spawn(move || i * 2)).collect();
/// let sum: u64 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
/// assert_eq!(sum, 999_000);
/// ```
///
/// What the green thread takes along must be `Send`, as for an OS thread: it may start on another one.
/// ```compile_fail
/// let shared = std::rc::Rc::new(1);
/// greenthread::spawn(move || println!("{shared}"));
/// ```
#[doc(alias("goroutine", "go", "task", "create_task", "fiber", "coroutine"))]
#[inline]
pub fn spawn<F, T>(body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(body).expect("failed to spawn a green thread")
}

/// Runs `main` as a green thread of the global runtime; returns its value when it and every green thread that descends
/// from it has ended, but for daemons (see [`Builder::daemon`]): these are killed then, and it returns when they have
/// unwound; one that has not within five seconds is named on standard error and left to itself. Blocks an OS thread,
/// suspends a green one.
/// `main` takes over the caller's labels and context values, but is no daemon. What its green threads spawn on another runtime does not count.
///
/// Two `run`s at the same time have nothing to do with each other.
///
/// # Panics
/// With the panic of `main`; and where `main` could not be started, see [`spawn`].
///
/// # Examples
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// static DONE: AtomicU32 = AtomicU32::new(0);
/// let value = greenthread::run(|| {
///     for _ in 0..10 {
///         greenthread::spawn(|| DONE.fetch_add(1, Ordering::Relaxed));
///     }
///     "main's value"
/// });
/// assert_eq!((value, DONE.load(Ordering::Relaxed)), ("main's value", 10));
/// ```
pub fn run<F, T>(main: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let runtime = global().expect("failed to start the global runtime");
    match runtime.run(main) {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(error) => panic!("{error}"),
        },
    }
}
