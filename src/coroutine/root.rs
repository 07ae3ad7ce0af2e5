//! Green threads: coroutines that a hub resumes one after the other, outside of all others.

use super::port::NOTHING;
use super::resuming::switch_to;
use super::running::{Running, running};
use super::trace;
use super::unwinds;
use super::unwinds::{Aside, put_aside};
use super::{Control, Progress};
use std::ptr::{self, NonNull};

/// Calls `f`, which may resume green threads, so that the coroutines around the caller do not know of it; for example
/// when the caller is in a generator of a plain OS thread.
pub(crate) fn set_aside<T>(f: impl FnOnce() -> T) -> T {
    struct Back {
        innermost: *const Control,
        green_thread: *const Control,
        _unwinds: Aside,
    }
    impl Drop for Back {
        fn drop(&mut self) {
            // SAFETY: a thread-local without a destructor is valid while its thread runs.
            let running = unsafe { &*running() };
            running.green_thread.set(self.green_thread);
            // SAFETY: the caller of `set_aside` runs in it, if it is not null.
            unsafe { running.set_latest(self.innermost) };
        }
    }
    // SAFETY: as above.
    let running = unsafe { &*running() };
    let innermost = running.innermost();
    let green_thread = running.green_thread.get();
    let _back = Back { innermost, green_thread, _unwinds: put_aside() };
    running.set_green_thread(ptr::null());
    f()
}

/// The place on this OS thread, outside of all coroutines, from which green threads are resumed.
///
/// `!Send`: it belongs to its OS thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root(*const Running);

impl Root {
    pub(crate) fn of_this_thread() -> Self {
        Self(running())
    }

    #[inline(always)]
    pub(super) fn running(&self) -> &Running {
        // SAFETY: a thread-local without a destructor is valid while its thread runs, and the value stays on it.
        unsafe { &*self.0 }
    }

    /// Resumes a coroutine as a green thread: until it suspends, [`in_green_thread`](super::in_green_thread) is true,
    /// and [`local`](super::local) is its own value. After a series of these calls the caller calls
    /// [`leave`](Self::leave).
    ///
    /// # Safety
    /// `control` belongs to a coroutine of this OS thread that is suspended and always resumed by this function; its
    /// control block is valid. The caller is outside all coroutines.
    #[inline(always)]
    pub(crate) unsafe fn resume(&self, control: NonNull<Control>) -> Progress {
        self.running().set_green_thread(control.as_ptr());
        // SAFETY: as the caller promises.
        unsafe { switch_to(control.as_ptr(), NOTHING) }.0
    }

    /// Calls `f` on the stack from which the green thread was resumed, below the frames of the hub, which wait there.
    ///
    /// # Safety
    /// `control` belongs to the green thread that is running on this OS thread. Until `f` has returned or unwound,
    /// neither that nor a coroutine around it is suspended: the hub would go on over the frames of `f`.
    #[inline]
    pub(crate) unsafe fn call_below<R>(control: NonNull<Control>, f: impl FnOnce() -> R) -> R {
        // SAFETY: as the caller promises.
        unsafe { control.as_ref().call_below(f) }
    }

    /// Ends a series of [`resume`](Self::resume)s: the OS thread is outside all coroutines again.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        self.running().set_green_thread(ptr::null());
    }

    /// Suspends a green thread from inside it, with all coroutines that run in it now.
    ///
    /// It is inlined, with all that is between it and the user's code where that is hot (a yield): the processor
    /// predicts returns by the nesting of calls, so each function from which a resumed coroutine returns costs a
    /// misprediction.
    ///
    /// # Safety
    /// `control` belongs to the green thread that is running on this OS thread.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self, control: NonNull<Control>) {
        // SAFETY: as the caller promises.
        unwinds::suspending(|| unsafe { self.suspend_calm(control) });
    }

    /// As [`suspend`](Self::suspend), for a caller that has just seen that it does not unwind.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub(crate) unsafe fn suspend_calm(&self, control: NonNull<Control>) {
        // It is seldom another one. It is looked up now, as the latest one may later have been resumed by others, or be
        // gone.
        let innermost = if self.running().is_latest(control.as_ptr()) {
            control.as_ptr().cast_const()
        } else {
            self.running().innermost()
        };
        // SAFETY: as the caller promises, its `resume` is waiting below on this OS thread. Everything above that, nested
        // coroutines included, keeps its frames until it is resumed.
        let word = unsafe { (*control.as_ptr()).suspend_calm(NOTHING) };
        // SAFETY: it has just been resumed by its `Root`, and runs on `innermost`.
        unsafe { trace::answer(control, innermost, word) };
        // `resume` has already set the green thread itself.
        if !ptr::eq(innermost, control.as_ptr()) {
            // SAFETY: it has run from before the switch, so its control block is valid.
            unsafe { self.running().set_latest(innermost) };
        }
    }
}
