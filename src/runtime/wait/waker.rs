//! Waits and [`Waker`](std::task::Waker)s, in both directions: a thread that waits for a future, whose task is the
//! waker for all that it polls; and a future that waits as threads do, by being unparked.
#![forbid(unsafe_code)]

use super::park::{self, Parker, Sleeper, Waiter, Wake};
use crate::runtime::ambient;
use crate::runtime::lane::alarm;
use crate::runtime::task::{Mark, TaskRef, Token, WaitOutcome, foreign};
use crate::sys::clock;

pub(crate) use crate::runtime::task::foreign::put_off;
use crate::util::sync::mutated;
use std::task::{Context, Poll};
use std::time::Instant;

/// Polls until there is a value, and lets the thread sleep in between. Returns `None` if the deadline passed first; a
/// kill unwinds out of it. If the value is there at once, there is no wait, whatever the deadline.
#[inline(always)]
pub(crate) fn poll_until<T>(
    deadline: Option<Instant>,
    poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    match poll_or(|_, _| false, deadline, poll)? {
        Poll::Ready(value) => Some(value),
        Poll::Pending => unreachable!("it does not rest"),
    }
}

/// Like [`poll_until`] without a deadline, for the body of a green thread that has nothing else on its stack. While
/// there is no value the green thread rests: the body returns at once, and runs again when a waker has been used or the
/// green thread is killed.
#[inline]
pub(crate) fn poll_or_rest<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    match poll_or(park::rests, None, poll) {
        Some(polled) => polled,
        None => unreachable!("there was no deadline"),
    }
}

/// Polls until there is a value. If there is none yet, `rests` may say that the caller is to return; otherwise the
/// thread sleeps.
#[inline(always)]
fn poll_or<T>(
    rests: impl Fn(&Sleeper, u64) -> bool,
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<Poll<T>> {
    let mut sleeper = Sleeper::probably_current();
    loop {
        let (seen, polled) = sleeper.with(|task| {
            // The count is read before the poll, so that a waker that is used during the poll counts.
            let seen = task.wakes();
            let polled =
                task.with_waker(|waker| ambient::within(|| poll(&mut Context::from_waker(waker))));
            let late = mutated("a wake-up during a poll is forgotten");
            (if late { task.wakes() } else { seen }, polled)
        });
        if polled.is_ready() {
            park::spend_budget_holding();
            return Some(polled);
        }
        if rests(&sleeper, seen) {
            return Some(polled);
        }
        // The future often waits for one of the other green threads, and to let these run costs less than to sleep and
        // be woken.
        let others_ran = deadline.is_none() && sleeper.lets_others_run();
        if others_ran && sleeper.has_woken(seen) {
            continue;
        }
        if !pause(&mut sleeper, seen, deadline, others_ran) {
            return None;
        }
    }
}

/// Waits until a waker has been used since their count was `seen`. Returns `false` if the deadline passed first.
#[inline(never)]
fn pause(sleeper: &mut Sleeper, seen: u64, deadline: Option<Instant>, others_ran: bool) -> bool {
    if !sleeper.is_current() {
        // The green thread may not be suspended here; or the future has forked, and this is the child, whose waker
        // belongs to the parent's green thread.
        *sleeper = Sleeper::current();
        return true;
    }
    if !others_ran && sleeper.has_woken(seen) {
        // The future may wake itself at each poll, for example to yield. So the others have a turn.
        if deadline.is_some_and(|deadline| deadline <= clock::now()) {
            return false;
        }
        park::yield_now();
        return true;
    }
    match Parker::of(sleeper).park_wakeable(seen, deadline) {
        Wake::Notified => true,
        Wake::TimedOut => sleeper.has_woken(seen),
        Wake::Killed => park::raise_kill(),
    }
}

/// Why a waiting future is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoOn {
    /// Its waiter has been unparked.
    Notified,
    /// It is to look whether what it waits for is there, since another one that was woken for it does not come. The
    /// wait goes on.
    Nudged,
}

/// The waits of one future: what a [`Parker`] is to a thread.
#[derive(Debug)]
pub(crate) struct FutureParker {
    task: TaskRef,
    token: Token,
}

impl FutureParker {
    /// Begins the first wait.
    pub(crate) fn new() -> Self {
        let task = foreign::new_foreign();
        let token = task.park_word().prepare();
        Self { task, token }
    }

    /// Begins another wait, and returns the waiter that ends it. The waiters of earlier waits do nothing any more.
    pub(crate) fn again(&mut self) -> Waiter {
        self.token = self.task.park_word().prepare();
        self.waiter()
    }

    /// The right to end this wait.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter::new(self.task.clone(), self.token)
    }

    /// Notes that it waits for something with that `mark` which others may take as well. From now on it is polled by
    /// [`poll_open`](Self::poll_open).
    pub(crate) fn open(&self, mark: Mark) {
        foreign::enroll(&self.task, mark);
    }

    /// Like [`poll`](Self::poll), but it may also become ready for a look only.
    pub(crate) fn poll_open(&self, context: &Context<'_>) -> Poll<GoOn> {
        match foreign::sleep_open(&self.task, self.token, context.waker()) {
            None => Poll::Pending,
            Some(WaitOutcome::Nudged) => Poll::Ready(GoOn::Nudged),
            Some(_) => Poll::Ready(GoOn::Notified),
        }
    }

    /// Ready if the waiter has been unparked. Otherwise unparking it will wake the task that polls. Nothing else ends
    /// the wait.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        if foreign::sleep_foreign(&self.task, self.token, context.waker()) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

impl Drop for FutureParker {
    fn drop(&mut self) {
        if self.task.park_word().outcome() == WaitOutcome::Nudged {
            // It was to look, and does not: so another one is to look.
            alarm::contended();
        }
        foreign::end_foreign(&self.task);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::{FutureParker, GoOn, poll_until};
    use crate::runtime::wait::park;
    use crate::util::sync::{AtomicBool, Mutex, Ordering};
    use loom::thread;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;

    /// What a model's future waits for, and whom to wake.
    #[derive(Default)]
    struct Slot {
        ready: AtomicBool,
        waker: Mutex<Option<Waker>>,
    }

    impl Slot {
        fn fresh() -> Arc<Self> {
            let slot = Self::default();
            slot.ready.store(false, Ordering::SeqCst);
            drop(slot.waker.lock());
            // As above, and also for the calling thread's own park word.
            park::own_task().with_waker(Waker::wake_by_ref);
            Arc::new(slot)
        }

        fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
            let mut waker = self.waker.lock();
            if self.ready.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *waker = Some(context.waker().clone());
            Poll::Pending
        }

        fn set(&self) {
            let waker = {
                let mut waker = self.waker.lock();
                self.ready.store(true, Ordering::Relaxed);
                waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }

        fn set_elsewhere(self: &Arc<Self>) -> thread::JoinHandle<()> {
            let slot = Arc::clone(self);
            thread::spawn(move || slot.set())
        }
    }

    #[test]
    fn a_wake_up_is_never_lost() {
        loom::model(|| {
            let slot = Slot::fresh();
            let setter = slot.set_elsewhere();
            assert_eq!(poll_until(None, |context| slot.poll(context)), Some(()));
            setter.join().unwrap();
        });
    }

    /// The inner wait is in the middle of a poll of the outer one, and sees the wake-up that is meant for the outer
    /// one.
    #[test]
    fn a_wait_within_a_poll_takes_no_wake_up_from_the_outer_one() {
        loom::model(|| {
            let (outer, inner) = (Slot::fresh(), Slot::fresh());
            let setters = [outer.set_elsewhere(), inner.set_elsewhere()];
            let value = poll_until(None, |context| {
                let polled = outer.poll(context);
                poll_until(None, |context| inner.poll(context));
                polled
            });
            assert_eq!(value, Some(()));
            setters.into_iter().for_each(|setter| setter.join().unwrap());
        });
    }

    /// A waker that was kept is used while its thread is in another wait.
    #[test]
    fn a_late_waker_ends_no_other_wait() {
        loom::model(|| {
            let slot = Slot::fresh();
            let kept = park::own_task().with_waker(Waker::clone);
            let late = thread::spawn(move || kept.wake());
            let setter = slot.set_elsewhere();
            let parker = park::Parker::new();
            assert_eq!(parker.park(park::Reason::Lock, Some(Instant::now())), park::Wake::TimedOut);
            assert_eq!(poll_until(None, |context| slot.poll(context)), Some(()));
            late.join().unwrap();
            setter.join().unwrap();
        });
    }

    #[test]
    fn a_kill_or_a_deadline_ends_the_wait_and_nothing_else_does() {
        loom::model(|| {
            let slot = Slot::fresh();
            let doomed = park::own_task();
            let killer = thread::spawn(move || doomed.kill());
            let setter = slot.set_elsewhere();
            let waited = catch_unwind(AssertUnwindSafe(|| {
                let limited = poll_until(Some(Instant::now()), |context| slot.poll(context));
                limited.or_else(|| poll_until(None, |context| slot.poll(context)))
            }));
            assert!(waited.is_err() || waited.is_ok_and(|value| value == Some(())));
            killer.join().unwrap();
            setter.join().unwrap();
        });
    }

    /// Everything of loom's is made before there is another thread.
    fn listener() -> FutureParker {
        let listener = FutureParker::new();
        park::own_task().with_waker(Waker::wake_by_ref);
        super::foreign::end_foreign(&listener.task);
        listener
    }

    /// The executor has moved the future to another of its tasks, whose waker replaces the first one.
    #[test]
    fn the_waker_of_the_last_poll_is_used() {
        loom::model(|| {
            let listener = listener();
            assert!(listener.poll(&Context::from_waker(Waker::noop())).is_pending());
            let waiter = listener.waiter();
            let other = thread::spawn(move || waiter.unpark());
            assert_eq!(poll_until(None, |context| listener.poll(context)), Some(()));
            other.join().unwrap();
        });
    }

    #[test]
    fn a_future_that_waits_is_woken_once_it_is_unparked() {
        loom::model(|| {
            let listener = listener();
            let waiter = listener.waiter();
            let other = thread::spawn(move || waiter.unpark());
            assert_eq!(poll_until(None, |context| listener.poll(context)), Some(()));
            other.join().unwrap();
        });
    }

    /// The future may look once more than it has to, but goes on when it has been notified.
    #[test]
    fn a_future_that_is_nudged_loses_no_notification() {
        loom::model(|| {
            let listener = listener();
            let (task, waiter) = (listener.task.clone(), listener.waiter());
            let nudger = thread::spawn(move || task.nudge());
            let notifier = thread::spawn(move || waiter.unpark());
            let poll = |context: &mut Context<'_>| loop {
                match listener.poll_open(context) {
                    Poll::Ready(GoOn::Nudged) => {}
                    Poll::Ready(GoOn::Notified) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            };
            assert_eq!(poll_until(None, poll), Some(()));
            nudger.join().unwrap();
            notifier.join().unwrap();
        });
    }
}
