//! Locks for moments, which block the OS thread.
//!
//! Those who wait stand in the kernel's list for the lock's address and nowhere else: a forked child, which has none of the
//! other threads, has none of their waits either, and a lock that is made there works. (parking_lot's wait in one table of the
//! process, in memory of the threads that wait; glibc gives that to the child's next threads, and the table is spoiled.) The system
//! call is made directly, so that no function that stands in for libc's sees it.
#![forbid(unsafe_code)]

pub(crate) use rustix_futex_sync::{Condvar, MutexGuard, RwLock};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// As `parking_lot::Mutex`, but printing it does not lock it: what it is printed to may be the user's, which may wait, and whoever
/// wants the lock meanwhile would block its OS thread. The same holds for every `Debug` of ours: what a lock protects is copied out
/// first.
#[derive(Default)]
pub(crate) struct Mutex<T: ?Sized>(rustix_futex_sync::Mutex<T>);

impl<T> Mutex<T> {
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self(rustix_futex_sync::Mutex::new(value))
    }
}

impl<T: ?Sized> Deref for Mutex<T> {
    type Target = rustix_futex_sync::Mutex<T>;

    #[inline(always)]
    fn deref(&self) -> &rustix_futex_sync::Mutex<T> {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for Mutex<T> {
    fn deref_mut(&mut self) -> &mut rustix_futex_sync::Mutex<T> {
        &mut self.0
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}
