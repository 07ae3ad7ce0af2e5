//! Stack switching: corosensei behind one small face.
//!
//! Invariant: a coroutine runs on the OS thread that made it, is resumed only while it is suspended, and its stack is
//! given back only when no live frame can be on it.
//!
//! ```text
//!             stack top (64-byte aligned)
//!   +--------------------------------+
//!   | the rest of `Control` (72 B)   |  owner, description, the stack itself
//!   +--------------------------------+
//!   | hot part of `Control` (48 B)   |  saved stack pointer, yielder        } one cache
//!   | corosensei's parent link (16 B)|  where `suspend` goes back to        } line
//!   +--------------------------------+  <- corosensei's stack base
//!   | the body, then its frames      |
//!   |   ...                          |
//!   +--------------------------------+
//!   | guard                          |
//!   +--------------------------------+  <- limit
//! ```
//!
//! A switch is corosensei's `resume` and `suspend` and touches that one line and the suspended frames. Values pass
//! outside: an argument of more than eight bytes would go through memory inside the switch and cost more.

mod closing;
mod control;
mod label;
mod local;
mod port;
mod region;
mod root;
mod running;
mod scope;
mod slot;
mod storage;
#[cfg(test)]
pub(crate) mod testing;
mod this;
mod unwinds;

pub(crate) use closing::{any_closing, is_closed, note_calm, note_panic};
pub(crate) use control::{Control, Description};
pub(crate) use label::Label;
pub(crate) use local::{
    close_local, identity, identity_outside_regions, local, local_outside_regions, set_local,
};
pub(crate) use port::{Port, PortMut, Suspender};
pub(crate) use region::{enter_no_switch_region, in_no_switch_region};
pub(crate) use root::{Root, set_aside};
#[cfg(test)]
pub(crate) use running::current;
pub(crate) use running::in_green_thread;
pub(crate) use running::may_destroy_locals;
pub(crate) use scope::scope;
pub(crate) use slot::Slot;
pub(crate) use storage::{ROUNDS, close_storage, destroy_storage, has_storage, with_storage};
pub(crate) use this::{Refused, This};
pub(crate) use unwinds::{any_unwinds, in_panic_hook, own_unwinds, unwinds, unwinds_and_beginning};

use crate::stack::Stack;
use crate::sys::prefetch::prefetch;
use control::{RawYielder, StackSpan, set_switching};
use corosensei::{Coroutine as Raw, CoroutineResult};
use port::{NOTHING, Word};
use running::running;
use std::hint::assert_unchecked;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// Cache lines below a control block that a body uses which has called one function to wait in.
const SHALLOW: usize = 10;

/// What [`Coroutine::resume`] came back from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The body suspended itself.
    Suspended,
    /// The body returned; the coroutine cannot be resumed again.
    Finished,
}

/// The coroutine cannot be resumed: it runs already (perhaps below the caller), it has finished, or it may be inside of
/// thread-locals that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSuspended;

/// A body with a stack of its own.
///
/// Dropping it: a body that never ran is dropped (a panic in that is swallowed), a finished one leaves its stack to the
/// next, a suspended or running one is *leaked*, because its frames may be borrowed from elsewhere. Whoever wants it
/// unwound makes it finish first.
#[derive(Debug)]
pub(crate) struct Coroutine {
    control: NonNull<Control>,
}

/// A body that may be dropped unstarted where nothing may unwind: corosensei aborts on a panic in that.
struct Body<F: FnOnce(Word)>(Option<F>);

impl<F: FnOnce(Word)> Body<F> {
    #[inline(always)]
    fn run(mut self, first: Word) {
        if let Some(body) = self.0.take() {
            body(first);
        }
    }
}

impl<F: FnOnce(Word)> Drop for Body<F> {
    fn drop(&mut self) {
        if let Some(body) = self.0.take() {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(body)));
            // The panic was printed when it began; what it carries may panic again when dropped.
            std::mem::forget(dropped);
        }
    }
}

impl Coroutine {
    /// Puts `body` on `stack`; it runs at the first [`resume`](Self::resume).
    ///
    /// `body` must not unwind: the switch has no unwinding path, so a panic that reaches it aborts the process.
    #[inline]
    pub(crate) fn new(
        stack: Stack,
        description: Description,
        body: impl FnOnce() + 'static,
    ) -> Self {
        // SAFETY: the body is 'static.
        unsafe { Self::with_word(stack, description, |_| body()) }
    }

    /// As [`new`](Self::new), for a body that borrows and takes what the first resume passes.
    ///
    /// # Safety
    /// What the body borrows stays borrowable until it has returned or the coroutine, unstarted, was dropped.
    #[inline]
    unsafe fn with_word(stack: Stack, description: Description, body: impl FnOnce(Word)) -> Self {
        let span = StackSpan::below_control(&stack);
        let control = span.control();
        let body = Body(Some(body));
        let on_stack = move |yielder: &RawYielder, first: Word| {
            // SAFETY: the control block was written below before the first resume and outlives the body.
            unsafe { (*control.as_ptr()).set_yielder(yielder) };
            set_switching(false);
            body.run(first);
            set_switching(true);
        };
        // SAFETY: the caller answers for what the body borrows; nothing else in the closure has a lifetime.
        let raw = unsafe { Raw::with_stack_unchecked(span, on_stack) };
        // SAFETY: `below_control` reserved room for an aligned control block above corosensei's base, inside the
        // stack that we own, so nothing else lives there.
        unsafe { control.as_ptr().write(Control::new(raw, description, stack)) };
        Self { control }
    }

    /// The coroutine of a control block that [`control`](Self::control) gave, whose own value was forgotten.
    ///
    /// # Safety
    /// `control` belongs to a coroutine of this OS thread, and no other `Coroutine` value for it is used again.
    #[inline]
    pub(crate) unsafe fn from_control(control: NonNull<Control>) -> Self {
        Self { control }
    }

    /// Runs the body until it suspends or returns.
    ///
    /// # Errors
    /// [`NotSuspended`] where it is running already or has finished.
    #[cfg(test)]
    pub(crate) fn resume(&self) -> Result<Progress, NotSuspended> {
        // SAFETY: a `Coroutine` owns its control block, which stays valid until the value is dropped or forgotten.
        unsafe { resume(self.control, NOTHING) }.map(|(progress, _)| progress)
    }

    /// Where its control block is; valid until the coroutine is dropped.
    #[inline]
    pub(crate) fn control(&self) -> NonNull<Control> {
        self.control
    }

    /// Whether the body has begun.
    pub(crate) fn is_started(&self) -> bool {
        // SAFETY: we own the control block; the shared reference ends before anything else happens.
        unsafe { self.control.as_ref() }.is_started()
    }

    /// Whether the body has returned.
    #[cfg(test)]
    fn is_finished(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.control.as_ref() }.is_finished()
    }

    /// Whether no frame of the body is on the stack: it has not begun, or it has returned.
    pub(crate) fn is_disposable(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.control.as_ref() }.is_disposable()
    }

    /// Whether this is the innermost coroutine running on the OS thread: the only one that [`suspend`] suspends.
    #[cfg(test)]
    pub(crate) fn is_current(&self) -> bool {
        std::ptr::eq(current(), self.control.as_ptr())
    }

    /// A name for it that can be copied, for those who suspend it.
    #[inline(always)]
    pub(crate) fn this(&self) -> This {
        This::new(self.control.as_ptr())
    }
}

impl Coroutine {
    /// Drops it; always inlined.
    #[inline(always)]
    pub(crate) fn dispose(self) {
        ManuallyDrop::new(self).take_off();
    }

    #[inline(always)]
    fn take_off(&mut self) {
        // SAFETY: we own the control block. `take` is sound in the states that `is_disposable` names: no frame of the
        // body is on the stack, and after this nobody uses the block, since its owner is gone.
        unsafe {
            if self.control.as_ref().is_disposable() {
                Control::take(self.control).release();
            }
        }
    }
}

impl Drop for Coroutine {
    fn drop(&mut self) {
        self.take_off();
    }
}

/// Resumes the coroutine of a control block.
///
/// # Safety
/// `control` belongs to a coroutine that was made on this OS thread and whose control block is still valid.
#[inline(always)]
unsafe fn resume(control: NonNull<Control>, word: Word) -> Result<(Progress, Word), NotSuspended> {
    let at = control.as_ptr();
    // SAFETY: as the caller promises.
    unsafe {
        if (*at).is_running_or_finished() {
            return Err(NotSuspended);
        }
        resume_suspended(control, word).ok_or(NotSuspended)
    }
}

/// As [`resume`], not checked. `None` where it must not be resumed any more: its frames may be inside of thread-locals that
/// are gone.
///
/// # Safety
/// As there, and the coroutine is suspended.
#[inline(always)]
unsafe fn resume_suspended(control: NonNull<Control>, word: Word) -> Option<(Progress, Word)> {
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
unsafe fn switch_to(at: *mut Control, word: Word) -> (Progress, Word) {
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

/// Installs the report of stack overflows, once for the process.
///
/// # Errors
/// What the system said of the handler; memory stays guarded without it.
pub(crate) fn install_overflow_report() -> std::io::Result<()> {
    crate::stack::overflow::install(|size, top| {
        let write = crate::sys::signal::write_stderr;
        write(b"\n");
        // SAFETY: the fault is in this stack's guard, so code on this OS thread is running on it: its coroutine.
        unsafe { Control::describe(top, &mut |piece| write(piece)) };
        write(b" has overflowed its stack of ");
        crate::util::decimal::write_decimal(size as u64, &mut |piece| write(piece));
        write(b" bytes.\nWhat needs more is given it by `stack_size` of `greenthread::Builder`, or of `Runtime::builder()` for all of a \
            runtime's; generators and greenlets by `with_stack_size`.\n");
    })
}

/// [`install_overflow_report`] at the first call, cheap at later ones; without a report if that fails.
#[inline(always)]
pub(crate) fn ensure_overflow_report() {
    static DONE: std::sync::Once = std::sync::Once::new();
    if !DONE.is_completed() {
        DONE.call_once(|| drop(install_overflow_report()));
    }
}

/// Asks for the cache lines that a `resume` of this coroutine will touch first.
#[inline(always)]
pub(crate) fn prefetch_resume(control: NonNull<Control>) {
    let at = control.as_ptr().cast::<u8>();
    prefetch(at);
    prefetch(at.wrapping_sub(128));
    prefetch(at.wrapping_sub(192));
}

/// Asks for all that is on the stack of a coroutine which is suspended in a shallow call: a sleep, say.
#[inline(always)]
pub(crate) fn prefetch_stack(control: NonNull<Control>) {
    let end = control.as_ptr().cast::<u8>().wrapping_add(64);
    (0..=SHALLOW).for_each(|line| prefetch(end.wrapping_sub(64 * line)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::StackSize;
    use std::cell::Cell;
    use std::rc::Rc;

    fn stack() -> Stack {
        Stack::acquire(StackSize::default()).unwrap()
    }

    fn coroutine(body: impl FnOnce() + 'static) -> Coroutine {
        Coroutine::new(stack(), Description::NONE, body)
    }

    #[test]
    fn switches_and_finishes() {
        let log = Rc::new(Cell::new(0));
        let inner = Rc::clone(&log);
        let co = coroutine(move || {
            inner.set(1);
            suspend();
            inner.set(2);
        });
        assert!(!co.is_started());
        assert_eq!(co.resume(), Ok(Progress::Suspended));
        assert_eq!((log.get(), co.is_started(), co.is_finished()), (1, true, false));
        assert_eq!(co.resume(), Ok(Progress::Finished));
        assert_eq!((log.get(), co.is_finished()), (2, true));
        assert_eq!(co.resume(), Err(NotSuspended));
        assert_eq!(Rc::strong_count(&log), 1);
    }

    #[test]
    fn an_unstarted_body_is_dropped_and_its_stack_reused() {
        let value = Rc::new(());
        let held = Rc::clone(&value);
        let co = coroutine(move || drop(held));
        let control = co.control();
        drop(co);
        assert_eq!(Rc::strong_count(&value), 1);
        assert_eq!(coroutine(|| ()).control(), control);
    }

    #[test]
    fn a_suspended_one_is_leaked_not_freed() {
        let value = Rc::new(());
        let held = Rc::clone(&value);
        let co = coroutine(move || {
            suspend();
            drop(held);
        });
        co.resume().unwrap();
        let control = co.control();
        drop(co);
        assert_eq!(Rc::strong_count(&value), 2);
        assert_ne!(coroutine(|| ()).control(), control);
    }

    #[test]
    fn resuming_a_running_one_is_refused() {
        let slot: Rc<Cell<Option<Rc<Coroutine>>>> = Rc::default();
        let inner = Rc::clone(&slot);
        let co = Rc::new(coroutine(move || {
            let me = inner.take().unwrap();
            assert!(me.is_current());
            assert_eq!(me.resume(), Err(NotSuspended));
            let nested = coroutine(move || assert_eq!(me.resume(), Err(NotSuspended)));
            assert_eq!(nested.resume(), Ok(Progress::Finished));
        }));
        slot.set(Some(Rc::clone(&co)));
        assert_eq!(co.resume(), Ok(Progress::Finished));
        assert!(current().is_null());
    }

    #[test]
    fn an_outer_one_suspends_with_those_inside_it() {
        let outer = coroutine(|| {
            let me = This::innermost();
            let nested = coroutine(move || {
                me.suspend_with_inner().unwrap();
                suspend();
            });
            assert_eq!(nested.resume(), Ok(Progress::Suspended));
            assert_eq!(nested.resume(), Ok(Progress::Finished));
        });
        assert_eq!(outer.resume(), Ok(Progress::Suspended));
        assert!(current().is_null());
        assert_eq!(outer.resume(), Ok(Progress::Finished));
    }

    #[test]
    #[cfg(not(greenthread_sanitizer))]
    fn control_block_layout() {
        let co = coroutine(|| ());
        let at = co.control().as_ptr() as usize;
        assert_eq!(at % 64, 16, "the hot half shares its line with the parent link just below");
        assert!(size_of::<Control>() <= 176, "three lines with the parent link");
    }
}
