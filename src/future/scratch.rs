//! Memory for what is copied at once.
#![forbid(unsafe_code)]

use std::cell::RefCell;

const SIZE: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lends some memory of the OS thread for what is copied at once. That costs less than to clear all of a buffer of
/// which a read will fill only a small part. `f` must not suspend.
pub(super) fn with<R>(room: usize, f: impl FnOnce(&mut [u8]) -> R) -> R {
    let room = room.min(SIZE);
    // It does not exist any more while the OS thread ends.
    let mut scratch = SCRATCH.try_with(RefCell::take).unwrap_or_default();
    if scratch.len() < room {
        scratch.resize(SIZE, 0);
    }
    let result = f(&mut scratch[..room]);
    let _ = SCRATCH.try_with(|kept| kept.replace(scratch));
    result
}
