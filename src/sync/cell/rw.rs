//! A [`RawRwLock`] and what it protects.
//!
//! | state of the lock | who may touch the data |
//! |---|---|
//! | free | whoever has the `RwCell` by value or by `&mut` |
//! | read | the owners of `ReadGuard`s, by `&T` |
//! | written | the owner of the one `WriteGuard`, shared or exclusively, as it has the guard |

use super::mapped::PartGuard;
use crate::sync::raw_rwlock::RawRwLock;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::time::Instant;

pub(crate) struct RwCell<T: ?Sized> {
    raw: RawRwLock,
    data: UnsafeCell<T>,
}

// SAFETY: readers share the data between threads, a writer has it to itself on whatever thread.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwCell<T> {}

// The types built on this decide what it means that a panic left the data half changed; most of them poison.
impl<T: ?Sized> UnwindSafe for RwCell<T> {}
impl<T: ?Sized> RefUnwindSafe for RwCell<T> {}

impl<T> RwCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { raw: RawRwLock::new(), data: UnsafeCell::new(value) }
    }

    pub(crate) fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> RwCell<T> {
    /// Waits until the data may be read; `None` when the deadline has passed.
    #[inline]
    pub(crate) fn read(&self, deadline: Option<Instant>) -> Option<ReadGuard<'_, T>> {
        self.raw.read(deadline).then(|| ReadGuard::new(self))
    }

    #[inline]
    pub(crate) fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        self.raw.try_read().then(|| ReadGuard::new(self))
    }

    /// Waits until the data may be changed; `None` when the deadline has passed.
    #[inline]
    pub(crate) fn write(&self, deadline: Option<Instant>) -> Option<WriteGuard<'_, T>> {
        self.raw.write(deadline).then(|| WriteGuard { cell: self, not_send: PhantomData })
    }

    #[inline]
    pub(crate) fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        self.raw.try_write().then(|| WriteGuard { cell: self, not_send: PhantomData })
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

/// Made only when the lock has just been taken for reading; dropping it gives the lock back.
///
/// It holds a pointer, as a reference would have to stay valid until the guard's destructor returns. The pointer makes
/// the guard covariant, as std's is, and `!Send`.
pub(crate) struct ReadGuard<'a, T: ?Sized> {
    raw: &'a RawRwLock,
    data: NonNull<T>,
}

// SAFETY: a shared guard gives out shared references to the data only.
unsafe impl<T: ?Sized + Sync> Sync for ReadGuard<'_, T> {}

impl<'a, T: ?Sized> ReadGuard<'a, T> {
    fn new(cell: &'a RwCell<T>) -> Self {
        // SAFETY: the address of a field is not null.
        let data = unsafe { NonNull::new_unchecked(cell.data.get()) };
        Self { raw: &cell.raw, data }
    }

    /// Makes a guard of a part of the data. If `f` finds none, the guard comes back.
    pub(crate) fn project<U: ?Sized>(
        self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<ReadGuard<'a, U>, Self> {
        match f(&self).map(NonNull::from) {
            // The right to read is passed on, as `self` does not end it; what `f` returns lives within the data, or for ever.
            Some(data) => Ok(ReadGuard { raw: ManuallyDrop::new(self).raw, data }),
            None => Err(self),
        }
    }
}

impl<T: ?Sized> Deref for ReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so the cell is borrowed, the lock is held for reading and nobody has the data by
        // `&mut`.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> Drop for ReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.raw.end_read();
    }
}

/// Made only when the lock has just been taken for writing; dropping it gives the lock back.
pub(crate) struct WriteGuard<'a, T: ?Sized> {
    cell: &'a RwCell<T>,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out shared references to the data only.
unsafe impl<T: ?Sized + Sync> Sync for WriteGuard<'_, T> {}

impl<'a, T: ?Sized> WriteGuard<'a, T> {
    /// Lets other readers in, without letting a writer in between.
    pub(crate) fn downgrade(self) -> ReadGuard<'a, T> {
        let cell = ManuallyDrop::new(self).cell;
        cell.raw.downgrade();
        ReadGuard::new(cell)
    }

    /// Makes a guard of a part of the data. `f` also returns what is to be kept beside the part; if it finds no part,
    /// the guard comes back.
    pub(crate) fn project<U: ?Sized, A, B>(
        mut self,
        f: impl FnOnce(&mut T) -> Result<(&mut U, A), B>,
    ) -> Result<(PartGuard<'a, RawRwLock, U>, A), (Self, B)> {
        match f(&mut self).map(|(part, along)| (NonNull::from(part), along)) {
            Ok((part, along)) => {
                let cell = ManuallyDrop::new(self).cell;
                // SAFETY: the right is passed on, as `self` does not end it; what `f` returns lives within the data, or for ever.
                Ok((unsafe { PartGuard::new(&cell.raw, part) }, along))
            }
            Err(along) => Err((self, along)),
        }
    }
}

impl<T: ?Sized> Deref for WriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so the lock is held for it alone, and `&mut T` needs the guard by `&mut`.
        unsafe { &*self.cell.data.get() }
    }
}

impl<T: ?Sized> DerefMut for WriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists, so the lock is held for it alone, and the guard is borrowed exclusively.
        unsafe { &mut *self.cell.data.get() }
    }
}

impl<T: ?Sized> Drop for WriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.cell.raw.end_write();
    }
}
