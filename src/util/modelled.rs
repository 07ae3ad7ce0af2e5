//! loom's atomics and locks with the interfaces of those that they replace: `const` functions make them, and the locks
//! are never poisoned.
//!
//! loom's own must be made inside a model. These make theirs when they are first used, which must be before a model has
//! more than one thread.
#![forbid(unsafe_code)]

use loom::sync::atomic::{Ordering, fence};
use std::sync::{OnceLock, PoisonError};
use std::time::Duration;

/// loom takes sequentially consistent operations for weaker ones; its fences are right.
fn consistently<T>(order: Ordering, operation: impl FnOnce() -> T) -> T {
    if order != Ordering::SeqCst {
        return operation();
    }
    fence(order);
    let value = operation();
    fence(order);
    value
}

macro_rules! atomic {
    ($name:ident, $value:ty, $($fetch:ident)*) => {
        #[derive(Debug)]
        pub(crate) struct $name {
            first: $value,
            inner: OnceLock<loom::sync::atomic::$name>,
        }

        #[allow(dead_code, reason = "not every type is used in every way")]
        impl $name {
            pub(crate) const fn new(first: $value) -> Self {
                Self { first, inner: OnceLock::new() }
            }

            fn get(&self) -> &loom::sync::atomic::$name {
                self.inner.get_or_init(|| loom::sync::atomic::$name::new(self.first))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                let weaker = if order == Ordering::SeqCst { Ordering::Acquire } else { order };
                consistently(order, || self.get().load(weaker))
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                let weaker = if order == Ordering::SeqCst { Ordering::Release } else { order };
                consistently(order, || self.get().store(value, weaker));
            }

            $(pub(crate) fn $fetch(&self, value: $value, order: Ordering) -> $value {
                consistently(order, || self.get().$fetch(value, order))
            })*

            pub(crate) fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                consistently(success, || self.get().compare_exchange(old, new, success, failure))
            }

            /// This never fails without a reason: the loops around it need no model.
            pub(crate) fn compare_exchange_weak(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                consistently(success, || self.get().compare_exchange(old, new, success, failure))
            }

            pub(crate) fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                self.get().fetch_update(success, failure, update)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(Default::default())
            }
        }
    };
}

atomic!(AtomicBool, bool, swap);
atomic!(AtomicU8, u8, swap fetch_or);
atomic!(AtomicU32, u32, fetch_and fetch_or);
atomic!(AtomicU64, u64, fetch_add fetch_sub fetch_and fetch_or);
atomic!(AtomicUsize, usize, fetch_add fetch_sub fetch_and fetch_or);

/// A pointer that is null at first.
pub(crate) struct AtomicPtr<T>(OnceLock<loom::sync::atomic::AtomicPtr<T>>);

impl<T> std::fmt::Debug for AtomicPtr<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> AtomicPtr<T> {
    pub(crate) const fn new(first: *mut T) -> Self {
        assert!(first.is_null(), "a pointer that is modelled is null at first");
        Self(OnceLock::new())
    }

    fn get(&self) -> &loom::sync::atomic::AtomicPtr<T> {
        self.0.get_or_init(Default::default)
    }

    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        let weaker = if order == Ordering::SeqCst { Ordering::Acquire } else { order };
        consistently(order, || self.get().load(weaker))
    }

    pub(crate) fn store(&self, value: *mut T, order: Ordering) {
        let weaker = if order == Ordering::SeqCst { Ordering::Release } else { order };
        consistently(order, || self.get().store(value, weaker));
    }

    pub(crate) fn swap(&self, value: *mut T, order: Ordering) -> *mut T {
        consistently(order, || self.get().swap(value, order))
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        old: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        consistently(success, || self.get().compare_exchange(old, new, success, failure))
    }
}

/// Like [`Mutex`](super::lock::Mutex).
#[derive(Debug)]
pub(crate) struct Mutex<T> {
    data: std::sync::Mutex<T>,
    lock: OnceLock<loom::sync::Mutex<()>>,
}

/// This has two locks: loom's decides which threads wait; it is locked first and unlocked last.
pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    data: Option<std::sync::MutexGuard<'a, T>>,
    held: Option<loom::sync::MutexGuard<'a, ()>>,
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { data: std::sync::Mutex::new(value), lock: OnceLock::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let held = self.lock.get_or_init(loom::sync::Mutex::default).lock();
        let held = Some(held.unwrap_or_else(PoisonError::into_inner));
        MutexGuard { mutex: self, data: Some(self.data()), held }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.data.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn data(&self) -> std::sync::MutexGuard<'_, T> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> std::ops::Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data.as_ref().expect("held")
    }
}

impl<T> std::ops::DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.data.as_mut().expect("held")
    }
}

/// Like [`Condvar`](super::lock::Condvar).
#[derive(Debug, Default)]
pub(crate) struct Condvar(OnceLock<loom::sync::Condvar>);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    fn get(&self) -> &loom::sync::Condvar {
        self.0.get_or_init(loom::sync::Condvar::new)
    }

    pub(crate) fn notify_one(&self) {
        self.get().notify_one();
    }

    pub(crate) fn wait<'a>(&self, mut guard: MutexGuard<'a, ()>) -> MutexGuard<'a, ()> {
        guard.data = None;
        let held = self.get().wait(guard.held.take().expect("held"));
        guard.held = Some(held.unwrap_or_else(PoisonError::into_inner));
        guard.data = Some(guard.mutex.data());
        guard
    }

    /// A model has no time: the timeout has always expired. What is modelled is what else happens at that moment.
    pub(crate) fn wait_timeout<'a>(
        &self,
        guard: MutexGuard<'a, ()>,
        _: Duration,
    ) -> (MutexGuard<'a, ()>, TimedOut) {
        (guard, TimedOut)
    }
}

#[derive(Debug)]
pub(crate) struct TimedOut;

impl TimedOut {
    pub(crate) fn timed_out(&self) -> bool {
        true
    }
}

/// This does nothing: loom's own would let all others run as far as they can, and so leave most orders out. Nothing
/// here yields without an end.
pub(crate) fn yield_now() {}

/// Whether to put in a fault, to see that the models find it: see `.ci/loom`.
pub(crate) fn mutated(fault: &str) -> bool {
    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    WANTED.get_or_init(|| std::env::var("GREENTHREAD_MUTATION").ok()).as_deref() == Some(fault)
}
