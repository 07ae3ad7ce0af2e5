//! Mutual exclusion with data.
#![forbid(unsafe_code)]

use super::cell::{LockCell, LockCellGuard};
use super::poison::{Poison, Watch};
use super::{LockResult, PoisonError, TryLockError, TryLockResult};
use crate::runtime::park::{Mark, Waiter};
use crate::runtime::wait_list::Key;
use crate::sys::time::deadline_after;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// Protects data that several threads change, as [`std::sync::Mutex`].
///
/// Waiting for it suspends a green thread and blocks an OS thread. A guard may be held while its green thread waits for
/// something else; others that want the lock queue up meanwhile. A waiter that was woken, but found the lock taken
/// again, gets it next, so nobody starves. If that waiter does not come, as something that computes holds up its
/// worker, another waiter gets the lock after some 20 milliseconds.
///
/// # Poisoning
/// As in std: a guard that a panic drops poisons the mutex. A kill or a [`timeout`](crate::timeout) does not poison it, nor
/// does the panic of another green thread that happens to be suspended on the same worker while it unwinds.
///
/// # When std's is better
/// Waiting for a `std::sync::Mutex` blocks the worker, and with it every green thread there. But it is smaller (8 bytes against
/// 72), and right for data that is locked for moments only and never while its holder waits.
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
///
/// Poisoning:
/// ```
/// use greenthread::sync::{Arc, Mutex};
///
/// let mutex = Arc::new(Mutex::new(1));
/// let panics = {
///     let mutex = Arc::clone(&mutex);
///     greenthread::spawn(move || {
///         let _guard = mutex.lock().unwrap();
///         panic!("the data may be half changed");
///     })
/// };
/// assert!(panics.join().is_err());
/// let data = mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
/// assert_eq!(*data, 1);
/// drop(data);
/// mutex.clear_poison();
/// assert!(mutex.lock().is_ok());
/// ```
#[doc(alias("Lock"))]
pub struct Mutex<T: ?Sized> {
    poison: Poison,
    lock: LockCell<T>,
}

impl<T> Mutex<T> {
    /// Makes an unlocked mutex that protects `value`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Mutex;
    ///
    /// // `new` is `const`: a static needs no lazy initialization.
    /// static NAMES: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    /// NAMES.lock().unwrap().push("first");
    /// assert_eq!(NAMES.lock().unwrap().len(), 1);
    /// ```
    #[inline]
    pub const fn new(value: T) -> Self {
        Self { poison: Poison::new(), lock: LockCell::new(value) }
    }

    /// Returns the data.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the data, if the mutex is poisoned.
    ///
    /// # Examples
    /// What the threads have gathered, once they are done:
    /// ```
    /// use greenthread::sync::Mutex;
    ///
    /// let found = Mutex::new(Vec::new());
    /// greenthread::scope(|s| {
    ///     for i in 0..3 {
    ///         let found = &found;
    ///         s.spawn(move || found.lock().unwrap().push(i));
    ///     }
    /// });
    /// let mut found = found.into_inner().unwrap();
    /// found.sort();
    /// assert_eq!(found, [0, 1, 2]);
    /// ```
    pub fn into_inner(self) -> LockResult<T> {
        let poisoned = self.poison.get();
        let value = self.lock.into_inner();
        if poisoned { Err(PoisonError::new(value)) } else { Ok(value) }
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits for the mutex and locks it. Suspends a green thread, blocks an OS thread.
    ///
    /// A thread that holds the mutex already waits for ever; a [`ReentrantMutex`](super::ReentrantMutex) can be locked again.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the guard, if the mutex is poisoned.
    ///
    /// # Examples
    /// A guard may be held while its green thread waits, so that the steps of several threads do not mix:
    /// ```
    /// use greenthread::sync::Mutex;
    ///
    /// let log = Mutex::new(Vec::new());
    /// greenthread::scope(|s| {
    ///     for name in ["a", "b"] {
    ///         let log = &log;
    ///         s.spawn(move || {
    ///             let mut log = log.lock().unwrap();
    ///             log.push((name, "begins"));
    ///             greenthread::yield_now();
    ///             log.push((name, "ends"));
    ///         });
    ///     }
    /// });
    /// let log = log.into_inner().unwrap();
    /// assert!(log[0].0 == log[1].0 && log[2].0 == log[3].0);
    /// ```
    #[inline(always)]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self.lock.lock(None) {
            Some(inner) => self.guard(inner),
            None => unreachable!("there is no deadline"),
        }
    }

    /// Locks the mutex if it is free. Does not suspend.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if it is locked; [`TryLockError::Poisoned`], which holds the guard, if it is poisoned.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Mutex;
    ///
    /// let cache = Mutex::new(1);
    /// let held = cache.lock().unwrap();
    /// // Somebody works at it: do something else.
    /// assert!(cache.try_lock().is_err());
    /// drop(held);
    /// assert!(cache.try_lock().is_ok());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let inner = self.lock.try_lock().ok_or(TryLockError::WouldBlock)?;
        Ok(self.guard(inner)?)
    }

    /// As [`lock`](Self::lock), waiting for at most `timeout`. As Python's `Lock.acquire(timeout=...)`.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if the mutex was locked all the time; [`TryLockError::Poisoned`], which holds the guard, if
    /// it is poisoned.
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
    #[doc(alias = "try_lock_for")]
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        self.lock_until(deadline_after(timeout))
    }

    /// As [`lock`](Self::lock), waiting up to a point in time.
    ///
    /// # Errors
    /// Those of [`lock_timeout`](Self::lock_timeout).
    #[doc(alias = "try_lock_until")]
    pub fn lock_deadline(&self, deadline: Instant) -> TryLockResult<MutexGuard<'_, T>> {
        self.lock_until(Some(deadline))
    }

    fn lock_until(&self, deadline: Option<Instant>) -> TryLockResult<MutexGuard<'_, T>> {
        let inner = self.lock.lock(deadline).ok_or(TryLockError::WouldBlock)?;
        Ok(self.guard(inner)?)
    }

    /// Takes the mutex, or has `waiter` unparked when it is time to come again, with `woken` set.
    pub(crate) fn enter(
        &self,
        waiter: Waiter,
        woken: bool,
    ) -> Result<LockResult<MutexGuard<'_, T>>, Key> {
        self.lock.enter(waiter, woken).map(|inner| self.guard(inner))
    }

    /// To be called after [`enter`](Self::enter): takes the mutex if it is free, or meant for a waiter that does not
    /// come; otherwise the wait goes on.
    pub(crate) fn pass_by(&self, key: Key) -> Option<LockResult<MutexGuard<'_, T>>> {
        self.lock.pass_by(key).map(|inner| self.guard(inner))
    }

    /// The mark of those who wait for it, by which the lookout finds them.
    pub(crate) fn mark(&self) -> Mark {
        self.lock.mark()
    }

    /// Ends a wait that [`enter`](Self::enter) began.
    pub(crate) fn give_up(&self, key: Key) {
        self.lock.give_up(key);
    }

    #[inline(always)]
    fn guard<'a>(&'a self, inner: LockCellGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.poison.check(MutexGuard { watch: Watch::new(&self.poison), inner })
    }

    /// Whether a panic has poisoned the mutex.
    ///
    /// # Examples
    /// See also [`clear_poison`](Self::clear_poison).
    /// ```
    /// use greenthread::sync::Mutex;
    ///
    /// let mutex = Mutex::new(1);
    /// let result = greenthread::catch_unwind(|| {
    ///     let _guard = mutex.lock().unwrap();
    ///     panic!("half done");
    /// });
    /// assert!(result.is_err() && mutex.is_poisoned());
    /// mutex.clear_poison();
    /// assert!(!mutex.is_poisoned());
    /// ```
    pub fn is_poisoned(&self) -> bool {
        self.poison.get()
    }

    /// Ends the poisoning: the caller has made sure that the data is right again.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// Returns a reference to the data, without locking: nobody else has the mutex.
    ///
    /// # Errors
    /// [`PoisonError`], which holds the reference, if the mutex is poisoned.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Mutex;
    ///
    /// let mut mutex = Mutex::new(1);
    /// *mutex.get_mut().unwrap() += 1;
    /// assert_eq!(mutex.into_inner().unwrap(), 2);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.check(self.lock.get_mut())
    }
}

// Data that a panic may have left half changed is poisoned.
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

/// The right to use what a [`Mutex`] protects, as [`std::sync::MutexGuard`]: the mutex is locked until this is dropped. It is not
/// `Send`.
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    // The order of the fields matters: the lock is still held when it is poisoned.
    pub(super) watch: Watch<'a>,
    pub(super) inner: LockCellGuard<'a, T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Unlocks, and returns a function that locks again.
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

/// What must not compile.
///
/// A guard stays on its thread:
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(greenthread::sync::Mutex::new(1).lock().unwrap());
/// ```
#[cfg(doctest)]
mod must_not_compile {}
