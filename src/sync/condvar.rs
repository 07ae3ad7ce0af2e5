//! Waiting for a change of what a mutex protects, as users see it. The wait without the mutex is in `raw_condvar.rs`.
#![forbid(unsafe_code)]

use super::raw_condvar::RawCondvar;
use super::{LockResult, MutexGuard, PoisonError};
use crate::sys::clock;
use crate::sys::time::deadline_after;
use crate::util::dropping::Held;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::{Duration, Instant};

/// Waits until another thread says that what a [`Mutex`](super::Mutex) protects has changed, as [`std::sync::Condvar`].
///
/// Notifications go to those who wait in the order in which they came, and none is lost: if a waiter times out or is
/// killed at the moment in which a notification reaches it, it counts as notified, or passes the notification on to the
/// next of those who waited when it came. Unlike std's, a wait never ends without a notification that came while it
/// lasted. So if a waiter was notified and its worker is held up, no other is notified in its place, as then two would
/// come for one notification. Nothing is lost; it comes late, as with an OS thread that the system does not run at
/// once. Where any of those who wait can do what there is to do, `notify_all`, a channel or a queue does not depend on
/// a single one.
///
/// # When std's is better
/// It cannot be used with this crate's `Mutex`. With std's `Mutex` it is better among OS threads only.
///
/// # Examples
/// ```
/// use greenthread::sync::{Arc, Condvar, Mutex};
///
/// let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
/// let consumer = {
///     let shared = Arc::clone(&shared);
///     greenthread::spawn(move || {
///         let (items, added) = &*shared;
///         let mut items = added.wait_while(items.lock().unwrap(), |items| items.is_empty()).unwrap();
///         items.pop()
///     })
/// };
/// shared.0.lock().unwrap().push("item");
/// shared.1.notify_one();
/// assert_eq!(consumer.join().unwrap(), Some("item"));
/// ```
#[doc(alias("Condition", "Cond"))]
#[derive(Default)]
pub struct Condvar {
    raw: RawCondvar,
}

/// What a wait of a [`Condvar`] with a time limit returns: whether the time ran out. As [`std::sync::WaitTimeoutResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time ran out before a notification came.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// Makes a condition variable that nobody waits for yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { raw: RawCondvar::new() }
    }

    /// Unlocks the mutex, waits for a notification, and locks the mutex again. Suspends a green thread, blocks an OS thread.
    ///
    /// By the time this returns, the data may have changed back: look again, or use [`wait_while`](Self::wait_while).
    ///
    /// # Errors
    /// [`PoisonError`], which holds the guard, if the mutex is poisoned when it is locked again.
    ///
    /// # Examples
    /// Each call waits for the next notification, so the condition is checked in a loop:
    /// ```
    /// use greenthread::sync::{Condvar, Mutex};
    ///
    /// let (stage, changed) = (Mutex::new(0), Condvar::new());
    /// greenthread::scope(|s| {
    ///     s.spawn(|| {
    ///         for _ in 0..3 {
    ///             *stage.lock().unwrap() += 1;
    ///             changed.notify_one();
    ///         }
    ///     });
    ///     let mut seen = stage.lock().unwrap();
    ///     while *seen < 3 {
    ///         seen = changed.wait(seen).unwrap();
    ///     }
    ///     assert_eq!(*seen, 3);
    /// });
    /// ```
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_until(guard, None).0
    }

    /// [`wait`](Self::wait)s again and again, for as long as `condition` returns `true`.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{Condvar, Mutex};
    ///
    /// let (free, changed) = (Mutex::new(0), Condvar::new());
    /// greenthread::scope(|s| {
    ///     let customer = s.spawn(|| {
    ///         let mut free = changed.wait_while(free.lock().unwrap(), |free| *free == 0).unwrap();
    ///         *free -= 1;
    ///     });
    ///     *free.lock().unwrap() += 2;
    ///     changed.notify_one();
    ///     customer.join().unwrap();
    /// });
    /// assert_eq!(free.into_inner().unwrap(), 1);
    /// ```
    pub fn wait_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        condition: F,
    ) -> LockResult<MutexGuard<'a, T>>
    where
        F: FnMut(&mut T) -> bool,
    {
        let mut condition = Held::new(condition);
        let result = loop {
            if !condition(&mut guard) {
                break Ok(guard);
            }
            match self.wait(guard) {
                Ok(again) => guard = again,
                poisoned => break poisoned,
            }
        };
        // It is dropped here and not on the way out: if its destructor panicked there, the compiler would forget the
        // guard.
        drop(condition);
        result
    }

    /// [`wait`](Self::wait)s for at most `timeout`, and returns whether that ran out.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// let (ready, changed) = (Mutex::new(false), Condvar::new());
    /// // Nobody notifies.
    /// let (guard, result) =
    ///     changed.wait_timeout(ready.lock().unwrap(), Duration::from_millis(1)).unwrap();
    /// assert!(result.timed_out() && !*guard);
    /// ```
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        self.wait_checked(guard, deadline_after(timeout))
    }

    /// [`wait`](Self::wait)s up to a point in time, and returns whether that came first.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    pub fn wait_deadline<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        self.wait_checked(guard, Some(deadline))
    }

    /// [`wait`](Self::wait)s for as long as `condition` returns `true`, but for at most `timeout` in all. The result says
    /// whether `condition` still returned `true` at the end.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    /// let (ready, changed) = (Mutex::new(false), Condvar::new());
    /// let limit = Duration::from_millis(1);
    /// let (_guard, result) =
    ///     changed.wait_timeout_while(ready.lock().unwrap(), limit, |ready| !*ready).unwrap();
    /// assert!(result.timed_out());
    /// ```
    pub fn wait_timeout_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)>
    where
        F: FnMut(&mut T) -> bool,
    {
        let mut condition = Held::new(condition);
        let deadline = deadline_after(timeout);
        let result = loop {
            if !condition(&mut guard) {
                break Ok((guard, WaitTimeoutResult(false)));
            }
            if deadline.is_some_and(|at| at <= clock::now()) {
                break Ok((guard, WaitTimeoutResult(true)));
            }
            match self.wait_checked(guard, deadline) {
                Ok((again, _)) => guard = again,
                poisoned => break poisoned,
            }
        };
        drop(condition);
        result
    }

    fn wait_checked<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let (guard, result) = self.wait_until(guard, deadline);
        match guard {
            Ok(guard) => Ok((guard, result)),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }

    fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> (LockResult<MutexGuard<'a, T>>, WaitTimeoutResult) {
        let place = self.raw.enter();
        // Whoever changes the data under the mutex from here on finds us in the line.
        let lock_again = guard.unlock();
        let notified = place.wait(deadline);
        let timed_out = notified.timed_out();
        let guard = lock_again();
        notified.has_lock();
        (guard, WaitTimeoutResult(timed_out))
    }

    /// Wakes the thread that has waited longest, if one waits. Does not suspend.
    #[doc(alias = "Signal")]
    #[inline]
    pub fn notify_one(&self) {
        self.notify(1);
    }

    /// Wakes all threads that wait at this moment. Does not suspend.
    ///
    /// # Examples
    /// See also [`notify_one`](Self::notify_one).
    /// ```
    /// use greenthread::sync::{Condvar, Mutex};
    ///
    /// let (open, changed) = (Mutex::new(false), Condvar::new());
    /// greenthread::scope(|s| {
    ///     for _ in 0..3 {
    ///         s.spawn(|| drop(changed.wait_while(open.lock().unwrap(), |open| !*open)));
    ///     }
    ///     *open.lock().unwrap() = true;
    ///     changed.notify_all();
    /// });
    /// ```
    #[doc(alias = "Broadcast")]
    #[inline]
    pub fn notify_all(&self) {
        self.notify(usize::MAX);
    }

    /// Wakes up to `count` of the threads that wait, in the order in which they came, as Python's `Condition.notify(n)`. Does
    /// not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{Condvar, Mutex};
    /// let (seats, freed) = (Mutex::new(0), Condvar::new());
    /// greenthread::scope(|s| {
    ///     for _ in 0..3 {
    ///         s.spawn(|| {
    ///             let mut seats = freed.wait_while(seats.lock().unwrap(), |seats| *seats == 0).unwrap();
    ///             *seats -= 1;
    ///         });
    ///     }
    ///     *seats.lock().unwrap() = 3;
    ///     freed.notify(3);
    /// });
    /// assert_eq!(*seats.lock().unwrap(), 0);
    /// ```
    pub fn notify(&self, count: usize) {
        self.raw.notify(count);
    }
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
