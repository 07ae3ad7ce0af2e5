//! Catching panics.
#![forbid(unsafe_code)]

use crate::runtime::task::is_interruption;
use std::panic::{UnwindSafe, resume_unwind};
use std::thread::Result;

/// Runs `body` and catches a panic in it, as [`std::panic::catch_unwind`], but lets kills and expired timeouts pass.
///
/// Those are unwinds too, and std's function stops them: a killed green thread then goes on until its next wait, where the
/// kill is raised again. A server's loop that is to survive panics, and to end when it is killed, uses this one. (Python's
/// `except Exception`, which a `GreenletExit` or `CancelledError` passes.)
///
/// # Errors
/// The panic's payload.
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
/// What a panic could leave half done must not be borrowed, unless said otherwise with
/// [`AssertUnwindSafe`](std::panic::AssertUnwindSafe):
/// ```compile_fail,E0277
/// let mut list = vec![1];
/// let _ = greenthread::catch_unwind(|| list.push(2));
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
