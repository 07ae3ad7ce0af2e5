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
    ownership: Ownership,
    data: UnsafeCell<T>,
}

// SAFETY: the data is reached by one thread at a time, see the table, so `T` need only be `Send`.
unsafe impl<T: ?Sized + Send> Sync for ReentrantMutex<T> {}

/// Who holds the mutex, and by how many guards.
struct Ownership {
    raw: RawMutex,
    owner: AtomicU64,
    guards: Cell<usize>,
}

// SAFETY: `guards` is reached by one thread at a time, see the table.
unsafe impl Sync for Ownership {}

impl Ownership {
    const fn new() -> Self {
        Self { raw: RawMutex::new(), owner: AtomicU64::new(0), guards: Cell::new(0) }
    }

    fn is_caller(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == me()
    }

    /// Counts one more guard for the caller. If the caller does not hold the mutex yet, `lock` takes it first; `false`
    /// if `lock` fails.
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

    /// Ends a guard, on the thread that holds it.
    fn end(&self) {
        let left = self.guards.get() - 1;
        self.guards.set(left);
        if left == 0 {
            self.owner.store(0, Ordering::Relaxed);
            self.raw.unlock();
        }
    }
}

/// The id of the calling green thread, or of the OS thread; never zero.
fn me() -> u64 {
    let green = current::with_hub(|hub| hub.current().map(|own| own.with(TaskRef::id)));
    green.flatten().unwrap_or_else(|| park::os_thread().id())
}

// As for std's `ReentrantLock`, which is nightly: the data is seen by `&T` only, and is not poisoned.
impl<T: ?Sized + UnwindSafe> UnwindSafe for ReentrantMutex<T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for ReentrantMutex<T> {}

impl<T> ReentrantMutex<T> {
    /// Makes an unlocked mutex that protects `value`.
    pub const fn new(value: T) -> Self {
        Self { ownership: Ownership::new(), data: UnsafeCell::new(value) }
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
        let got = self.ownership.take(|raw| raw.lock(None));
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
        self.ownership.take(RawMutex::try_lock).then(|| self.guard())
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
        self.ownership.take(|raw| raw.lock(deadline)).then(|| self.guard())
    }

    /// As [`lock`](Self::lock), waiting up to a point in time; `None` if that came first.
    pub fn lock_deadline(&self, deadline: Instant) -> Option<ReentrantMutexGuard<'_, T>> {
        self.ownership.take(|raw| raw.lock(Some(deadline))).then(|| self.guard())
    }

    /// Whether the calling thread holds it.
    pub fn is_owned(&self) -> bool {
        self.ownership.is_caller()
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
        self.mutex.ownership.end();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The right to use a part of what a [`ReentrantMutex`] protects; made by [`ReentrantMutexGuard::map`]. It is one of the guards of its
/// thread: the mutex is unlocked when the last of them is dropped. As parking_lot's type of that name. It is not `Send`.
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct MappedReentrantMutexGuard<'a, T: ?Sized> {
    ownership: &'a Ownership,
    /// Shared as long as the mutex is borrowed, guard or not: only a `&mut` of the mutex gives a `&mut` of the data.
    part: &'a T,
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out shared references to the part only.
unsafe impl<T: ?Sized + Sync> Sync for MappedReentrantMutexGuard<'_, T> {}

impl<T: ?Sized> UnwindSafe for MappedReentrantMutexGuard<'_, T> where T: RefUnwindSafe {}
impl<T: ?Sized> RefUnwindSafe for MappedReentrantMutexGuard<'_, T> where T: RefUnwindSafe {}

impl<'a, T: ?Sized> ReentrantMutexGuard<'a, T> {
    /// Makes a guard of a part of the data; the mutex stays locked. It is called as a function, so that it does not hide a method of
    /// the data. Does not suspend.
    ///
    /// # Panics
    /// If `f` does.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{MappedReentrantMutexGuard, ReentrantMutex, ReentrantMutexGuard};
    /// use std::cell::Cell;
    ///
    /// struct Account { balance: Cell<u64> }
    /// let account = ReentrantMutex::new(Account { balance: Cell::new(10) });
    /// let balance: MappedReentrantMutexGuard<'_, _> =
    ///     ReentrantMutexGuard::map(account.lock(), |account| &account.balance);
    /// balance.set(balance.get() + 5);
    /// assert!(account.is_owned());
    /// drop(balance);
    /// assert!(!account.is_owned() && account.lock().balance.get() == 15);
    /// ```
    pub fn map<U: ?Sized>(
        orig: Self,
        f: impl FnOnce(&T) -> &U,
    ) -> MappedReentrantMutexGuard<'a, U> {
        match Self::filter_map(orig, |data| Some(f(data))) {
            Ok(mapped) => mapped,
            Err(_) => unreachable!("there always is a part"),
        }
    }

    /// As [`map`](Self::map), where there may be no such part.
    ///
    /// # Errors
    /// The guard of the whole, if `f` finds none.
    ///
    /// # Panics
    /// As `map`.
    #[doc(alias = "try_map")]
    pub fn filter_map<U: ?Sized>(
        orig: Self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<MappedReentrantMutexGuard<'a, U>, Self> {
        let mutex = orig.mutex;
        // SAFETY: as for `deref`; and the data stays shared for as long as the mutex is borrowed.
        match f(unsafe { &*mutex.data.get() }) {
            Some(part) => {
                // The count of the whole's guard becomes that of the part's.
                std::mem::forget(orig);
                Ok(MappedReentrantMutexGuard {
                    ownership: &mutex.ownership,
                    part,
                    not_send: PhantomData,
                })
            }
            None => Err(orig),
        }
    }
}

impl<'a, T: ?Sized> MappedReentrantMutexGuard<'a, T> {
    /// As [`ReentrantMutexGuard::map`].
    pub fn map<U: ?Sized>(
        orig: Self,
        f: impl FnOnce(&T) -> &U,
    ) -> MappedReentrantMutexGuard<'a, U> {
        match Self::filter_map(orig, |part| Some(f(part))) {
            Ok(mapped) => mapped,
            Err(_) => unreachable!("there always is a part"),
        }
    }

    /// As [`ReentrantMutexGuard::filter_map`].
    ///
    /// # Errors
    /// The guard itself, if `f` finds no such part.
    #[doc(alias = "try_map")]
    pub fn filter_map<U: ?Sized>(
        orig: Self,
        f: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<MappedReentrantMutexGuard<'a, U>, Self> {
        let (ownership, part) = (orig.ownership, orig.part);
        match f(part) {
            Some(part) => {
                std::mem::forget(orig);
                Ok(MappedReentrantMutexGuard { ownership, part, not_send: PhantomData })
            }
            None => Err(orig),
        }
    }
}

impl<T: ?Sized> Deref for MappedReentrantMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.part
    }
}

impl<T: ?Sized> Drop for MappedReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        self.ownership.end();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MappedReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// What must not compile.
///
/// A guard stays on its thread, and so does a guard of a part. That neither outlives the mutex, nor does the part
/// outlive its guard:
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(greenthread::sync::ReentrantMutex::new(1).lock());
/// ```
/// ```compile_fail,E0277
/// use greenthread::sync::{ReentrantMutex, ReentrantMutexGuard};
/// fn send<T: Send>(_: T) {}
/// let mutex = ReentrantMutex::new((1, 2));
/// send(ReentrantMutexGuard::map(mutex.lock(), |data| &data.0));
/// ```
/// ```compile_fail,E0505
/// use greenthread::sync::{ReentrantMutex, ReentrantMutexGuard};
/// let mutex = ReentrantMutex::new((1, 2));
/// let part = ReentrantMutexGuard::map(mutex.lock(), |data| &data.0);
/// drop(mutex);
/// assert_eq!(*part, 1);
/// ```
/// ```compile_fail
/// use greenthread::sync::{ReentrantMutex, ReentrantMutexGuard};
/// let mutex = ReentrantMutex::new((1, 2));
/// let mut kept = None;
/// ReentrantMutexGuard::map(mutex.lock(), |data| {
///     kept = Some(&data.1);
///     &data.0
/// });
/// assert_eq!(kept, Some(&2));
/// ```
#[cfg(doctest)]
mod must_not_compile {}
