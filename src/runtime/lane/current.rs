//! Which hub the calling OS thread runs.

use crate::runtime::hub::local::{Hub, HubShared};
use crate::runtime::task::Started;
use crate::runtime::task::foreign;
use crate::sys::process;
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

thread_local! {
    static HUB: Cell<*const Hub> = const { Cell::new(ptr::null()) };
}

/// Leaves the hub for good: in a forked child it is the parent's, and what runs now goes on as if on a plain OS thread.
pub(crate) fn forget() {
    HUB.set(ptr::null());
}

/// Out of line, so that no compiler keeps the address of a thread-local across a switch.
#[inline(never)]
fn get() -> *const Hub {
    HUB.with(Cell::get)
}

/// Runs `f` with the hub of this OS thread, if it is a worker or runs a current-thread runtime.
///
/// `f` must not suspend: it borrows what belongs to the hub.
#[inline(always)]
pub(crate) fn with_hub<R>(f: impl FnOnce(&Hub) -> R) -> Option<R> {
    // SAFETY: set by `enter` for the time in which the hub is alive and this thread runs inside it. Code of a green
    // thread runs only while its hub resumes it, so a frame that is inside `f` never outlives the hub: it is either
    // finished or, on a leaked stack, never run again.
    unsafe { get().as_ref() }.map(f)
}

/// Counts an operation of a green thread; `true` when it is time to let the others run.
///
/// It is inlined, unlike the rest: it is done at every operation, and a call costs four times as much as the count. If a compiler
/// keeps the address of the thread-local, that does no harm, as what has started stays on its OS thread.
#[inline(always)]
pub(crate) fn spend_budget() -> bool {
    // SAFETY: as in `with_hub`.
    unsafe { HUB.with(Cell::get).as_ref() }.is_some_and(Hub::spend_budget)
}

/// The green thread that runs on this OS thread. Inlined, as above.
#[inline(always)]
pub(crate) fn running() -> Option<Started> {
    // SAFETY: as in `with_hub`.
    unsafe { HUB.with(Cell::get).as_ref() }.and_then(Hub::current)
}

/// As [`with_hub`], but calls `or` if there is no hub; `value` goes to the one that is called.
#[inline(always)]
pub(crate) fn with_hub_or<V, R>(
    value: V,
    f: impl FnOnce(&Hub, V) -> R,
    or: impl FnOnce(V) -> R,
) -> R {
    // SAFETY: as in `with_hub`.
    match unsafe { get().as_ref() } {
        Some(hub) => f(hub, value),
        None => or(value),
    }
}

/// Runs `f` if the hub of this OS thread is the one given; returns whether it did.
#[inline(always)]
pub(crate) fn with_hub_if(shared: &'static HubShared, f: impl FnOnce(&Hub)) -> bool {
    with_hub(|hub| {
        let same = ptr::eq(hub.shared(), shared);
        if same {
            f(hub);
        }
        same
    })
    .unwrap_or(false)
}

/// Notices that the thread-locals of the OS thread are destroyed. A thread that ends by itself has left its hub before that. If they
/// are destroyed inside the hub, a green thread has called `exit`, which destroys them first and runs the handlers after that.
struct EndOfLocals;

impl Drop for EndOfLocals {
    fn drop(&mut self) {
        if let Some(scheduler) = with_hub(|hub| Arc::clone(&hub.scheduler)) {
            process::begin_exit();
            // The hub runs nothing any more: what runs now is not suspended again, as if on a plain OS thread.
            forget();
            scheduler.worker_exits();
        }
    }
}

thread_local! {
    static END_OF_LOCALS: EndOfLocals = const { EndOfLocals };
}

/// Makes `hub` the hub of this OS thread for the time of `f`.
pub(crate) fn enter<R>(hub: &Hub, f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            HUB.with(|current| current.set(ptr::null()));
            foreign::wake_later();
        }
    }
    HUB.with(|current| {
        assert!(current.get().is_null(), "an OS thread runs one hub at a time");
        current.set(hub);
    });
    // It is gone already if a destructor of a thread-local runs a hub.
    let _ = END_OF_LOCALS.try_with(|_| ());
    let _leave = Leave;
    f()
}
