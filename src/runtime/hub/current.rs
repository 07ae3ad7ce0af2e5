//! The hub of the calling OS thread.

use super::local::Hub;
use crate::runtime::lane::local::Lane;
use crate::runtime::task::here::{self, Here};
use crate::sys::process;
use std::ptr;
use std::sync::Arc;

pub(crate) use crate::runtime::task::here::forget;

/// Runs `f` with the hub of this OS thread, if it is a worker or runs a current-thread runtime.
///
/// `f` must not suspend: it borrows what belongs to the hub.
#[inline(always)]
pub(crate) fn with_hub<R>(f: impl FnOnce(&Hub) -> R) -> Option<R> {
    // SAFETY: only `enter` calls `here::enter`, with the first field of a hub; see there, and `lane::current::with_lane`.
    unsafe { here::get().cast::<Hub>().as_ref() }.map(f)
}

/// Like [`with_hub`], but calls `or` if there is no hub; `value` is passed to the one that is called.
#[inline(always)]
pub(crate) fn with_hub_or<V, R>(
    value: V,
    f: impl FnOnce(&Hub, V) -> R,
    or: impl FnOnce(V) -> R,
) -> R {
    // SAFETY: as in `with_hub`.
    match unsafe { here::get().cast::<Hub>().as_ref() } {
        Some(hub) => f(hub, value),
        None => or(value),
    }
}

/// Notices that the thread-locals of the OS thread are being destroyed. A thread that ends by itself has left its hub
/// before that. If they are destroyed inside the hub, a green thread has called `exit`, which first destroys them and
/// then runs the handlers.
struct EndOfLocals;

impl Drop for EndOfLocals {
    fn drop(&mut self) {
        if let Some(scheduler) = with_hub(|hub| Arc::clone(&hub.scheduler)) {
            process::begin_exit();
            // The hub runs nothing any more: what runs now is not suspended again, as on a plain OS thread.
            forget();
            scheduler.worker_exits();
        }
    }
}

thread_local! {
    static END_OF_LOCALS: EndOfLocals = const { EndOfLocals };
}

/// Makes `hub` the hub of this OS thread while `f` runs.
pub(crate) fn enter<R>(hub: &Hub, f: impl FnOnce() -> R) -> R {
    const { assert!(Hub::STARTS_WITH_LANE && Lane::STARTS_WITH_HERE) };
    let here: *const Here = ptr::from_ref(hub).cast();
    let begin = || {
        // The thread-local is gone already if a destructor of another one runs a hub.
        let _ = END_OF_LOCALS.try_with(|_| ());
        f()
    };
    // SAFETY: checked above; the pointer is made of one to the whole hub, which is borrowed for the call.
    unsafe { here::enter(here, begin) }
}
