//! Stack switching: corosensei behind one small face.
//!
//! Invariant: a coroutine runs on the OS thread that made it, is resumed only while it is suspended, and its stack is
//! given back only when no live frame can be on it.
//!
//! ```text
//!             stack top (64-byte aligned)
//!   +--------------------------------+
//!   | cold half of `Control` (64 B)  |  owner, description, the stack itself
//!   +--------------------------------+
//!   | hot half of `Control` (48 B)   |  saved stack pointer, yielder        } one cache
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

mod control;

pub(crate) use control::{Control, Description};

use crate::stack::Stack;
use crate::sys::prefetch::prefetch;
use control::StackSpan;
use corosensei::{Coroutine as Raw, CoroutineResult, Yielder};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// What [`Coroutine::resume`] came back from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The body suspended itself.
    Suspended,
    /// The body returned; the coroutine cannot be resumed again.
    Finished,
}

/// The coroutine cannot be resumed: it runs already (perhaps below the caller), or it has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSuspended;

/// A body with a stack of its own.
///
/// Dropping it: a body that never ran is dropped, a finished one leaves its stack to the next, a suspended or running
/// one is *leaked*, because its frames may be borrowed from elsewhere. Whoever wants it unwound makes it finish first.
#[derive(Debug)]
pub(crate) struct Coroutine {
    control: NonNull<Control>,
}

thread_local! {
    /// The innermost coroutine running on this OS thread, null outside all of them.
    static CURRENT: Cell<*const Control> = const { Cell::new(ptr::null()) };
}

/// The cell of this OS thread. Out of line, so that no compiler keeps the address of a thread-local across a switch.
#[inline(never)]
fn current_cell() -> *const Cell<*const Control> {
    CURRENT.with(ptr::from_ref)
}

/// The innermost running coroutine, null outside all of them.
#[inline(always)]
pub(crate) fn current() -> *const Control {
    // SAFETY: the pointer is to a thread-local without a destructor, so it is valid while its thread runs, and the
    // read is over before anything could switch.
    unsafe { (*current_cell()).get() }
}

#[inline(always)]
fn set_current(control: *const Control) -> *const Control {
    // SAFETY: as in `current`.
    unsafe { (*current_cell()).replace(control) }
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
        let span = StackSpan::below_control(&stack);
        let control = span.control();
        let raw = Raw::with_stack(span, move |yielder: &Yielder<(), ()>, ()| {
            // SAFETY: the control block was written below before the first resume and outlives the body.
            unsafe { (*control.as_ptr()).set_yielder(yielder) };
            body();
        });
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
    #[inline]
    pub(crate) fn resume(&self) -> Result<Progress, NotSuspended> {
        // SAFETY: a `Coroutine` owns its control block, which stays valid until the value is dropped or forgotten.
        unsafe { resume(self.control) }
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
    pub(crate) fn is_finished(&self) -> bool {
        // SAFETY: as above.
        unsafe { self.control.as_ref() }.is_finished()
    }

    /// Whether this is the innermost coroutine running on the OS thread: the only one that [`suspend`] suspends.
    pub(crate) fn is_current(&self) -> bool {
        ptr::eq(current(), self.control.as_ptr())
    }
}

impl Drop for Coroutine {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: we own the control block. `take` is sound in the states that `is_disposable` names: no frame of the
        // body is on the stack, and after this nobody uses the block, since its owner is gone.
        unsafe {
            if self.control.as_ref().is_disposable() {
                drop(Control::take(self.control));
            }
        }
    }
}

/// Resumes the coroutine of a control block.
///
/// # Safety
/// `control` belongs to a coroutine that was made on this OS thread and whose control block is still valid.
#[inline]
pub(crate) unsafe fn resume(control: NonNull<Control>) -> Result<Progress, NotSuspended> {
    let at = control.as_ptr();
    // SAFETY: the block is valid. `raw` is touched through the raw pointer only, by `resume` alone; the check below it
    // excludes a second `resume` of a coroutine that is running, so the mutable borrow is unique.
    unsafe {
        if (*at).is_running_or_finished() {
            return Err(NotSuspended);
        }
        let resumer = set_current(at);
        let progress = switch_to(at);
        set_current(resumer);
        Ok(progress)
    }
}

/// # Safety
/// The block is valid, its coroutine is suspended, and this is its OS thread.
#[inline(always)]
unsafe fn switch_to(at: *mut Control) -> Progress {
    // SAFETY: the coroutine is suspended, so nobody else uses `raw`.
    match unsafe { (*at).raw().resume(()) } {
        CoroutineResult::Yield(()) => Progress::Suspended,
        CoroutineResult::Return(()) => {
            // SAFETY: the block is valid until its owner takes it.
            unsafe { (*at).set_finished() };
            Progress::Finished
        }
    }
}

/// Suspends the innermost running coroutine; its `resume` returns [`Progress::Suspended`].
///
/// # Panics
/// Outside all coroutines.
#[inline]
pub(crate) fn suspend() {
    let control = current();
    assert!(!control.is_null(), "suspend outside a coroutine");
    // SAFETY: `current` is the innermost running coroutine of this OS thread, so its frames are the topmost ones, and
    // its parent link is that of the `resume` which waits for it.
    unsafe { (*control).yielder().suspend(()) };
}

/// The place where this OS thread keeps its innermost running coroutine, for those who look there often.
///
/// `!Send`: it belongs to its OS thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Innermost(*const Cell<*const Control>);

impl Innermost {
    pub(crate) fn of_this_thread() -> Self {
        Self(current_cell())
    }

    #[inline(always)]
    fn cell(&self) -> &Cell<*const Control> {
        // SAFETY: a thread-local without a destructor is valid while its thread runs, and the value stays on it.
        unsafe { &*self.0 }
    }

    /// Like [`resume`], for a caller outside all coroutines who resumes many: it calls [`leave`](Self::leave) after the
    /// last.
    ///
    /// # Safety
    /// As for [`resume`]; and the coroutine is suspended.
    #[inline(always)]
    pub(crate) unsafe fn resume_root(&self, control: NonNull<Control>) -> Progress {
        self.cell().set(control.as_ptr());
        // SAFETY: as the caller promises.
        unsafe { switch_to(control.as_ptr()) }
    }

    /// Ends a series of [`resume_root`](Self::resume_root)s: the OS thread is outside all coroutines again.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        self.cell().set(ptr::null());
    }

    /// Suspends a coroutine that may have resumed others, which run inside it now; they go to sleep together with it.
    ///
    /// Inlined with all that is between it and the user's code where that is hot (a yield): the processor predicts returns
    /// by the nesting of calls, so each function that a resumed coroutine returns from costs a misprediction.
    ///
    /// # Safety
    /// `control` belongs to a coroutine that is running on this OS thread, in the chain of resumes that leads to the
    /// caller, and whose outermost was resumed by [`resume_root`](Self::resume_root).
    #[inline(always)]
    pub(crate) unsafe fn suspend_outer(&self, control: NonNull<Control>) {
        let innermost = self.cell().get();
        // SAFETY: as the caller promises, a `resume` of this coroutine is waiting below on this OS thread. Everything
        // above it, nested coroutines included, keeps its frames until the coroutine is resumed.
        unsafe { (*control.as_ptr()).yielder().suspend(()) };
        // `resume_root` has set the coroutine itself.
        if !ptr::eq(innermost, control.as_ptr()) {
            self.cell().set(innermost);
        }
    }
}

/// Installs the report of stack overflows, once for the process.
///
/// # Errors
/// What the system said of the handler; memory stays guarded without it.
pub(crate) fn install_overflow_report() -> std::io::Result<()> {
    crate::stack::overflow::install(|_limit, top| {
        let write = crate::sys::signal::write_stderr;
        write(b"\n");
        // SAFETY: the fault is in this stack's guard, so code on this OS thread is running on it: its coroutine.
        unsafe { Control::describe(top, &mut |piece| write(piece)) };
        write(b" has overflowed its stack\n");
    })
}

/// Asks for the cache lines that a `resume` of this coroutine will touch first.
#[inline(always)]
pub(crate) fn prefetch_resume(control: NonNull<Control>) {
    let at = control.as_ptr().cast::<u8>();
    prefetch(at);
    prefetch(at.wrapping_sub(128));
    prefetch(at.wrapping_sub(192));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::StackSize;
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
            let me = NonNull::new(current().cast_mut()).unwrap();
            let nested = coroutine(move || {
                // SAFETY: `me` is running: it has resumed this coroutine.
                unsafe { Innermost::of_this_thread().suspend_outer(me) };
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
    fn control_block_layout() {
        let co = coroutine(|| ());
        let at = co.control().as_ptr() as usize;
        assert_eq!(at % 64, 16, "the hot half shares its line with the parent link just below");
        assert!(size_of::<Control>() <= 112, "two lines with the parent link");
    }
}
