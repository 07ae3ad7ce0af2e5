//! A part of what a lock protects, with the lock held.
//!
//! Made from the guard of the whole, which it replaces: the lock is held once, and only the owner of this guard reaches
//! the part.

use crate::sync::raw_mutex::RawMutex;
use crate::sync::raw_rwlock::RawRwLock;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A lock that is held exclusively, and how it is given back.
pub(crate) trait Exclusive {
    fn end(&self);
}

impl Exclusive for RawMutex {
    #[inline]
    fn end(&self) {
        self.unlock();
    }
}

impl Exclusive for RawRwLock {
    #[inline]
    fn end(&self) {
        self.end_write();
    }
}

/// The exclusive right to a part, for as long as it lives.
///
/// It is a pointer, as a reference would have to stay valid until the destructor returns. It is `!Send`, as the other
/// guards are.
pub(crate) struct PartGuard<'a, R: Exclusive, T: ?Sized> {
    raw: &'a R,
    part: NonNull<T>,
    /// Invariant, as `&mut T` is.
    variance: PhantomData<&'a mut T>,
}

// SAFETY: a shared guard gives out shared references to the part only.
unsafe impl<R: Exclusive + Sync, T: ?Sized + Sync> Sync for PartGuard<'_, R, T> {}

impl<'a, R: Exclusive, T: ?Sized> PartGuard<'a, R, T> {
    /// # Safety
    /// The lock is held for the caller alone, and the caller passes that right on: only the new guard ends it. `part`
    /// is what that lock protects, or lies within it, and nobody else reaches it before the guard ends.
    pub(super) unsafe fn new(raw: &'a R, part: NonNull<T>) -> Self {
        Self { raw, part, variance: PhantomData }
    }

    /// Makes a guard of a part of the part. `f` also returns what is to be kept beside it; if it finds none, the guard
    /// comes back.
    pub(crate) fn project<U: ?Sized, A, B>(
        mut self,
        f: impl FnOnce(&mut T) -> Result<(&mut U, A), B>,
    ) -> Result<(PartGuard<'a, R, U>, A), (Self, B)> {
        match f(&mut self).map(|(part, along)| (NonNull::from(part), along)) {
            Ok((part, along)) => {
                let raw = ManuallyDrop::new(self).raw;
                // SAFETY: the right is passed on, as `self` does not end it; what `f` returns lives within what it was given, or
                // for ever.
                Ok((unsafe { PartGuard::new(raw, part) }, along))
            }
            Err(along) => Err((self, along)),
        }
    }
}

impl<R: Exclusive, T: ?Sized> Deref for PartGuard<'_, R, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so the lock is held for it alone, and `&mut T` needs the guard by `&mut`.
        unsafe { self.part.as_ref() }
    }
}

impl<R: Exclusive, T: ?Sized> DerefMut for PartGuard<'_, R, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists, so the lock is held for it alone, and the guard is borrowed exclusively.
        unsafe { self.part.as_mut() }
    }
}

impl<R: Exclusive, T: ?Sized> Drop for PartGuard<'_, R, T> {
    #[inline]
    fn drop(&mut self) {
        self.raw.end();
    }
}
