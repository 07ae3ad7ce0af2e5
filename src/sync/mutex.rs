//! Mutual exclusion with data.
#![forbid(unsafe_code)]

use super::cell::{Lock, LockGuard};
use super::poison::{Poison, Watch};
use super::{LockResult, PoisonError, TryLockError, TryLockResult};
use crate::sys::time::deadline_after;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// Protects data that several threads change, as [`std::sync::Mutex`].
///
/// Waiting for it suspends a green thread and blocks an OS thread. A guard may be held while its green thread waits for
/// something else: the others queue up meanwhile. A waiter that was woken and found the lock taken again gets it next,
/// so nobody starves.
///
/// # Poisoning
/// As in std: a guard that a panic drops poisons the mutex. A kill or a [`timeout`](crate::timeout) does not, nor does the
/// panic of another green thread that is suspended on the same worker in the midst of it.
///
/// # When std's is better
/// `std::sync::Mutex` blocks the worker, and with it every green thread there. It is smaller (8 bytes against 64) and
/// right for data that is locked for moments only and never over a suspension.
///
/// # Examples
/// ```
/// use greenthread::sync::{Arc, Mutex};
///
/// let counter = Arc::new(Mutex::new(0));
/// let handles: Vec<_> = (0..10)
///     .map(|_| {
///         let counter = Arc::clone(&counter);
///         greenthread::spawn(move || *counter.lock().unwrap() += 1)
///     })
///     .collect();
/// for handle in handles {
///     handle.join().unwrap();
/// }
/// assert_eq!(*counter.lock().unwrap(), 10);
/// ```
pub struct Mutex<T: ?Sized> {
    poison: Poison,
    lock: Lock<T>,
}

impl<T> Mutex<T> {
    /// A free mutex around `value`.
    #[inline]
    pub const fn new(value: T) -> Self {
        Self { poison: Poison::new(), lock: Lock::new(value) }
    }

    /// The data.
    ///
    /// # Errors
    /// [`PoisonError`] with the data, if poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        let poisoned = self.poison.get();
        let value = self.lock.into_inner();
        if poisoned { Err(PoisonError::new(value)) } else { Ok(value) }
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the mutex and takes it. Suspends a green thread, blocks an OS thread.
    ///
    /// Locking it twice waits for ever; see [`ReentrantMutex`](super::ReentrantMutex).
    ///
    /// # Errors
    /// [`PoisonError`] with the guard, if poisoned.
    #[inline(always)]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self.lock.lock(None) {
            Some(inner) => self.guard(inner),
            None => unreachable!("there is no deadline"),
        }
    }

    /// Takes the mutex if it is free. Does not suspend.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if it is taken; [`TryLockError::Poisoned`] with the guard, if poisoned.
    #[inline]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let inner = self.lock.try_lock().ok_or(TryLockError::WouldBlock)?;
        Ok(self.guard(inner)?)
    }

    /// As [`lock`](Self::lock), for at most `timeout`.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if it was taken all the time; [`TryLockError::Poisoned`] with the guard, if poisoned.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Mutex;
    /// use std::time::Duration;
    /// let mutex = Mutex::new(1);
    /// let guard = mutex.lock().unwrap();
    /// assert!(mutex.lock_timeout(Duration::from_millis(5)).is_err());
    /// drop(guard);
    /// assert_eq!(*mutex.lock_timeout(Duration::from_millis(5)).unwrap(), 1);
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        self.lock_until(deadline_after(timeout))
    }

    /// As [`lock_timeout`](Self::lock_timeout), to a point in time.
    ///
    /// # Errors
    /// As [`lock_timeout`](Self::lock_timeout).
    pub fn lock_deadline(&self, deadline: Instant) -> TryLockResult<MutexGuard<'_, T>> {
        self.lock_until(Some(deadline))
    }

    fn lock_until(&self, deadline: Option<Instant>) -> TryLockResult<MutexGuard<'_, T>> {
        let inner = self.lock.lock(deadline).ok_or(TryLockError::WouldBlock)?;
        Ok(self.guard(inner)?)
    }

    #[inline(always)]
    fn guard<'a>(&'a self, inner: LockGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.poison.check(MutexGuard { watch: Watch::new(&self.poison), inner })
    }

    /// Whether a panic has poisoned it.
    pub fn is_poisoned(&self) -> bool {
        self.poison.get()
    }

    /// Says that the data is right again.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// The data; that the mutex is borrowed exclusively makes locking unnecessary.
    ///
    /// # Errors
    /// [`PoisonError`] with the reference, if poisoned.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.check(self.lock.get_mut())
    }
}

// What a panic may have left half changed is poisoned.
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Mutex");
        match self.lock.try_lock() {
            Some(guard) => out.field("data", &&*guard),
            None => out.field("data", &format_args!("<locked>")),
        };
        out.field("poisoned", &self.poison.get()).finish_non_exhaustive()
    }
}

/// The mutex is held as long as this lives; as [`std::sync::MutexGuard`].
///
/// It stays on its thread:
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(greenthread::sync::Mutex::new(1).lock().unwrap());
/// ```
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    // In this order: the lock is held while it is poisoned.
    pub(super) watch: Watch<'a>,
    pub(super) inner: LockGuard<'a, T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Unlocks, and gives what locks again.
    pub(super) fn unlock(self) -> impl FnOnce() -> LockResult<MutexGuard<'a, T>> {
        let (poison, lock) = (self.watch.poison(), self.inner.lock());
        drop(self);
        move || match lock.lock(None) {
            Some(inner) => poison.check(MutexGuard { watch: Watch::new(poison), inner }),
            None => unreachable!("there is no deadline"),
        }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
