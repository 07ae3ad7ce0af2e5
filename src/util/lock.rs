//! A lock for moments.
#![forbid(unsafe_code)]

use std::fmt;
use std::ops::{Deref, DerefMut};

/// As `parking_lot::Mutex`, but printing it does not lock it: what it is printed to may be the user's, which may wait, and whoever
/// wants the lock meanwhile would block its OS thread. The same holds for every `Debug` of ours: what a lock protects is copied out
/// first.
#[derive(Default)]
pub(crate) struct Mutex<T: ?Sized>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    #[inline]
    pub(crate) const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }
}

impl<T: ?Sized> Deref for Mutex<T> {
    type Target = parking_lot::Mutex<T>;

    #[inline(always)]
    fn deref(&self) -> &parking_lot::Mutex<T> {
        &self.0
    }
}

impl<T: ?Sized> DerefMut for Mutex<T> {
    fn deref_mut(&mut self) -> &mut parking_lot::Mutex<T> {
        &mut self.0
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}
