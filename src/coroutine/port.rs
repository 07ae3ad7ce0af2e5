//! A coroutine that passes a value with each switch.
//!
//! What passes in a register is a pointer to the value, which lies in the frame of the one who switches; the other moves
//! it out before anything else happens. Null says that there is no value.

use super::{Coroutine, Description, Progress, Refused, This};
use crate::stack::Stack;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::{self, NonNull};

/// What goes through the switch.
pub(super) type Word = *const ();

/// No value.
pub(super) const NOTHING: Word = ptr::null();

/// A coroutine that suspends itself with a `Y` and is resumed with an `S`.
pub(crate) struct Port<Y, S> {
    coroutine: Coroutine,
    types: PhantomData<fn(S) -> Y>,
    not_send: PhantomData<*mut ()>,
}

/// What the body of a [`Port`] suspends itself through; there is one for each.
pub(crate) struct Suspender<Y, S> {
    this: This,
    types: PhantomData<fn(Y) -> S>,
    not_send: PhantomData<*mut ()>,
}

/// # Safety
/// The word is null or the address of a `T` that may be moved out, and nobody else does.
#[inline(always)]
unsafe fn take<T>(word: Word) -> Option<T> {
    // SAFETY: as the caller promises.
    NonNull::new(word.cast_mut()).map(|at| unsafe { at.cast::<T>().read() })
}

impl<Y, S> Deref for Port<Y, S> {
    type Target = Coroutine;

    /// Resumed as a coroutine it passes no value, and one from the body is leaked.
    #[inline(always)]
    fn deref(&self) -> &Coroutine {
        &self.coroutine
    }
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

    /// As [`new`](Self::new), for a body that borrows.
    ///
    /// # Safety
    /// What the body borrows stays borrowable until it has returned or the coroutine, unstarted, was dropped.
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
        Self { coroutine, types: PhantomData, not_send: PhantomData }
    }

    /// Runs the body with `input` until it suspends or returns; the item that it suspends with. `None` where it returns,
    /// was running already or finished, or suspends in another way than by its suspender.
    #[inline(always)]
    pub(crate) fn resume(&self, input: S) -> Option<Y> {
        if self.coroutine.is_running_or_finished() {
            return None;
        }
        let input = MaybeUninit::new(input);
        self.pass(input.as_ptr().cast())
    }

    /// As [`resume`](Self::resume), without a value.
    pub(crate) fn resume_with_nothing(&self) -> Option<Y> {
        self.pass(NOTHING)
    }

    #[inline(always)]
    fn pass(&self, input: Word) -> Option<Y> {
        // SAFETY: a `Coroutine` owns its control block, which stays valid until the value is dropped or forgotten.
        match unsafe { super::resume(self.coroutine.control(), input) } {
            // SAFETY: a word that is not null comes from the one `Suspender` of this coroutine, so with the same `Y`. It
            // points into the frame of a `suspend` that waits and leaves the value to us.
            Ok((Progress::Suspended, word)) => unsafe { take::<Y>(word) },
            Ok((Progress::Finished, _)) | Err(_) => None,
        }
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
        let control = self.this.innermost_open()?;
        let item = MaybeUninit::new(item);
        // SAFETY: `innermost_open` has checked that it is the innermost running coroutine, so its body has not
        // returned, the yielder is valid, and its frames are the topmost ones. The one who resumes it takes the item from
        // this frame before it does anything else.
        let word = unsafe { (*control).yielder().suspend(item.as_ptr().cast()) };
        // SAFETY: a word that is not null comes from `Port::resume` of the same port, which leaves the value to us.
        Ok(unsafe { take::<S>(word) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::StackSize;
    use std::rc::Rc;

    #[test]
    fn values_pass_both_ways_and_are_dropped_once() {
        let stack = Stack::acquire(StackSize::default()).unwrap();
        let value = Rc::new(());
        let port = Port::<Rc<()>, Rc<()>>::new(stack, Description::NONE, |suspender, first| {
            let second = suspender.suspend(first.unwrap()).unwrap().unwrap();
            assert!(suspender.suspend(second).unwrap().is_none());
        });
        for _ in 0..2 {
            let item = port.resume(Rc::clone(&value)).unwrap();
            assert!(Rc::ptr_eq(&item, &value));
            drop(item);
            assert_eq!(Rc::strong_count(&value), 1);
        }
        assert!(port.resume_with_nothing().is_none() && port.is_finished());
        assert!(port.resume(Rc::clone(&value)).is_none());
        assert_eq!(Rc::strong_count(&value), 1);
    }
}
