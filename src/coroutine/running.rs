//! What runs on each OS thread.

use super::Control;
use std::cell::Cell;
use std::ptr;

/// The running coroutines of one OS thread.
pub(super) struct Running {
    /// The innermost one, null outside all of them.
    pub(super) current: Cell<*const Control>,
    /// The innermost one that is a green thread, null where there is none.
    pub(super) green_thread: Cell<*const Control>,
    /// Outside green threads: the address of what `local` keeps, null where that is nothing.
    pub(super) identity: Cell<*const ()>,
    /// Outside green threads: regions that are open, as `Control::regions` and `Control::regions_inside` count them.
    pub(super) regions: Cell<u16>,
    pub(super) regions_inside: Cell<u16>,
}

thread_local! {
    // Without a destructor, so it stays usable while the thread's other thread-locals are destroyed.
    static RUNNING: Running = const {
        Running {
            current: Cell::new(ptr::null()),
            green_thread: Cell::new(ptr::null()),
            identity: Cell::new(ptr::null()),
            regions: Cell::new(0),
            regions_inside: Cell::new(0),
        }
    };
}

/// The state of the calling OS thread; valid while that thread runs.
///
/// It may be inlined, and its address kept across a switch: a coroutine never changes its OS thread.
#[inline(always)]
pub(super) fn running() -> *const Running {
    RUNNING.with(ptr::from_ref)
}

/// The innermost running coroutine, null outside all of them.
#[inline(always)]
pub(crate) fn current() -> *const Control {
    // SAFETY: the pointer is to a thread-local without a destructor, valid while its thread runs.
    unsafe { (*running()).current.get() }
}

#[inline(always)]
pub(super) fn set_current(control: *const Control) {
    // SAFETY: as in `current`.
    unsafe { (*running()).current.set(control) };
}

/// The green thread that runs on this OS thread, null outside of green threads.
#[inline(always)]
pub(super) fn green_thread() -> *const Control {
    // SAFETY: as in `current`.
    unsafe { (*running()).green_thread.get() }
}

/// Whether the caller runs in a green thread, however many coroutines deep.
#[inline(always)]
pub(crate) fn in_green_thread() -> bool {
    !green_thread().is_null()
}
