//! A coroutine, as its owner has it.

use super::This;
use super::control::{Control, Description, RawYielder, StackSpan};
#[cfg(test)]
use super::port::NOTHING;
use super::port::Word;
#[cfg(test)]
use super::resuming::resume;
#[cfg(test)]
use super::running::current;
use super::switching::set_switching;
use crate::stack::Stack;
use corosensei::Coroutine as Raw;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// How a resume of a coroutine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The body suspended itself.
    Suspended,
    /// The body returned; the coroutine cannot be resumed again.
    Finished,
}

/// The coroutine cannot be resumed: it runs already (perhaps the caller is inside of it), it has finished, or its
/// frames may be inside of thread-locals that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotSuspended;

/// A body with a stack of its own.
///
/// When it is dropped, a body that never ran is dropped too (a panic in that is swallowed); a finished one leaves its
/// stack to the next; a suspended or running one is *leaked*, because its frames may be borrowed from elsewhere.
/// Whoever wants those unwound makes it finish first.
#[derive(Debug)]
pub(crate) struct Coroutine {
    control: NonNull<Control>,
}

/// A body that may be dropped without having run where nothing may unwind, as corosensei aborts on a panic in that.
struct DroppableBody<F: FnOnce(Word)>(Option<F>);

impl<F: FnOnce(Word)> DroppableBody<F> {
    #[inline(always)]
    fn run(mut self, first: Word) {
        if let Some(body) = self.0.take() {
            body(first);
        }
    }
}

impl<F: FnOnce(Word)> Drop for DroppableBody<F> {
    fn drop(&mut self) {
        if let Some(body) = self.0.take() {
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(body)));
            // The panic was printed when it began; what it carries may panic again when dropped.
            std::mem::forget(dropped);
        }
    }
}

impl Coroutine {
    /// Puts `body` on `stack`; it runs at the first resume.
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

    /// Like [`new`](Self::new), for a body that may borrow and takes what the first resume passes.
    ///
    /// # Safety
    /// What the body borrows stays valid until the body has returned, or the coroutine was dropped without having run.
    #[inline]
    pub(super) unsafe fn with_word(
        stack: Stack,
        description: Description,
        body: impl FnOnce(Word),
    ) -> Self {
        let span = StackSpan::below_control(&stack);
        let control = span.control();
        let body = DroppableBody(Some(body));
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

    /// Makes the coroutine of a control block that [`control`](Self::control) returned, and whose own value was
    /// forgotten.
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
    /// [`NotSuspended`] if it runs already, has finished, or must not go on.
    #[cfg(test)]
    pub(crate) fn resume(&self) -> Result<Progress, NotSuspended> {
        // SAFETY: a `Coroutine` owns its control block, which stays valid until the value is dropped or forgotten.
        unsafe { resume(self.control, NOTHING) }.map(|(progress, _)| progress)
    }

    /// The address of its control block, which is valid until the coroutine is dropped.
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
    pub(super) fn is_finished(&self) -> bool {
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

    /// A name for it that can be copied, for those who will suspend it.
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
    pub(super) fn take_off(&mut self) {
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

#[cfg(test)]
mod tests {
    use super::super::suspend;
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
    fn the_control_block_shares_its_line_with_the_parent_link() {
        let co = coroutine(|| ());
        let at = co.control().as_ptr() as usize;
        assert_eq!(at % 64, 16, "the hot half shares its line with the parent link just below");
        assert!(size_of::<Control>() <= 176, "three lines with the parent link");
    }
}
