//! A mutex that its holder may lock again.
//!
//! | `owner` | `guards` | who may touch `guards` and the data (by `&T`) |
//! |---|---|---|
//! | 0 | 0 | whoever takes `raw` |
//! | id of a thread | ≥ 1 | that thread; its guards stay there, being `!Send` |

use crate::runtime::current;
use crate::runtime::park;
use crate::runtime::task::TaskRef;
use crate::sync::raw_mutex::RawMutex;
use crate::sys::time::deadline_after;
use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A mutex that the thread that holds it may lock again; as Python's `RLock` and std's unstable `ReentrantLock`.
///
/// The *green* thread that locked it holds it, not the OS thread. Its guards give shared references only, so data that
/// changes must be in a `Cell` or `RefCell`. Only a guard unlocks it, and a guard is not `Send`, so nobody unlocks what
/// somebody else has locked. There is no poisoning.
///
/// Where the data can be passed on instead of being locked twice, [`Mutex`](crate::sync::Mutex) is simpler and faster.
///
/// # Examples
/// ```
/// use greenthread::sync::ReentrantMutex;
/// use std::cell::Cell;
///
/// let counter = ReentrantMutex::new(Cell::new(0));
/// let add = || {
///     let counter = counter.lock();
///     counter.set(counter.get() + 1);
/// };
/// let both = counter.lock();
/// add();
/// add();
/// assert_eq!(both.get(), 2);
/// ```
#[doc(alias("RLock", "ReentrantLock", "recursive"))]
pub struct ReentrantMutex<T: ?Sized> {
    raw: RawMutex,
    owner: AtomicU64,
    guards: Cell<usize>,
    data: UnsafeCell<T>,
}

// SAFETY: `guards` and the data are reached by one thread at a time, see the table, so `T` need only be `Send`.
unsafe impl<T: ?Sized + Send> Sync for ReentrantMutex<T> {}

/// The id of the calling green thread, or of the OS thread; never zero.
fn me() -> u64 {
    let green = current::with_hub(|hub| hub.current().map(|own| own.with(TaskRef::id)));
    green.flatten().unwrap_or_else(|| park::os_thread().id())
}

// As of std's `ReentrantLock`, which is nightly: the data is seen by `&T` only, and not poisoned.
impl<T: ?Sized + UnwindSafe> UnwindSafe for ReentrantMutex<T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for ReentrantMutex<T> {}

impl<T> ReentrantMutex<T> {
    /// Makes an unlocked mutex that protects `value`.
    pub const fn new(value: T) -> Self {
        Self {
            raw: RawMutex::new(),
            owner: AtomicU64::new(0),
            guards: Cell::new(0),
            data: UnsafeCell::new(value),
        }
    }

    /// The data.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> ReentrantMutex<T> {
    /// Waits for the mutex and locks it, or locks it once more. Suspends a green thread, blocks an OS thread.
    ///
    /// # Panics
    /// If the caller has locked it `usize::MAX` times already.
    ///
    /// # Examples
    /// A method that locks may call another one that does:
    /// ```
    /// use greenthread::sync::ReentrantMutex;
    /// use std::cell::Cell;
    ///
    /// struct Account {
    ///     balance: ReentrantMutex<Cell<i32>>,
    /// }
    /// impl Account {
    ///     fn add(&self, amount: i32) {
    ///         let balance = self.balance.lock();
    ///         balance.set(balance.get() + amount);
    ///     }
    ///     fn move_to(&self, other: &Account, amount: i32) {
    ///         let (_mine, _theirs) = (self.balance.lock(), other.balance.lock());
    ///         self.add(-amount);
    ///         other.add(amount);
    ///     }
    /// }
    /// let [a, b] = [10, 0].map(|balance| Account { balance: ReentrantMutex::new(Cell::new(balance)) });
    /// a.move_to(&b, 3);
    /// assert_eq!((a.balance.lock().get(), b.balance.lock().get()), (7, 3));
    /// ```
    pub fn lock(&self) -> ReentrantMutexGuard<'_, T> {
        let got = self.take(|raw| raw.lock(None));
        debug_assert!(got, "there is no deadline");
        self.guard()
    }

    /// Locks the mutex if it is free or held by the caller. Does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::ReentrantMutex;
    ///
    /// let mutex = ReentrantMutex::new(());
    /// let held = mutex.lock();
    /// assert!(mutex.try_lock().is_some() && mutex.is_owned());
    /// greenthread::scope(|s| {
    ///     s.spawn(|| assert!(mutex.try_lock().is_none() && !mutex.is_owned()));
    /// });
    /// drop(held);
    /// ```
    pub fn try_lock(&self) -> Option<ReentrantMutexGuard<'_, T>> {
        self.take(RawMutex::try_lock).then(|| self.guard())
    }

    /// As [`lock`](Self::lock), waiting for at most `timeout`; `None` if the time ran out.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::ReentrantMutex;
    /// use std::time::Duration;
    ///
    /// let mutex = ReentrantMutex::new(());
    /// let held = mutex.lock();
    /// greenthread::scope(|s| {
    ///     s.spawn(|| assert!(mutex.lock_timeout(Duration::from_millis(1)).is_none()));
    /// });
    /// drop(held);
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> Option<ReentrantMutexGuard<'_, T>> {
        let deadline = deadline_after(timeout);
        self.take(|raw| raw.lock(deadline)).then(|| self.guard())
    }

    /// As [`lock`](Self::lock), waiting up to a point in time; `None` if that came first.
    pub fn lock_deadline(&self, deadline: Instant) -> Option<ReentrantMutexGuard<'_, T>> {
        self.take(|raw| raw.lock(Some(deadline))).then(|| self.guard())
    }

    /// Whether the calling thread holds it.
    pub fn is_owned(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == me()
    }

    /// Counts one guard more for the caller, which `lock` must make the holder first if it is not; `false` if `lock` fails.
    fn take(&self, lock: impl FnOnce(&RawMutex) -> bool) -> bool {
        let me = me();
        // Only we write our own id there, so seeing it means that we hold the mutex.
        if self.owner.load(Ordering::Relaxed) != me {
            if !lock(&self.raw) {
                return false;
            }
            self.owner.store(me, Ordering::Relaxed);
        }
        let guards = self.guards.get().checked_add(1).expect("ReentrantMutex locked too often");
        self.guards.set(guards);
        true
    }

    fn guard(&self) -> ReentrantMutexGuard<'_, T> {
        ReentrantMutexGuard { mutex: self, not_send: PhantomData }
    }

    /// Returns a reference to the data, without locking: nobody else has the mutex.
    ///
    /// # Examples
    /// See also [`into_inner`](Self::into_inner).
    /// ```
    /// use greenthread::sync::ReentrantMutex;
    ///
    /// let mut mutex = ReentrantMutex::new(vec![1]);
    /// mutex.get_mut().push(2);
    /// assert_eq!(mutex.into_inner(), [1, 2]);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }
}

impl<T: Default> Default for ReentrantMutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ReentrantMutex");
        match self.try_lock() {
            Some(guard) => out.field("data", &&*guard),
            None => out.field("data", &format_args!("<locked>")),
        };
        out.finish_non_exhaustive()
    }
}

/// The right to use what a [`ReentrantMutex`] protects, by shared reference. The mutex is unlocked when the last guard of the
/// thread is dropped. It is not `Send`.
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct ReentrantMutexGuard<'a, T: ?Sized> {
    mutex: &'a ReentrantMutex<T>,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out shared references to the data only.
unsafe impl<T: ?Sized + Sync> Sync for ReentrantMutexGuard<'_, T> {}

impl<T: ?Sized> Deref for ReentrantMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: while a guard exists its thread owns the mutex, and nobody has the data by `&mut`.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T: ?Sized> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        let left = self.mutex.guards.get() - 1;
        self.mutex.guards.set(left);
        if left == 0 {
            self.mutex.owner.store(0, Ordering::Relaxed);
            self.mutex.raw.unlock();
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// What must not compile.
///
/// It stays on its thread:
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(greenthread::sync::ReentrantMutex::new(1).lock());
/// ```
#[cfg(doctest)]
mod must_not_compile {}
