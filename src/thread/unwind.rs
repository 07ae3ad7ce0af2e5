//! Catching panics.
#![forbid(unsafe_code)]

use crate::runtime::task::is_interruption;
use std::panic::{UnwindSafe, resume_unwind};
use std::thread::Result;

/// Runs `body` and catches a panic in it, as [`std::panic::catch_unwind`], but lets kills and expired timeouts pass.
///
/// Those unwind too, and std's function catches them: a killed green thread then goes on until its next wait, where the kill is
/// raised again. A server's loop that is to survive panics, and to end when it is killed, uses this function. (So does
/// Python's `except Exception` let a `GreenletExit` or `CancelledError` pass.) Suspends only where `body` does.
///
/// What `body` borrows must not be left half changed by a panic, as for std's; with
/// [`AssertUnwindSafe`](std::panic::AssertUnwindSafe) the caller says that it is not.
///
/// # Errors
/// The payload of the panic, if `body` panics.
///
/// # Examples
/// ```
/// let handle = greenthread::spawn(|| {
///     let caught = greenthread::catch_unwind(|| panic!("a panic")).unwrap_err();
///     assert_eq!(*caught.downcast_ref::<&str>().unwrap(), "a panic");
///     greenthread::catch_unwind(|| greenthread::thread::park())
/// });
/// handle.kill();
/// assert!(handle.join().unwrap_err().is_killed());
/// ```
pub fn catch_unwind<F, T>(body: F) -> Result<T>
where
    F: FnOnce() -> T + UnwindSafe,
{
    match std::panic::catch_unwind(body) {
        Err(payload) if is_interruption(&*payload) => resume_unwind(payload),
        result => result,
    }
}

/// What must not compile.
///
/// What a panic could leave half done must not be borrowed, unless said otherwise with
/// [`AssertUnwindSafe`](std::panic::AssertUnwindSafe):
/// ```compile_fail,E0277
/// let mut list = vec![1];
/// let _ = greenthread::catch_unwind(|| list.push(2));
/// ```
#[cfg(doctest)]
mod must_not_compile {}
