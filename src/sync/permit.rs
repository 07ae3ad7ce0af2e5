//! Permits that give themselves back, which both kinds of semaphores have.
#![forbid(unsafe_code)]

/// Defines the guards of a semaphore, which has a field `raw` and a method `give_back`, and the methods that make them.
macro_rules! permits {
    ($semaphore:ident, $permit:ident, $owned:ident) => {
        impl $semaphore {
            /// Takes a permit, and waits for one if need be; it is given back when the guard is dropped. Suspends a green thread,
            /// blocks an OS thread.
            #[doc = concat!("
# Examples
```
let semaphore = greenthread::sync::", stringify!($semaphore), "::new(1);
let permit = semaphore.acquire();
assert!(semaphore.try_acquire().is_none());
drop(permit);
assert_eq!(semaphore.available(), 1);
```")]
            #[doc(alias = "access")]
            #[inline]
            pub fn acquire(&self) -> $permit<'_> {
                self.acquire_many(1)
            }

            /// Takes `count` permits at once, and waits for them if need be. Those who came earlier are served first, even if they
            /// want more. Suspends a green thread, blocks an OS thread.
            ///
            /// # Examples
            /// ```
            /// use greenthread::sync::Semaphore;
            ///
            /// let megabytes = Semaphore::new(10);
            /// let large = megabytes.acquire_many(8);
            /// assert_eq!((large.num_permits(), megabytes.available()), (8, 2));
            /// drop(large);
            /// assert_eq!(megabytes.available(), 10);
            /// ```
            pub fn acquire_many(&self, count: usize) -> $permit<'_> {
                self.raw.acquire(count, None);
                $permit { semaphore: self, count }
            }

            /// Takes a permit if one is free and nobody waits. Does not suspend.
            ///
            /// # Examples
            /// ```
            /// use greenthread::sync::Semaphore;
            ///
            /// let printer = Semaphore::new(1);
            /// let printing = printer.try_acquire();
            /// // Say that it is busy, rather than wait.
            /// assert!(printing.is_some() && printer.try_acquire().is_none());
            /// ```
            #[inline]
            pub fn try_acquire(&self) -> Option<$permit<'_>> {
                self.raw.try_acquire(1).then(|| $permit { semaphore: self, count: 1 })
            }

            /// As [`acquire`](Self::acquire), waiting for at most `timeout`; `None` if there was no permit in that time.
            ///
            /// # Examples
            /// ```
            /// use greenthread::sync::Semaphore;
            /// use std::time::Duration;
            ///
            /// let printer = Semaphore::new(0);
            /// assert!(printer.acquire_timeout(Duration::from_millis(1)).is_none());
            /// printer.release();
            /// assert!(printer.acquire_timeout(Duration::from_secs(60)).is_some());
            /// ```
            pub fn acquire_timeout(&self, timeout: Duration) -> Option<$permit<'_>> {
                self.acquire_until(deadline_after(timeout))
            }

            /// As [`acquire_timeout`](Self::acquire_timeout), waiting up to a point in time; `None` if there was no permit
            /// by then.
            pub fn acquire_deadline(&self, deadline: Instant) -> Option<$permit<'_>> {
                self.acquire_until(Some(deadline))
            }

            fn acquire_until(&self, deadline: Option<Instant>) -> Option<$permit<'_>> {
                self.raw.acquire(1, deadline).then(|| $permit { semaphore: self, count: 1 })
            }

            /// As [`acquire`](Self::acquire), with a guard that borrows nothing: a new green thread can take it along.
            #[doc = concat!("
# Examples
At most two at a time, and never more green threads than that:
```
use greenthread::sync::{Arc, ", stringify!($semaphore), "};
let semaphore = Arc::new(", stringify!($semaphore), "::new(2));
for _ in 0..10 {
    let permit = semaphore.acquire_owned();
    greenthread::spawn(move || {
        greenthread::yield_now();
        drop(permit);
    });
}
let _all = semaphore.acquire_many(2);
```")]
            pub fn acquire_owned(self: &Arc<Self>) -> $owned {
                self.acquire_many_owned(1)
            }

            /// As [`acquire_many`](Self::acquire_many), with a guard that borrows nothing.
            pub fn acquire_many_owned(self: &Arc<Self>, count: usize) -> $owned {
                self.raw.acquire(count, None);
                $owned { semaphore: Arc::clone(self), count }
            }

            /// As [`try_acquire`](Self::try_acquire), with a guard that borrows nothing.
            pub fn try_acquire_owned(self: &Arc<Self>) -> Option<$owned> {
                Some($owned::from(self, self.try_acquire()?))
            }

            /// As [`acquire_timeout`](Self::acquire_timeout), with a guard that borrows nothing.
            ///
            /// # Examples
            /// ```
            /// use greenthread::sync::{Arc, Semaphore};
            /// use std::time::Duration;
            ///
            /// let slots = Arc::new(Semaphore::new(1));
            /// let slot = slots.acquire_owned_timeout(Duration::from_secs(60)).unwrap();
            /// assert!(slots.acquire_owned_timeout(Duration::from_millis(1)).is_none());
            /// greenthread::spawn(move || drop(slot)).join().unwrap();
            /// assert_eq!(slots.available(), 1);
            /// ```
            pub fn acquire_owned_timeout(self: &Arc<Self>, timeout: Duration) -> Option<$owned> {
                Some($owned::from(self, self.acquire_timeout(timeout)?))
            }

            /// As [`acquire_owned_timeout`](Self::acquire_owned_timeout), waiting up to a point in time.
            pub fn acquire_owned_deadline(self: &Arc<Self>, deadline: Instant) -> Option<$owned> {
                Some($owned::from(self, self.acquire_deadline(deadline)?))
            }

            /// Takes a permit as [`acquire`](Self::acquire) does, but without a guard: only a later [`release`](Self::release), by
            /// any thread, gives it back. Suspends a green thread, blocks an OS thread.
            #[doc = concat!("
# Examples
```
use greenthread::sync::{Arc, ", stringify!($semaphore), "};
let turn = Arc::new(", stringify!($semaphore), "::new(1));
turn.acquire_raw();
let other = Arc::clone(&turn);
let gives_back = greenthread::spawn(move || drop(other.release()));
turn.acquire_raw(); // waits for the other green thread
turn.acquire_timeout(std::time::Duration::from_millis(1)).ok_or(\"none is left\").unwrap_err();
gives_back.join().unwrap();
```")]
            #[inline]
            pub fn acquire_raw(&self) {
                self.raw.acquire(1, None);
            }

            /// Takes a permit as [`try_acquire`](Self::try_acquire) does, without a guard. Does not suspend.
            ///
            /// # Examples
            /// What is taken here is given back there:
            /// ```
            /// use greenthread::sync::{Arc, Semaphore};
            ///
            /// let slots = Arc::new(Semaphore::new(1));
            /// assert!(slots.try_acquire_raw() && !slots.try_acquire_raw());
            /// let other = Arc::clone(&slots);
            /// greenthread::spawn(move || other.release()).join().unwrap();
            /// assert!(slots.try_acquire_raw());
            /// ```
            #[inline]
            #[must_use = "says whether there was a permit"]
            pub fn try_acquire_raw(&self) -> bool {
                self.raw.try_acquire(1)
            }
        }

        #[doc = concat!("Permits of a [`", stringify!($semaphore), "`], given back when this is dropped.")]
        #[derive(Debug)]
        #[must_use = "the permit is given back at once if it is not kept"]
        pub struct $permit<'a> {
            semaphore: &'a $semaphore,
            count: usize,
        }

        #[doc = concat!(
            "Permits of a [`", stringify!($semaphore), "`] that keep it alive, given back when this is dropped; see [`acquire_owned`](",
            stringify!($semaphore), "::acquire_owned)."
        )]
        #[derive(Debug)]
        #[must_use = "the permit is given back at once if it is not kept"]
        pub struct $owned {
            semaphore: Arc<$semaphore>,
            count: usize,
        }

        impl $permit<'_> {
            /// How many permits these are.
            pub fn num_permits(&self) -> usize {
                self.count
            }

            /// Keeps the permits taken: nothing gives them back but a later `release`.
            ///
            /// # Examples
            /// To have fewer permits from now on:
            /// ```
            /// use greenthread::sync::Semaphore;
            ///
            /// let workers = Semaphore::new(4);
            /// workers.acquire().forget();
            /// assert_eq!(workers.available(), 3);
            /// ```
            pub fn forget(mut self) {
                self.count = 0;
            }
        }

        impl $owned {
            fn from(semaphore: &Arc<$semaphore>, permit: $permit<'_>) -> Self {
                let count = permit.count;
                permit.forget();
                Self { semaphore: Arc::clone(semaphore), count }
            }

            /// How many permits these are.
            pub fn num_permits(&self) -> usize {
                self.count
            }

            /// Keeps the permits taken: nothing gives them back but a later `release`.
            pub fn forget(mut self) {
                self.count = 0;
            }
        }

        impl Drop for $permit<'_> {
            #[inline]
            fn drop(&mut self) {
                if self.count != 0 {
                    self.semaphore.give_back(self.count);
                }
            }
        }

        impl Drop for $owned {
            fn drop(&mut self) {
                if self.count != 0 {
                    self.semaphore.give_back(self.count);
                }
            }
        }
    };
}

pub(super) use permits;
