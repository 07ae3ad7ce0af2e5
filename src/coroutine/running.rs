//! What runs on each OS thread.

use super::Control;
use super::local::Seen;
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
    /// Outside green threads: what `local` keeps.
    pub(super) kept: Cell<Option<Seen>>,
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
            kept: Cell::new(None),
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

    /// Notes that `control` is resumed, where another one was resumed last.
    ///
    /// # Safety
    /// Its control block is valid.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn another(&self, control: *const Control) {
        // SAFETY: as the caller promises.
        unsafe { (*control).resumer().set(self.innermost()) };
        self.latest.set(control);
    }

    /// The innermost running coroutine if it is `control`; makes it the latest one then.
    ///
    /// What it returns was loaded from here, where `control` most often comes from the stack that was just switched to: the
    /// processor need not wait for that to find where to switch to next.
    #[inline(always)]
    pub(super) fn innermost_if(&self, control: *const Control) -> Option<*const Control> {
        let latest = self.latest.get();
        if !ptr::eq(control, latest) {
            return self.innermost_if_not_latest(control);
        }
        // SAFETY: as in `innermost`, but that a green thread which is the latest one here is running.
        let runs = !latest.is_null() && unsafe { (*latest).is_running_or_finished() };
        runs.then_some(latest)
    }

    #[cold]
    #[inline(never)]
    fn innermost_if_not_latest(&self, control: *const Control) -> Option<*const Control> {
        let is = !control.is_null() && ptr::eq(control, self.innermost());
        is.then(|| {
            self.latest.set(control);
            control
        })
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

/// The innermost running coroutine, which thus may suspend itself, if it is `control`.
#[inline(always)]
pub(super) fn innermost_if(control: *const Control) -> Option<*const Control> {
    // SAFETY: as in `current`.
    unsafe { (*running()).innermost_if(control) }
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
