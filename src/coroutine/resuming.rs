//! Resuming a coroutine by its control block.

#[cfg(test)]
use super::This;
use super::control::Control;
use super::owned::{NotSuspended, Progress};
use super::port::{NOTHING, Word};
#[cfg(test)]
use super::running::current;
use super::running::running;
use super::switching::set_switching;
use super::unwinds;
use crate::sys::prefetch::prefetch;
use corosensei::CoroutineResult;
use std::hint::assert_unchecked;
use std::ptr::NonNull;

/// How many cache lines below its control block a body uses that has called one function in which it waits.
const SHALLOW: usize = 10;

/// Resumes the coroutine of a control block.
///
/// # Safety
/// `control` belongs to a coroutine that was made on this OS thread and whose control block is still valid.
#[inline(always)]
pub(super) unsafe fn resume(
    control: NonNull<Control>,
    word: Word,
) -> Result<(Progress, Word), NotSuspended> {
    let at = control.as_ptr();
    // SAFETY: as the caller promises.
    unsafe {
        if (*at).is_running_or_finished() {
            return Err(NotSuspended);
        }
        resume_suspended(control, word).ok_or(NotSuspended)
    }
}

/// Like [`resume`], but does not check that it is suspended. Returns `None` if it must not be resumed any more, as its
/// frames may be inside of thread-locals that are gone.
///
/// # Safety
/// As for [`resume`], and the coroutine is suspended.
#[inline(always)]
pub(super) unsafe fn resume_suspended(
    control: NonNull<Control>,
    word: Word,
) -> Option<(Progress, Word)> {
    let at = control.as_ptr();
    // SAFETY: the block is valid. What `running` gave is used again after the switch: a coroutine never changes its OS
    // thread, so it is still this thread's.
    unsafe {
        let running = &*running();
        let at = running.make_latest(at)?;
        let progress = unwinds::resuming(|| switch_to(at.cast_mut(), word));
        if progress.0 == Progress::Finished {
            running.has_finished(at);
        } else {
            running.note_locals();
        }
        Some(progress)
    }
}

/// # Safety
/// The block is valid, its coroutine is suspended, and this is its OS thread.
#[inline(always)]
pub(super) unsafe fn switch_to(at: *mut Control, word: Word) -> (Progress, Word) {
    // SAFETY: `raw` is touched through the raw pointer only, by this function alone; that the coroutine is suspended
    // excludes a second one of it, so the mutable borrow is unique.
    let result = unsafe {
        assert_unchecked(!(*at).is_running_or_finished());
        set_switching(true);
        (*at).raw().resume(word)
    };
    set_switching(false);
    match result {
        CoroutineResult::Yield(word) => (Progress::Suspended, word),
        CoroutineResult::Return(()) => {
            // SAFETY: the block is valid until its owner takes it.
            unsafe { (*at).set_finished() };
            (Progress::Finished, NOTHING)
        }
    }
}

/// Suspends the innermost running coroutine; its `resume` returns [`Progress::Suspended`].
///
/// # Panics
/// Outside all coroutines.
#[cfg(test)]
pub(crate) fn suspend() {
    let control = current();
    assert!(This::innermost().if_innermost().is_some(), "suspend outside a coroutine");
    // SAFETY: `current` is the innermost running coroutine of this OS thread, so its frames are the topmost ones, and
    // its parent link is that of the `resume` which waits for it.
    unsafe { (*control).suspend(NOTHING) };
}

/// Prefetches the cache lines that a `resume` of this coroutine touches first.
#[inline(always)]
pub(crate) fn prefetch_resume(control: NonNull<Control>) {
    let at = control.as_ptr().cast::<u8>();
    prefetch(at);
    prefetch(at.wrapping_sub(128));
    prefetch(at.wrapping_sub(192));
}

/// Prefetches all that is on the stack of a coroutine that is suspended in a shallow call, for example in a sleep.
#[inline(always)]
pub(crate) fn prefetch_stack(control: NonNull<Control>) {
    let end = control.as_ptr().cast::<u8>().wrapping_add(64);
    (0..=SHALLOW).for_each(|line| prefetch(end.wrapping_sub(64 * line)));
}
