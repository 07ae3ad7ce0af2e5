//! A green thread that runs on the stack of its worker.
//!
//! It cannot be suspended there, as its hub would go on over the frames of what runs. So it counts as the OS thread
//! wherever it would be suspended: each wait and each yield reads one word, which says so. A region is open around it,
//! so that no generator or greenlet is switched away from; generators and greenlets that are resumed inside it suspend
//! themselves as always.

use super::here;
use crate::coroutine::{Root, enter_no_switch_region};

/// Calls `f` on the stack of the worker. The caller is a green thread that may be suspended at this point.
#[inline]
pub(in crate::runtime) fn on_worker_stack<R>(f: impl FnOnce() -> R) -> R {
    struct Back;
    impl Drop for Back {
        #[inline]
        fn drop(&mut self) {
            // In a child that `f` has forked, nothing is to be taken back.
            here::with(here::Here::take_back);
        }
    }
    let _region = enter_no_switch_region();
    let lent = here::with(|here| {
        here.lend();
        here.lent()
    });
    let Some(started) = lent.flatten() else { return f() };
    let _back = Back;
    // SAFETY: it was the current one of the hub of this OS thread, so the caller runs in it. A green thread is suspended only where it
    // is the current one, and none is until `_back` is dropped. A coroutine inside it in which the caller runs has the region open.
    unsafe { Root::call_below(started.control(), f) }
}
