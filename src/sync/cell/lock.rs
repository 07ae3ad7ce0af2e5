//! A [`RawMutex`] and what it protects.
//!
//! | state of the mutex | who may touch the data |
//! |---|---|
//! | free | whoever has the `LockCell` by value or by `&mut` |
//! | held | the owner of the one `LockCellGuard`, shared or exclusively, as it has the guard |

use super::mapped::PartGuard;
use crate::runtime::park::{Mark, Waiter};
use crate::runtime::wait_list::Key;
use crate::sync::raw_mutex::RawMutex;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::time::Instant;

pub(crate) struct LockCell<T: ?Sized> {
    raw: RawMutex,
    data: UnsafeCell<T>,
}

// SAFETY: guards give out the data to one thread at a time, so the lock is shared as the data may be sent.
unsafe impl<T: ?Sized + Send> Sync for LockCell<T> {}

// The types built on this decide what it means that a panic left the data half changed; most of them poison.
impl<T: ?Sized> UnwindSafe for LockCell<T> {}
impl<T: ?Sized> RefUnwindSafe for LockCell<T> {}

impl<T> LockCell<T> {
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self { raw: RawMutex::new(), data: UnsafeCell::new(value) }
    }

    pub(crate) fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> LockCell<T> {
    /// Waits for the mutex and takes it; `None` when the deadline has passed.
    #[inline(always)]
    pub(crate) fn lock(&self, deadline: Option<Instant>) -> Option<LockCellGuard<'_, T>> {
        self.raw.lock(deadline).then(|| LockCellGuard { lock: self, not_send: PhantomData })
    }

    #[inline(always)]
    pub(crate) fn try_lock(&self) -> Option<LockCellGuard<'_, T>> {
        self.raw.try_lock().then(|| LockCellGuard { lock: self, not_send: PhantomData })
    }

    /// See [`RawMutex::enter`].
    pub(crate) fn enter(&self, waiter: Waiter, woken: bool) -> Result<LockCellGuard<'_, T>, Key> {
        match self.raw.enter(waiter, woken) {
            None => Ok(LockCellGuard { lock: self, not_send: PhantomData }),
            Some(key) => Err(key),
        }
    }

    /// See [`RawMutex::pass_by`].
    pub(crate) fn pass_by(&self, key: Key) -> Option<LockCellGuard<'_, T>> {
        self.raw.pass_by(key).then(|| LockCellGuard { lock: self, not_send: PhantomData })
    }

    /// See [`RawMutex::mark`].
    pub(crate) fn mark(&self) -> Mark {
        self.raw.mark()
    }

    /// See [`RawMutex::give_up`].
    pub(crate) fn give_up(&self, key: Key) {
        self.raw.give_up(key);
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

/// Made only when the mutex has just been taken; dropping it gives the mutex back.
pub(crate) struct LockCellGuard<'a, T: ?Sized> {
    lock: &'a LockCell<T>,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out shared references to the data only.
unsafe impl<T: ?Sized + Sync> Sync for LockCellGuard<'_, T> {}

impl<'a, T: ?Sized> LockCellGuard<'a, T> {
    pub(crate) fn lock(&self) -> &'a LockCell<T> {
        self.lock
    }

    /// Makes a guard of a part of the data. `f` also returns what is to be kept beside the part; if it finds no part,
    /// the guard comes back.
    pub(crate) fn project<U: ?Sized, A, B>(
        mut self,
        f: impl FnOnce(&mut T) -> Result<(&mut U, A), B>,
    ) -> Result<(PartGuard<'a, RawMutex, U>, A), (Self, B)> {
        match f(&mut self).map(|(part, along)| (NonNull::from(part), along)) {
            Ok((part, along)) => {
                let lock = ManuallyDrop::new(self).lock;
                // SAFETY: the right is passed on, as `self` does not end it; what `f` returns lives within the data, or for ever.
                Ok((unsafe { PartGuard::new(&lock.raw, part) }, along))
            }
            Err(along) => Err((self, along)),
        }
    }
}

impl<T: ?Sized> Deref for LockCellGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so the mutex is held for it, and `&mut T` needs the guard by `&mut`.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> DerefMut for LockCellGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists, so the mutex is held for it, and the guard is borrowed exclusively.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for LockCellGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.lock.raw.unlock();
    }
}
