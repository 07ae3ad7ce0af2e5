//! Waiting for a change of what a mutex protects.
#![forbid(unsafe_code)]

use super::line::{Line, Position};
use super::{LockResult, MutexGuard, PoisonError};
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::sys::clock;
use crate::sys::time::deadline_after;
use crate::util::dropping::Held;
use crate::util::sync::{AtomicBool, Mutex as ListLock, Ordering, mutated};
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
    waiting: AtomicBool,
    line: ListLock<Line>,
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
        Self { waiting: AtomicBool::new(false), line: ListLock::new(Line::new()) }
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
        let parker = Parker::new();
        let position = {
            let mut line = self.line.lock();
            self.waiting.store(true, Ordering::Relaxed);
            line.enter(parker.waiter())
        };
        // Whoever changes the data under the mutex from here on finds us in the line.
        let lock_again = guard.unlock();
        let mut timed_out = false;
        match parker.park(Reason::Condition, deadline) {
            Wake::Notified => {}
            Wake::TimedOut => timed_out = self.leave(position),
            Wake::Killed => {
                if !self.leave(position) {
                    self.pass_on(position);
                }
                park::raise_kill();
            }
        }
        let notified = Notified(if timed_out { None } else { Some((self, position)) });
        let guard = lock_again();
        std::mem::forget(notified);
        (guard, WaitTimeoutResult(timed_out))
    }

    fn lower(&self, line: &Line) {
        if line.is_empty() {
            self.waiting.store(false, Ordering::Relaxed);
        }
    }

    /// Leaves the line; `false` if a notification has come first.
    fn leave(&self, position: Position) -> bool {
        let mut line = self.line.lock();
        let was_there = line.leave(position);
        self.lower(&line);
        was_there
    }

    /// Notifies the next waiter in place of one that was notified and has no use for it.
    fn pass_on(&self, position: Position) {
        if mutated("a killed waiter keeps its notification") {
            return;
        }
        let next = {
            let mut line = self.line.lock();
            let next = line.tell_instead_of(position);
            self.lower(&line);
            next
        };
        if let Some(waiter) = next {
            waiter.unpark();
        }
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
        // Whoever has changed the data locked the mutex after those who wait had unlocked it, and so sees their flag.
        if !self.waiting.load(Ordering::Relaxed) {
            return;
        }
        let mut line = self.line.lock();
        for _ in 0..count {
            let Some(waiter) = line.tell() else { break };
            waiter.unpark();
        }
        self.lower(&line);
    }
}

/// A waiter that was notified and does not have the mutex yet. If a kill or a timeout ends that wait, the next one is
/// notified.
struct Notified<'a>(Option<(&'a Condvar, Position)>);

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        if let Some((condvar, position)) = self.0 {
            condvar.pass_on(position);
        }
    }
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::Condvar;
    use crate::runtime::park;
    use crate::sync::Mutex;
    use loom::thread;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::time::Instant;

    type Shared = Arc<(Mutex<u32>, Condvar)>;

    /// A mutex and a condition variable for a single use.
    fn shared() -> Shared {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        give(&shared);
        take(&shared);
        assert!(shared.1.wait_deadline(shared.0.lock().unwrap(), Instant::now()).is_ok());
        shared
    }

    fn give((count, changed): &(Mutex<u32>, Condvar)) {
        *count.lock().unwrap() += 1;
        changed.notify_one();
    }

    fn take((count, changed): &(Mutex<u32>, Condvar)) {
        let mut count = count.lock().unwrap();
        while *count == 0 {
            count = changed.wait(count).unwrap();
        }
        *count -= 1;
    }

    #[test]
    fn a_notification_wakes_who_waits() {
        loom::model(|| {
            let shared = shared();
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || take(&shared))
            };
            give(&shared);
            other.join().unwrap();
        });
    }

    /// A model with at most two preemptions, which find the fault. Three would take minutes.
    fn quick_model(body: impl Fn() + Send + Sync + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(body);
    }

    /// One of two waiters is killed when it is notified. The other is notified.
    #[test]
    fn a_killed_waiter_passes_the_notification_on() {
        quick_model(|| {
            let shared = shared();
            let doomed = park::own_task();
            let patient = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || take(&shared))
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    doomed.kill();
                    give(&shared);
                })
            };
            let got = catch_unwind(AssertUnwindSafe(|| take(&shared))).is_ok();
            park::own_task().enter_shield();
            if got {
                give(&shared);
            }
            patient.join().unwrap();
            other.join().unwrap();
            assert_eq!(*shared.0.lock().unwrap(), 0);
        });
    }

    /// A waiter is killed when all are notified. One that comes later is not notified.
    #[test]
    fn a_wait_is_not_ended_by_what_came_before_it() {
        quick_model(|| {
            let shared = shared();
            let doomed = park::own_task();
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    doomed.kill();
                    shared.1.notify_all();
                    let guard = shared.0.lock().unwrap();
                    let (_guard, result) = shared.1.wait_deadline(guard, Instant::now()).unwrap();
                    assert!(result.timed_out());
                })
            };
            let wait = || drop(shared.1.wait(shared.0.lock().unwrap()).unwrap());
            let _ = catch_unwind(AssertUnwindSafe(wait));
            park::own_task().enter_shield();
            other.join().unwrap();
        });
    }

    /// One of two waiters gives up when it is notified. Either it reports that it was, or the other is notified.
    #[test]
    fn a_waiter_that_gives_up_keeps_no_notification() {
        quick_model(|| {
            let shared = shared();
            let patient = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || take(&shared))
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || give(&shared))
            };
            let guard = shared.0.lock().unwrap();
            if *guard == 0 {
                let (guard, result) = shared.1.wait_deadline(guard, Instant::now()).unwrap();
                drop(guard);
                if !result.timed_out() {
                    shared.1.notify_one();
                }
            } else {
                drop(guard);
            }
            patient.join().unwrap();
            other.join().unwrap();
        });
    }
}
