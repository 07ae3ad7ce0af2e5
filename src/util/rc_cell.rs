//! A place for a shared reference which can be read without taking it out.

use std::cell::UnsafeCell;
use std::rc::Rc;

/// Like `Cell<Option<Rc<T>>>`, but with a `get`.
pub(crate) struct RcCell<T>(UnsafeCell<Option<Rc<T>>>);

impl<T> std::fmt::Debug for RcCell<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RcCell").finish_non_exhaustive()
    }
}

impl<T> RcCell<T> {
    pub(crate) const fn new(value: Option<Rc<T>>) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Option<Rc<T>> {
        // SAFETY: cloning an `Rc` runs no foreign code, and the cell is not `Sync`: nobody else has a reference to the
        // content now.
        unsafe { (*self.0.get()).clone() }
    }

    #[inline(always)]
    pub(crate) fn replace(&self, value: Option<Rc<T>>) -> Option<Rc<T>> {
        // SAFETY: this moves and drops nothing, so nobody else has a reference to the content now.
        unsafe { std::mem::replace(&mut *self.0.get(), value) }
    }

    #[inline(always)]
    pub(crate) fn take(&self) -> Option<Rc<T>> {
        self.replace(None)
    }

    /// The old value is dropped when the new one is in place.
    #[inline(always)]
    pub(crate) fn set(&self, value: Option<Rc<T>>) {
        drop(self.replace(value));
    }

    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        // SAFETY: as in `get`.
        unsafe { (*self.0.get()).is_none() }
    }

    #[inline(always)]
    pub(crate) fn is(&self, value: &Rc<T>) -> bool {
        // SAFETY: as in `get`.
        unsafe { (*self.0.get()).as_ref() }.is_some_and(|held| Rc::ptr_eq(held, value))
    }
}
