//! What runs on each OS thread.

use super::Control;
use std::cell::Cell;
use std::ptr;

/// The running coroutines of one OS thread.
pub(super) struct Running {
    /// The one that was resumed last, null outside all of them: the innermost one, or, where that has suspended itself
    /// since, one that the innermost one has resumed. So a resume of the same one again has nothing to write here, and
    /// nobody writes when it suspends.
    ///
    /// Whatever suspends or ends is the latest then, or is made it; so a latest one that is suspended was resumed by the
    /// innermost one, and it is never one whose stack was given back.
    pub(super) latest: Cell<*const Control>,
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
            latest: Cell::new(ptr::null()),
            green_thread: Cell::new(ptr::null()),
            identity: Cell::new(ptr::null()),
            regions: Cell::new(0),
            regions_inside: Cell::new(0),
        }
    };
}

impl Running {
    /// The innermost running coroutine, null outside all of them.
    #[inline(always)]
    pub(super) fn innermost(&self) -> *const Control {
        let latest = self.latest.get();
        if latest.is_null() || ptr::eq(latest, self.green_thread.get()) {
            return latest;
        }
        // SAFETY: the latest one runs or is suspended, so its control block is valid. (A green thread may be gone, but
        // was looked at above: those are resumed by nobody who could be asked for here.)
        unsafe {
            if (*latest).is_running_or_finished() { latest } else { (*latest).resumer().get() }
        }
    }

    /// Whether a coroutine is the innermost running one; makes it the latest one then.
    #[inline(always)]
    pub(super) fn is_innermost(&self, control: *const Control) -> bool {
        if ptr::eq(control, self.latest.get()) {
            // SAFETY: as in `innermost`, but that a green thread which is the latest one here is running.
            return unsafe { (*control).is_running_or_finished() };
        }
        let is = ptr::eq(control, self.innermost());
        if is {
            self.latest.set(control);
        }
        is
    }
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
    unsafe { (*running()).innermost() }
}

/// Says which one was resumed last.
#[inline(always)]
pub(super) fn set_latest(control: *const Control) {
    // SAFETY: as in `current`.
    unsafe { (*running()).latest.set(control) };
}

/// Whether a coroutine, not null, is the innermost running one, and thus may suspend itself.
#[inline(always)]
pub(super) fn is_innermost(control: *const Control) -> bool {
    // SAFETY: as in `current`.
    unsafe { (*running()).is_innermost(control) }
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
