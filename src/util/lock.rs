//! Locks for moments, which block the OS thread.
//!
//! Threads that wait are in the kernel's list for the lock's address and nowhere else. A forked child has none of the
//! other threads, and so none of their waits either: a lock that is made there works. (With parking_lot, threads wait
//! in one table of the process, in memory of their own; glibc gives that memory to the child's next threads, and the
//! table is spoiled.) The system call is made directly, so that no function that stands in for one of libc's sees it.
#![forbid(unsafe_code)]

pub(crate) use rustix_futex_sync::{Condvar, MutexGuard, RwLock};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Like `parking_lot::Mutex`, but printing it does not lock it: the printing may call the user's code, which may wait,
/// and a thread that wants the lock meanwhile would block. The same holds for every `Debug` of ours: what a lock
/// protects is copied out first.
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
