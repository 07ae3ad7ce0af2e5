//! Many readers or one writer, with data.
#![forbid(unsafe_code)]

use super::cell::{ReadGuard, RwCell, WriteGuard};
use super::poison::{Poison, Watch};
use super::{LockResult, PoisonError, TryLockError, TryLockResult};
use crate::sys::time::deadline_after;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// Lets many threads read data, or one change it, as [`std::sync::RwLock`].
///
/// Those who wait are served in the order in which they came, neighbouring readers together. A reader that comes while
/// a writer waits gets in after the writer, so a thread that reads already must not read again: it may wait for ever.
/// The lock is handed over: it belongs to those who are woken with it from that moment on, even while their workers run
/// something else. The panic of a writer poisons the lock, as in std; [`Mutex`](super::Mutex) says more of that, and of
/// when std's own lock is better.
///
/// # Examples
/// ```
/// let lock = greenthread::sync::RwLock::new(5);
/// {
///     let (one, two) = (lock.read().unwrap(), lock.read().unwrap());
///     assert_eq!(*one + *two, 10);
/// }
/// *lock.write().unwrap() += 1;
/// assert_eq!(*lock.read().unwrap(), 6);
/// ```
#[doc(alias("RWMutex", "RWLock"))]
pub struct RwLock<T: ?Sized> {
    poison: Poison,
    cell: RwCell<T>,
}

impl<T> RwLock<T> {
    /// Makes an unlocked lock that protects `value`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::RwLock;
    ///
    /// static LIMIT: RwLock<u32> = RwLock::new(100);
    /// *LIMIT.write().unwrap() = 200;
    /// assert_eq!(*LIMIT.read().unwrap(), 200);
    /// ```
    pub const fn new(value: T) -> Self {
        Self { poison: Poison::new(), cell: RwCell::new(value) }
    }

    /// Returns the data.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the data, if the lock is poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        let poisoned = self.poison.get();
        let value = self.cell.into_inner();
        if poisoned { Err(PoisonError::new(value)) } else { Ok(value) }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until the data may be read. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the guard, if the lock is poisoned.
    ///
    /// # Examples
    /// Readers are together, even while they wait for something else:
    /// ```
    /// use greenthread::sync::{Barrier, RwLock};
    ///
    /// let (table, meet) = (RwLock::new([1, 2, 3]), Barrier::new(2));
    /// greenthread::scope(|s| {
    ///     for _ in 0..2 {
    ///         s.spawn(|| {
    ///             let table = table.read().unwrap();
    ///             meet.wait();
    ///             assert_eq!(table.len(), 3);
    ///         });
    ///     }
    /// });
    /// ```
    #[inline]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        match self.cell.read(None) {
            Some(inner) => self.reader(inner),
            None => unreachable!("there is no deadline"),
        }
    }

    /// Waits until the data may be changed. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the guard, if the lock is poisoned.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::RwLock;
    ///
    /// let table = RwLock::new(vec![0]);
    /// greenthread::scope(|s| {
    ///     for i in 1..=3 {
    ///         let table = &table;
    ///         s.spawn(move || table.write().unwrap().push(i));
    ///     }
    /// });
    /// assert_eq!(table.read().unwrap().iter().sum::<i32>(), 6);
    /// ```
    #[inline]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        match self.cell.write(None) {
            Some(inner) => self.writer(inner),
            None => unreachable!("there is no deadline"),
        }
    }

    /// Locks for reading if nobody writes or waits. Does not suspend.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody writes or waits; [`TryLockError::Poisoned`], which holds the guard, if the lock
    /// is poisoned.
    ///
    /// # Examples
    /// See also [`try_write`](Self::try_write).
    /// ```
    /// use greenthread::sync::RwLock;
    ///
    /// let table = RwLock::new(1);
    /// let reader = table.try_read().unwrap();
    /// assert!(table.try_read().is_ok() && table.try_write().is_err());
    /// drop(reader);
    /// *table.try_write().unwrap() += 1;
    /// assert_eq!(table.into_inner().unwrap(), 2);
    /// ```
    #[inline]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        Ok(self.reader(self.cell.try_read().ok_or(TryLockError::WouldBlock)?)?)
    }

    /// Locks for writing if the lock is free. Does not suspend.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if the lock is not free; [`TryLockError::Poisoned`], which holds the guard, if it is
    /// poisoned.
    #[inline]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        Ok(self.writer(self.cell.try_write().ok_or(TryLockError::WouldBlock)?)?)
    }

    /// As [`read`](Self::read), waiting for at most `timeout`.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if the time ran out; [`TryLockError::Poisoned`], which holds the guard, if the lock is
    /// poisoned.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::RwLock;
    /// use std::time::Duration;
    /// let lock = RwLock::new(1);
    /// let writer = lock.write().unwrap();
    /// assert!(lock.read_timeout(Duration::from_millis(1)).is_err());
    /// drop(writer);
    /// assert_eq!(*lock.read_timeout(Duration::from_millis(1)).unwrap(), 1);
    /// ```
    #[doc(alias = "try_read_for")]
    pub fn read_timeout(&self, timeout: Duration) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let inner = self.cell.read(deadline_after(timeout));
        Ok(self.reader(inner.ok_or(TryLockError::WouldBlock)?)?)
    }

    /// As [`read`](Self::read), waiting up to a point in time.
    ///
    /// # Errors
    /// Those of [`read_timeout`](Self::read_timeout).
    pub fn read_deadline(&self, deadline: Instant) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let inner = self.cell.read(Some(deadline));
        Ok(self.reader(inner.ok_or(TryLockError::WouldBlock)?)?)
    }

    /// As [`write`](Self::write), waiting for at most `timeout`.
    ///
    /// # Errors
    /// Those of [`read_timeout`](Self::read_timeout).
    #[doc(alias = "try_write_for")]
    pub fn write_timeout(&self, timeout: Duration) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let inner = self.cell.write(deadline_after(timeout));
        Ok(self.writer(inner.ok_or(TryLockError::WouldBlock)?)?)
    }

    /// As [`write`](Self::write), waiting up to a point in time.
    ///
    /// # Errors
    /// Those of [`read_timeout`](Self::read_timeout).
    pub fn write_deadline(&self, deadline: Instant) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let inner = self.cell.write(Some(deadline));
        Ok(self.writer(inner.ok_or(TryLockError::WouldBlock)?)?)
    }

    #[inline]
    fn reader<'a>(&'a self, inner: ReadGuard<'a, T>) -> LockResult<RwLockReadGuard<'a, T>> {
        self.poison.check(RwLockReadGuard { inner })
    }

    #[inline]
    fn writer<'a>(&'a self, inner: WriteGuard<'a, T>) -> LockResult<RwLockWriteGuard<'a, T>> {
        self.poison.check(RwLockWriteGuard { watch: Watch::new(&self.poison), inner })
    }

    /// Whether a panic has poisoned the lock.
    ///
    /// # Examples
    /// Only a writer poisons it, as readers leave nothing half changed; see also [`clear_poison`](Self::clear_poison):
    /// ```
    /// use greenthread::{catch_unwind, sync::RwLock};
    ///
    /// let table = RwLock::new(1);
    /// let reads = catch_unwind(|| {
    ///     let _reader = table.read();
    ///     panic!("while it reads");
    /// });
    /// assert!(reads.is_err() && !table.is_poisoned());
    /// let writes = catch_unwind(|| {
    ///     let _writer = table.write();
    ///     panic!("while it writes");
    /// });
    /// assert!(writes.is_err() && table.is_poisoned());
    /// table.clear_poison();
    /// assert!(table.read().is_ok());
    /// ```
    pub fn is_poisoned(&self) -> bool {
        self.poison.get()
    }

    /// Ends the poisoning: the caller has made sure that the data is right again.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// Returns a reference to the data, without locking: nobody else has the lock.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the reference, if the lock is poisoned.
    ///
    /// # Examples
    /// Before it is shared, or when it is shared no more; [`into_inner`](Self::into_inner) gives the data itself:
    /// ```
    /// use greenthread::sync::RwLock;
    ///
    /// let mut table = RwLock::new(vec![1]);
    /// table.get_mut().unwrap().push(2);
    /// assert_eq!(table.into_inner().unwrap(), [1, 2]);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.check(self.cell.get_mut())
    }
}

// Data that a panic may have left half changed is poisoned.
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RwLock");
        match self.cell.try_read() {
            Some(guard) => out.field("data", &&*guard),
            None => out.field("data", &format_args!("<locked>")),
        };
        out.field("poisoned", &self.poison.get()).finish_non_exhaustive()
    }
}

/// The right to read what an [`RwLock`] protects, as [`std::sync::RwLockReadGuard`], until this is dropped. It is not `Send`.
///
#[must_use = "the lock is given back at once if the guard is not kept"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    pub(super) inner: ReadGuard<'a, T>,
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The right to change what an [`RwLock`] protects, as [`std::sync::RwLockWriteGuard`], until this is dropped. It is not `Send`.
///
#[must_use = "the lock is given back at once if the guard is not kept"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    // The order of the fields matters: the lock is still held when it is poisoned.
    pub(super) watch: Watch<'a>,
    pub(super) inner: WriteGuard<'a, T>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Becomes a reader, and lets other readers in, but no writer in between. It is called as a function, as in std, so that it
    /// does not hide a method of the data. Does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{RwLock, RwLockWriteGuard};
    /// let lock = RwLock::new(0);
    /// let mut writer = lock.write().unwrap();
    /// *writer = 1;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!((*reader, *lock.read().unwrap()), (1, 1));
    /// ```
    pub fn downgrade(s: Self) -> RwLockReadGuard<'a, T> {
        let Self { watch, inner } = s;
        drop(watch);
        RwLockReadGuard { inner: inner.downgrade() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// What must not compile.
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(greenthread::sync::RwLock::new(1).read().unwrap());
/// ```
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(greenthread::sync::RwLock::new(1).write().unwrap());
/// ```
#[cfg(doctest)]
mod must_not_compile {}
