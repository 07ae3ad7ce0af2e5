//! Starting green threads.
#![forbid(unsafe_code)]

use super::{Builder, JoinHandle};
use crate::runtime::global;
use crate::util::dropping::Held;
use std::panic::resume_unwind;

/// Spawns a green thread, as [`std::thread::spawn`]: on the runtime of the caller, or, from a plain OS thread, on the global
/// runtime, which starts by itself. Does not suspend.
///
/// Dropping the handle lets the green thread run on its own. Once it has started it never changes its OS thread, so it may
/// hold an `Rc`, a lock guard or a borrowed thread-local while it waits. Until it has started any worker may take it, so what
/// `body` takes along must be `Send`, as for an OS thread; [`spawn_local`](crate::thread::spawn_local) is for what is not.
///
/// # Panics
/// If there is no room for another stack, or the global runtime cannot start; [`Builder::spawn`] returns these as an
/// error instead.
///
/// # Examples
/// ```
/// let handles: Vec<_> = (0..1000).map(|i| greenthread::spawn(move || i * 2)).collect();
/// let sum: u64 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
/// assert_eq!(sum, 999_000);
/// ```
#[doc(alias(
    "goroutine",
    "go",
    "task",
    "create_task",
    "ensure_future",
    "fiber",
    "coroutine",
    "start_new_thread"
))]
#[inline]
#[track_caller]
pub fn spawn<F, T>(body: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(body).expect("failed to spawn a green thread")
}

/// Runs `main` as a green thread of the global runtime, waits until it and every green thread that descends from it has
/// ended, and returns the value of `main`. So a program waits for its threads, as Python's does. Blocks an OS thread, suspends
/// a green one.
///
/// It does not wait for [daemons](Builder::daemon): these are killed when all others have ended, and `run` returns when they
/// have unwound. A daemon that has not done so within five seconds is named on standard error and left to itself. Nor does
/// it wait for what descendants spawn on another runtime.
///
/// `main` takes over the caller's labels and [context values](crate::thread::ContextVar), but is no daemon. Two `run`s at the
/// same time do not wait for each other.
///
/// # Panics
/// If `main` panics, with the same payload; and if `main` could not be started, for the reasons that [`spawn`] gives.
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
#[doc(alias("asyncio.run", "block_on", "main"))]
pub fn run<F, T>(main: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let main = Held::new(main);
    let runtime = global().expect("failed to start the global runtime");
    match runtime.run(main.into_inner()) {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(error) => panic!("{error}"),
        },
    }
}

/// What must not compile.
///
/// What the green thread takes along must be `Send`, as for an OS thread: it may start on another one.
/// ```compile_fail
/// let shared = std::rc::Rc::new(1);
/// greenthread::spawn(move || println!("{shared}"));
/// ```
#[cfg(doctest)]
mod must_not_compile {}
