//! Dropping values that users have left to the library.
#![forbid(unsafe_code)]

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Calls each of `drops`, which drop values of the user's. A panic in one of them does not keep the others from being called, and is
/// raised again after the last; of several panics, the first is. While the caller unwinds, none is raised, as that would end the
/// process.
pub(crate) fn drop_each<F: FnOnce()>(drops: impl IntoIterator<Item = F>) {
    let mut first = None;
    for drop in drops {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(drop)) {
            match first {
                None => first = Some(payload),
                // Dropping the payload may panic as well.
                Some(_) => mem::forget(payload),
            }
        }
    }
    match first {
        None => {}
        Some(payload) if std::thread::panicking() => mem::forget(payload),
        Some(payload) => resume_unwind(payload),
    }
}
