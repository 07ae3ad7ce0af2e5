//! Counting permits, first come first served.
//!
//! The word holds the number of free permits, doubled, and in its lowest bit WAITERS: whether somebody is in the list. While that
//! bit is set, permits are taken under the list's lock only, so one who releases and acquires at once queues up behind those
//! who wait. A release hands permits straight to them: a waiter that is no longer in the list has been given what it asked for.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::wait_list::{Key, WaitList};
use crate::runtime::waker::put_off;
use crate::util::sync::{AtomicUsize, Mutex, Ordering, mutated};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Instant;

const WAITERS: usize = 1;
const ONE: usize = 2;

/// The most permits there can be.
pub(crate) const MAX_PERMITS: usize = usize::MAX >> 1;

#[derive(Debug)]
struct PermitEntry {
    waiter: Waiter,
    wants: usize,
}

#[derive(Debug)]
pub(crate) struct RawSemaphore {
    state: AtomicUsize,
    list: Mutex<WaitList<PermitEntry>>,
}

// A panic leaves nothing half changed behind.
impl UnwindSafe for RawSemaphore {}
impl RefUnwindSafe for RawSemaphore {}

impl RawSemaphore {
    pub(crate) const fn new(permits: usize) -> Self {
        assert!(permits <= MAX_PERMITS, "a semaphore has at most usize::MAX / 2 permits");
        Self { state: AtomicUsize::new(permits * ONE), list: Mutex::new(WaitList::new()) }
    }

    pub(crate) fn available(&self) -> usize {
        self.state.load(Ordering::Relaxed) / ONE
    }

    #[inline]
    pub(crate) fn try_acquire(&self, wants: usize) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAITERS == 0 && state / ONE >= wants {
            match self.state.compare_exchange_weak(
                state,
                state - wants * ONE,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes permits, or returns `false` when the deadline has passed. A kill ends the wait by unwinding.
    #[inline]
    pub(crate) fn acquire(&self, wants: usize, deadline: Option<Instant>) -> bool {
        self.try_acquire(wants) || self.acquire_slow(wants, deadline)
    }

    #[cold]
    fn acquire_slow(&self, wants: usize, deadline: Option<Instant>) -> bool {
        let parker = Parker::new();
        let Some(key) = self.enter(wants, parker.waiter()) else { return true };
        match parker.park(Reason::Semaphore, deadline) {
            Wake::Notified => true,
            Wake::TimedOut => !self.leave(key),
            Wake::Killed => {
                self.give_up(key, wants);
                park::raise_kill()
            }
        }
    }

    /// Takes permits if there are enough and nobody waits, else joins those who wait.
    pub(crate) fn enter(&self, wants: usize, waiter: Waiter) -> Option<Key> {
        let mut list = self.list.lock();
        if list.is_empty() {
            // In one step this either takes permits, or sets WAITERS, after which permits are given back through the
            // list's lock only. A thread that need not wait must never be seen as one that waits, as `try_acquire`
            // would not overtake it.
            let looks = !mutated("a semaphore does not look again before the wait");
            let step = |state| (looks && state / ONE >= wants).then(|| state - wants * ONE);
            let update = |state| Some(step(state).unwrap_or(state | WAITERS));
            let before = self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, update);
            if before.is_ok_and(|state| step(state).is_some()) {
                return None;
            }
        }
        Some(list.push_back(PermitEntry { waiter, wants }))
    }

    /// Leaves those who wait; `false` if the permits have been handed over first.
    fn leave(&self, key: Key) -> bool {
        let _later = put_off();
        let mut list = self.list.lock();
        let was_there = list.remove(key).is_some();
        // A waiter that wants fewer may be behind it.
        self.serve(&mut list);
        was_there
    }

    /// As [`leave`](Self::leave), and gives back what has been handed over.
    pub(crate) fn give_up(&self, key: Key, wants: usize) {
        if !self.leave(key) {
            let _ = self.release(wants, MAX_PERMITS);
        }
    }

    /// Gives permits back. Fails if more than `most` would be free then.
    #[inline]
    pub(crate) fn release(&self, count: usize, most: usize) -> Result<(), ()> {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAITERS == 0 {
            if count > most || state / ONE > most - count {
                return Err(());
            }
            match self.state.compare_exchange_weak(
                state,
                state + count * ONE,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
        self.release_slow(count, most)
    }

    #[cold]
    fn release_slow(&self, count: usize, most: usize) -> Result<(), ()> {
        let _later = put_off();
        let mut list = self.list.lock();
        let update =
            |state| (count <= most && state / ONE <= most - count).then(|| state + count * ONE);
        self.state.fetch_update(Ordering::AcqRel, Ordering::Relaxed, update).map_err(|_| ())?;
        self.serve(&mut list);
        Ok(())
    }

    /// Hands free permits to those who wait, in their order, until the first wants more than there are.
    fn serve(&self, list: &mut WaitList<PermitEntry>) {
        while let Some(first) = list.front() {
            let wants = first.wants;
            if self.state.load(Ordering::Relaxed) / ONE < wants {
                return;
            }
            // While WAITERS is set, only the holder of the list's lock takes permits.
            self.state.fetch_sub(wants * ONE, Ordering::AcqRel);
            if let Some(entry) = list.pop_front() {
                entry.waiter.unpark();
            }
        }
        self.state.fetch_and(!WAITERS, Ordering::Release);
    }

    /// Takes all free permits, even if others wait.
    pub(crate) fn drain(&self) -> usize {
        let _list = self.list.lock();
        self.state.fetch_and(WAITERS, Ordering::Acquire) / ONE
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::{MAX_PERMITS, RawSemaphore};
    use crate::runtime::park;
    use loom::thread;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::time::Instant;

    /// A semaphore with one permit, for a single use.
    fn one() -> Arc<RawSemaphore> {
        let semaphore = RawSemaphore::new(1);
        use_one(&semaphore, None);
        Arc::new(semaphore)
    }

    fn use_one(semaphore: &RawSemaphore, deadline: Option<Instant>) {
        if semaphore.acquire(1, deadline) {
            semaphore.release(1, MAX_PERMITS).unwrap();
        }
    }

    #[test]
    fn permits_come_back_in_spite_of_timeouts() {
        loom::model(|| {
            let semaphore = one();
            let other = {
                let semaphore = Arc::clone(&semaphore);
                thread::spawn(move || use_one(&semaphore, Some(Instant::now())))
            };
            use_one(&semaphore, None);
            use_one(&semaphore, None);
            other.join().unwrap();
            assert!(semaphore.try_acquire(1), "the permit was lost");
            assert_eq!(semaphore.available(), 0, "a permit from nowhere");
        });
    }

    /// Two permits come while one thread wants one. The other permit is for whoever asks then, even at the moment in
    /// which that thread takes its own.
    #[test]
    fn a_try_is_not_refused_for_one_that_need_not_wait() {
        loom::model(|| {
            let semaphore = one();
            assert!(semaphore.try_acquire(1));
            let other = {
                let semaphore = Arc::clone(&semaphore);
                thread::spawn(move || assert!(semaphore.acquire(1, None)))
            };
            semaphore.release(2, MAX_PERMITS).unwrap();
            assert!(semaphore.try_acquire(1), "there was one for each");
            other.join().unwrap();
            assert_eq!(semaphore.available(), 0);
        });
    }

    #[test]
    fn a_killed_waiter_gives_back_what_it_was_handed() {
        loom::model(|| {
            let semaphore = one();
            let doomed = park::own_task();
            let killer = thread::spawn(move || doomed.kill());
            let other = {
                let semaphore = Arc::clone(&semaphore);
                thread::spawn(move || use_one(&semaphore, None))
            };
            let _ = catch_unwind(AssertUnwindSafe(|| use_one(&semaphore, None)));
            killer.join().unwrap();
            other.join().unwrap();
            assert!(semaphore.try_acquire(1), "the permit was lost");
            assert_eq!(semaphore.available(), 0, "a permit from nowhere");
        });
    }

    #[test]
    fn a_waiter_for_many_that_is_killed_lets_the_next_go_on() {
        loom::model(|| {
            let semaphore = one();
            let doomed = park::own_task();
            let killer = thread::spawn(move || doomed.kill());
            let other = {
                let semaphore = Arc::clone(&semaphore);
                thread::spawn(move || use_one(&semaphore, None))
            };
            // There are never two permits, so only the kill ends this.
            assert!(catch_unwind(AssertUnwindSafe(|| semaphore.acquire(2, None))).is_err());
            killer.join().unwrap();
            other.join().unwrap();
            assert!(semaphore.try_acquire(1), "the permit was lost");
            assert_eq!(semaphore.available(), 0, "a permit from nowhere");
        });
    }
}
