//! Dropping what users left to us.
#![forbid(unsafe_code)]

use super::park;

/// Calls each of `drops`, which drop values of the user's. A panic in one keeps none of the others from being dropped, and is
/// raised again after the last; of several, the first. While the caller unwinds nothing is raised: it would end the process.
pub(crate) fn drop_each<F: FnOnce()>(drops: impl IntoIterator<Item = F>) {
    let mut first = None;
    for drop in drops {
        if let Err(payload) = park::catch(drop) {
            match first {
                None => first = Some(payload),
                // To drop it may panic as well.
                Some(_) => std::mem::forget(payload),
            }
        }
    }
    match first {
        None => {}
        Some(payload) if park::is_unwinding() => std::mem::forget(payload),
        Some(payload) => park::resume(payload),
    }
}
