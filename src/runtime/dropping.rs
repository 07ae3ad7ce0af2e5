//! Dropping what users left to us.
#![forbid(unsafe_code)]

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Calls each of `drops`, which drop values of the user's. A panic in one keeps none of the others from being dropped, and is
/// raised again after the last; of several, the first. While the caller unwinds nothing is raised: it would end the process.
pub(crate) fn drop_each<F: FnOnce()>(drops: impl IntoIterator<Item = F>) {
    let mut first = None;
    for drop in drops {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(drop)) {
            match first {
                None => first = Some(payload),
                // To drop it may panic as well.
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
