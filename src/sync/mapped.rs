//! Guards of a part of what a lock protects.
#![forbid(unsafe_code)]

use super::cell::{PartGuard, ReadGuard};
use super::poison::Watch;
use super::raw_mutex::RawMutex;
use super::raw_rwlock::RawRwLock;
use super::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// The right to use a part of what a [`Mutex`](super::Mutex) protects; made by [`MutexGuard::map`]. The mutex is locked until
/// this is dropped. As parking_lot's type of that name, with the poisoning of std's unstable one: a panic that drops it
/// poisons the mutex. It is not `Send`.
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    watch: Watch<'a>,
    inner: PartGuard<'a, RawMutex, T>,
}

/// The right to read a part of what an [`RwLock`](super::RwLock) protects; made by [`RwLockReadGuard::map`]. The lock is held
/// until this is dropped. As parking_lot's type of that name and std's unstable one. It is not `Send`.
#[must_use = "the lock is given back at once if the guard is not kept"]
pub struct MappedRwLockReadGuard<'a, T: ?Sized> {
    inner: ReadGuard<'a, T>,
}

/// The right to change a part of what an [`RwLock`](super::RwLock) protects; made by [`RwLockWriteGuard::map`]. The lock is
/// held until this is dropped. As parking_lot's type of that name, with the poisoning of std's unstable one: a panic that
/// drops it poisons the lock. It is not `Send`.
#[must_use = "the lock is given back at once if the guard is not kept"]
pub struct MappedRwLockWriteGuard<'a, T: ?Sized> {
    watch: Watch<'a>,
    inner: PartGuard<'a, RawRwLock, T>,
}

/// Defines the methods that make a guard of a part of the data, for guards through which the data may be changed.
macro_rules! exclusive {
    ($guard:ident => $mapped:ident) => {
        impl<'a, T: ?Sized> $guard<'a, T> {
            /// Makes a guard of a part of the data; the lock stays held. It is called as a function, as in std, so that it does not
            /// hide a method of the data. Does not suspend.
            ///
            /// # Panics
            /// If `f` does; that poisons the lock.
            ///
            /// # Examples
            /// ```
            /// use greenthread::sync::{MappedMutexGuard, Mutex, MutexGuard};
            /// struct Account { balance: u64 }
            /// let account = Mutex::new(Account { balance: 10 });
            /// fn balance(account: &Mutex<Account>) -> MappedMutexGuard<'_, u64> {
            ///     MutexGuard::map(account.lock().unwrap(), |account| &mut account.balance)
            /// }
            /// *balance(&account) += 5;
            /// assert_eq!(account.lock().unwrap().balance, 15);
            /// ```
            pub fn map<U: ?Sized>(orig: Self, f: impl FnOnce(&mut T) -> &mut U) -> $mapped<'a, U> {
                match Self::filter_map(orig, |data| Some(f(data))) {
                    Ok(mapped) => mapped,
                    Err(_) => unreachable!("there always is a part"),
                }
            }

            /// As [`map`](Self::map), where there may be no such part.
            ///
            /// # Errors
            /// The guard of the whole, if `f` returns `None`.
            ///
            /// # Panics
            /// If `f` does; that poisons the lock.
            ///
            /// # Examples
            /// ```
            /// use greenthread::sync::{Mutex, MutexGuard};
            ///
            /// let names = Mutex::new(vec!["first"]);
            /// let second = MutexGuard::filter_map(names.lock().unwrap(), |names| names.get_mut(1));
            /// // There is none, so the guard of the whole comes back.
            /// second.unwrap_err().push("second");
            /// assert_eq!(names.into_inner().unwrap().len(), 2);
            /// ```
            #[doc(alias = "try_map")]
            pub fn filter_map<U: ?Sized>(
                orig: Self,
                f: impl FnOnce(&mut T) -> Option<&mut U>,
            ) -> Result<$mapped<'a, U>, Self> {
                let Self { watch, inner } = orig;
                // If `f` panics, the closure is dropped before the guard, so the lock is poisoned while it is still
                // held.
                let projected = inner.project(move |data| match f(data) {
                    Some(part) => Ok((part, watch)),
                    None => Err(watch),
                });
                match projected {
                    Ok((inner, watch)) => Ok($mapped { watch, inner }),
                    Err((inner, watch)) => Err(Self { watch, inner }),
                }
            }
        }
    };
}

exclusive!(MutexGuard => MappedMutexGuard);
exclusive!(MappedMutexGuard => MappedMutexGuard);
exclusive!(RwLockWriteGuard => MappedRwLockWriteGuard);
exclusive!(MappedRwLockWriteGuard => MappedRwLockWriteGuard);

/// Defines the same methods for guards that only read.
macro_rules! shared {
    ($guard:ident) => {
        impl<'a, T: ?Sized> $guard<'a, T> {
            /// Makes a guard of a part of the data; the lock stays held. It is called as a function, as in std, so that it does not
            /// hide a method of the data. Does not suspend.
            ///
            /// # Panics
            /// If `f` does.
            ///
            /// # Examples
            /// ```
            /// use greenthread::sync::{RwLock, RwLockReadGuard};
            /// let names = RwLock::new(vec!["first", "second"]);
            /// let second = RwLockReadGuard::filter_map(names.read().unwrap(), |names| names.get(1));
            /// assert_eq!(*second.unwrap(), "second");
            /// ```
            pub fn map<U: ?Sized>(
                orig: Self,
                f: impl FnOnce(&T) -> &U,
            ) -> MappedRwLockReadGuard<'a, U> {
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
            ) -> Result<MappedRwLockReadGuard<'a, U>, Self> {
                match orig.inner.project(f) {
                    Ok(inner) => Ok(MappedRwLockReadGuard { inner }),
                    Err(inner) => Err(Self { inner }),
                }
            }
        }
    };
}

shared!(RwLockReadGuard);
shared!(MappedRwLockReadGuard);

macro_rules! as_its_data {
    ($($guard:ident)*) => {$(
        impl<T: ?Sized> Deref for $guard<'_, T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                &self.inner
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )*};
}

as_its_data!(MappedMutexGuard MappedRwLockReadGuard MappedRwLockWriteGuard);

impl<T: ?Sized> DerefMut for MappedMutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: ?Sized> DerefMut for MappedRwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
