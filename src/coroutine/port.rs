//! A coroutine that passes a value with each switch.
//!
//! What passes in a register is a pointer to the value, which lies in the frame of the side that switches; the other
//! side moves it out before anything else happens. A null pointer may be passed to the body, and means that there is no
//! value.

use super::closing::closing;
use super::{Control, Coroutine, Description, Progress, Refused, This};
use crate::stack::Stack;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// What is passed through the switch.
pub(super) type Word = *const ();

/// The word for no value.
pub(super) const NOTHING: Word = ptr::null();

/// A coroutine that suspends itself with a `Y` and is resumed with an `S`.
///
/// Only its [`Suspender`] suspends it, so that there is always a `Y`: nobody is given the coroutine, or a name for it.
/// And resuming it borrows it mutably, so it never runs when it is to be resumed.
pub(crate) struct Port<Y, S> {
    /// `None` when the body has returned. Until then it is suspended, except while the port is borrowed for a resume.
    coroutine: Option<Coroutine>,
    types: PhantomData<fn(S) -> Y>,
    not_send: PhantomData<*mut ()>,
}

/// A reference to a [`Port`] that cannot be used to move the port away.
pub(crate) struct PortMut<'a, Y, S>(&'a mut Port<Y, S>);

/// What the body of a [`Port`] uses to suspend itself. There is one for each port.
///
/// It lies in frames of the body, so the coroutine's control block is valid while it is there.
pub(crate) struct Suspender<Y, S> {
    this: This,
    types: PhantomData<fn(Y) -> S>,
    not_send: PhantomData<*mut ()>,
}

/// # Safety
/// The word is null or the address of a `T` that may be moved out, and nobody else does so.
#[inline(always)]
unsafe fn take<T>(word: Word) -> Option<T> {
    // SAFETY: as the caller promises.
    NonNull::new(word.cast_mut()).map(|at| unsafe { at.cast::<T>().read() })
}

impl<Y, S> Port<Y, S> {
    /// As [`Coroutine::new`]. `body` gets what the first resume passes.
    #[inline]
    pub(crate) fn new(
        stack: Stack,
        description: Description,
        body: impl FnOnce(Suspender<Y, S>, Option<S>) + 'static,
    ) -> Self {
        // SAFETY: the body is 'static.
        unsafe { Self::borrowing(stack, description, body) }
    }

    /// Like [`new`](Self::new), for a body that borrows.
    ///
    /// # Safety
    /// What the body borrows stays valid until the body has returned, or the coroutine was dropped without having run.
    #[inline]
    pub(super) unsafe fn borrowing(
        stack: Stack,
        description: Description,
        body: impl FnOnce(Suspender<Y, S>, Option<S>),
    ) -> Self {
        let body = |word| {
            let this = This::innermost();
            let suspender = Suspender { this, types: PhantomData, not_send: PhantomData };
            // SAFETY: a word that is not null comes from `resume` below, of the same port and so the same `S`, which
            // leaves the value to us.
            let first = unsafe { take::<S>(word) };
            body(suspender, first);
        };
        // SAFETY: as the caller promises.
        let coroutine = unsafe { Coroutine::with_word(stack, description, body) };
        Self { coroutine: Some(coroutine), types: PhantomData, not_send: PhantomData }
    }

    /// Takes it out, and leaves a port whose body has ended.
    pub(crate) fn take(&mut self) -> Self {
        Self { coroutine: self.coroutine.take(), types: PhantomData, not_send: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn as_mut(&mut self) -> PortMut<'_, Y, S> {
        PortMut(self)
    }

    /// Whether the body has begun.
    pub(crate) fn is_started(&self) -> bool {
        self.coroutine.as_ref().is_none_or(Coroutine::is_started)
    }

    /// Whether the body has returned.
    #[inline(always)]
    pub(crate) fn is_finished(&self) -> bool {
        self.coroutine.is_none()
    }

    /// Whether no frame of the body exists: it has not begun, or it has returned.
    pub(crate) fn is_disposable(&self) -> bool {
        self.coroutine.as_ref().is_none_or(Coroutine::is_disposable)
    }

    /// Gives the stack back.
    #[cold]
    #[inline(never)]
    fn finished(&mut self) {
        self.coroutine = None;
    }
}

impl<Y, S> PortMut<'_, Y, S> {
    /// Runs the body with `input` until it suspends or returns. Returns the item with which it suspends, or `None` if
    /// it returns or has returned.
    #[inline(always)]
    pub(crate) fn resume(&mut self, input: S) -> Option<Y> {
        let control = self.0.coroutine.as_ref()?.control();
        let input = MaybeUninit::new(input);
        self.pass(control, input.as_ptr().cast())
    }

    /// Like [`resume`](Self::resume), without a value.
    pub(crate) fn resume_with_nothing(&mut self) -> Option<Y> {
        let control = self.0.coroutine.as_ref()?.control();
        self.pass(control, NOTHING)
    }

    /// Like [`resume_with_nothing`](Self::resume_with_nothing), for a body that has begun and will unwind to its end.
    pub(crate) fn close(&mut self) -> Option<Y> {
        let control = self.0.coroutine.as_ref()?.control();
        closing(control, || self.resume_with_nothing())
    }

    #[inline(always)]
    fn pass(&mut self, control: NonNull<Control>, input: Word) -> Option<Y> {
        // SAFETY: the coroutine is the port's, of this OS thread, and its control block is valid. It does not run: the one
        // who resumed it would have borrowed the port until now. It has not returned: it would have been taken out below.
        match unsafe { super::resuming::resume_suspended(control, input) } {
            // SAFETY: the word comes from the one `Suspender` of this coroutine, so with the same `Y`. It points into the
            // frame of a `suspend` that waits and leaves the value to us.
            Some((Progress::Suspended, word)) => Some(unsafe { word.cast::<Y>().read() }),
            // A coroutine that cannot be resumed is leaked.
            Some((Progress::Finished, _)) | None => {
                self.0.finished();
                None
            }
        }
    }

    /// As [`Port::is_started`].
    pub(crate) fn is_started(&self) -> bool {
        self.0.is_started()
    }

    /// As [`Port::is_finished`].
    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// As [`Port::is_disposable`].
    pub(crate) fn is_disposable(&self) -> bool {
        self.0.is_disposable()
    }
}

impl<Y, S> Suspender<Y, S> {
    /// Suspends the coroutine, which must be the innermost one, with `item`. Returns what it is resumed with, if that
    /// is a value.
    ///
    /// # Errors
    /// See [`Refused`]; the item is dropped.
    #[inline(always)]
    pub(crate) fn suspend(&self, item: Y) -> Result<Option<S>, Refused> {
        // SAFETY: see the type for the control block; what suspends itself through this is no green thread.
        let control = unsafe { self.this.if_open()? };
        let item = MaybeUninit::new(item);
        // SAFETY: `if_open` has checked that it is the innermost running coroutine, so its body has not returned, the
        // yielder is valid, and its frames are the topmost ones. The one who resumes it takes the item from this frame
        // before it does anything else.
        let word = unsafe { (*control).suspend(item.as_ptr().cast()) };
        // SAFETY: a word that is not null comes from `Port::resume` of the same port, which leaves the value to us.
        Ok(unsafe { take::<S>(word) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{current, enter_no_switch_region, set_aside};
    use super::*;
    use crate::stack::StackSize;
    use std::cell::Cell;
    use std::rc::Rc;

    fn stack() -> Stack {
        Stack::acquire(StackSize::default()).unwrap()
    }

    #[test]
    fn an_open_region_is_seen_whatever_was_resumed_last() {
        let mut port = Port::<u32, ()>::new(stack(), Description::NONE, |suspender, _| {
            let refused = || assert_eq!(suspender.suspend(0), Err(Refused::OpenRegion));
            suspender.suspend(1).unwrap();
            let region = enter_no_switch_region();
            refused();
            let mut inner = Port::<u32, ()>::new(stack(), Description::NONE, |suspender, _| {
                suspender.suspend(2).unwrap();
                let region = enter_no_switch_region();
                assert_eq!(suspender.suspend(0), Err(Refused::OpenRegion));
                drop(region);
                suspender.suspend(3).unwrap();
            });
            assert_eq!(inner.as_mut().resume(()), Some(2));
            refused();
            assert_eq!(inner.as_mut().resume(()), Some(3));
            set_aside(|| assert!(current().is_null()));
            refused();
            assert_eq!(inner.as_mut().resume(()), None);
            refused();
            drop(region);
            suspender.suspend(4).unwrap();
        });
        assert_eq!(port.as_mut().resume(()), Some(1));
        assert_eq!(port.as_mut().resume(()), Some(4));
        assert_eq!(port.as_mut().resume(()), None);
        assert!(port.is_finished() && current().is_null());
    }

    #[test]
    fn a_suspended_one_is_not_suspended_again() {
        let seen = Rc::new(Cell::new(None));
        let out = Rc::clone(&seen);
        let mut port = Port::<u32, ()>::new(stack(), Description::NONE, move |suspender, _| {
            let suspender = Rc::new(suspender);
            out.set(Some(Rc::clone(&suspender)));
            suspender.suspend(1).unwrap();
        });
        assert_eq!(port.as_mut().resume(()), Some(1));
        // A library may do so that keeps a borrow in a thread-local while a function runs.
        let suspender = seen.take().unwrap();
        assert_eq!(suspender.suspend(2), Err(Refused::NotInnermost));
        drop(suspender);
        assert_eq!(port.as_mut().resume(()), None);
    }

    #[test]
    fn values_pass_both_ways_and_are_dropped_once() {
        let value = Rc::new(());
        let mut port =
            Port::<Rc<()>, Rc<()>>::new(stack(), Description::NONE, |suspender, first| {
                let second = suspender.suspend(first.unwrap()).unwrap().unwrap();
                assert!(suspender.suspend(second).unwrap().is_none());
            });
        for _ in 0..2 {
            let item = port.as_mut().resume(Rc::clone(&value)).unwrap();
            assert!(Rc::ptr_eq(&item, &value));
            drop(item);
            assert_eq!(Rc::strong_count(&value), 1);
        }
        assert!(port.as_mut().resume_with_nothing().is_none() && port.is_finished());
        assert!(port.as_mut().resume(Rc::clone(&value)).is_none());
        assert_eq!(Rc::strong_count(&value), 1);
    }
}
