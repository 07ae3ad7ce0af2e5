//! The lane of the calling OS thread.

use super::local::Lane;
use crate::runtime::task::{Started, here};

/// Runs `f` with the lane of this OS thread, if it is a worker or runs a current-thread runtime.
///
/// `f` must not suspend: it borrows what belongs to the hub.
#[inline(always)]
pub(crate) fn with_lane<R>(f: impl FnOnce(&Lane) -> R) -> Option<R> {
    // SAFETY: whoever calls `here::enter` promises that it is the first field of a lane, and that this lives as long as the
    // pointer is there. Code of a green thread runs only while its hub resumes it, so a frame that is inside `f` never outlives
    // the hub: it is either finished or, on a leaked stack, never run again.
    unsafe { here::get().cast::<Lane>().as_ref() }.map(f)
}

/// Whether this OS thread is a worker or runs a current-thread runtime. It is inlined, as every patched call asks this.
#[allow(dead_code, reason = "patched functions alone ask")]
#[inline(always)]
pub(crate) fn is_here() -> bool {
    !here::get().is_null()
}

/// Counts an operation of a green thread. Returns `true` when it is time to let the others run. It is inlined, as every
/// operation calls it.
#[inline(always)]
pub(crate) fn spend_budget() -> bool {
    // SAFETY: as in `with_lane`.
    unsafe { here::get().cast::<Lane>().as_ref() }.is_some_and(Lane::spend_budget)
}

/// The green thread that runs on this OS thread's own stack, where it cannot be suspended; see `wait/worker_stack.rs`.
#[inline]
pub(crate) fn lent() -> Option<Started> {
    with_lane(|lane| lane.here().lent()).flatten()
}

/// The green thread that runs on this OS thread. It is inlined, as above.
#[inline(always)]
pub(crate) fn running() -> Option<Started> {
    // SAFETY: as in `with_lane`.
    unsafe { here::get().cast::<Lane>().as_ref() }.and_then(Lane::current)
}
