//! Waiting for a notification, without the mutex.
//!
//! Invariant: a notification that has reached a waiter ends its wait, or goes on to the next of those who waited when it came.
//! A waiter has what it was notified for once it has the mutex again, and not before: until then its [`Notified`] passes the
//! notification on where a kill or a timeout unwinds.
#![forbid(unsafe_code)]

use super::line::{Line, Position};
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::util::sync::{AtomicBool, Mutex, Ordering, mutated};
use std::time::Instant;

/// The line of those who wait, and whether anybody is in it.
#[derive(Default)]
pub(super) struct RawCondvar {
    waiting: AtomicBool,
    line: Mutex<Line>,
}

impl RawCondvar {
    pub(super) const fn new() -> Self {
        Self { waiting: AtomicBool::new(false), line: Mutex::new(Line::new()) }
    }

    /// Puts the caller at the end of the line.
    #[inline]
    pub(super) fn enter(&self) -> InLine<'_> {
        let parker = Parker::new();
        let mut line = self.line.lock();
        self.waiting.store(true, Ordering::Relaxed);
        let position = line.enter(parker.waiter());
        drop(line);
        InLine { condvar: self, parker, position }
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

    /// Wakes up to `count` of those who wait, the first ones.
    pub(super) fn notify(&self, count: usize) {
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

/// The caller's place in the line.
pub(super) struct InLine<'a> {
    condvar: &'a RawCondvar,
    parker: Parker,
    position: Position,
}

impl<'a> InLine<'a> {
    /// Waits for a notification. A kill leaves the line and unwinds.
    #[inline]
    pub(super) fn wait(self, deadline: Option<Instant>) -> Notified<'a> {
        let Self { condvar, parker, position } = self;
        let mut timed_out = false;
        match parker.park(Reason::Condition, deadline) {
            Wake::Notified => {}
            Wake::TimedOut => timed_out = condvar.leave(position),
            Wake::Killed => {
                if !condvar.leave(position) {
                    condvar.pass_on(position);
                }
                park::raise_kill();
            }
        }
        Notified(if timed_out { None } else { Some((condvar, position)) })
    }
}

/// A waiter that was notified and does not have the mutex yet. If a kill or a timeout ends that wait, the next one is
/// notified.
pub(super) struct Notified<'a>(Option<(&'a RawCondvar, Position)>);

impl Notified<'_> {
    /// Whether the time ran out first.
    #[inline]
    pub(super) fn timed_out(&self) -> bool {
        self.0.is_none()
    }

    /// The waiter has the mutex again, and so makes use of the notification.
    #[inline]
    pub(super) fn has_lock(self) {
        std::mem::forget(self);
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        if let Some((condvar, position)) = self.0 {
            condvar.pass_on(position);
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use crate::runtime::park;
    use crate::sync::{Condvar, Mutex};
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
