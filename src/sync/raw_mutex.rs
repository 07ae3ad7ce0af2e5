//! Mutual exclusion without the data.
//!
//! | bit | set by | cleared by |
//! |---|---|---|
//! | LOCKED | whoever takes the lock | its holder |
//! | WAITERS | whoever joins the list, under the list's lock | whoever makes the list empty, under the list's lock |
//! | WOKEN | the unlock that wakes a waiter | that waiter, when it takes the lock, waits again or gives up |
//! | LOOKED | that waiter, if it finds the lock taken | whoever clears HEIR |
//! | HEIR | that waiter, if it finds the lock taken once more: it is the *heir*, who gets the lock next | the unlock that hands over; the waiter, when it takes the lock or waits again |
//! | HANDED | with WOKEN: the unlock that leaves LOCKED set and gives the lock to the waiter that it wakes or that is on its way | that waiter |
//!
//! # Fairness
//! An unlock wakes a waiter and frees the lock, and others may take it before that waiter runs: so a thread that locks
//! and unlocks again and again goes on at full speed instead of switching each time. While a woken waiter is on its
//! way, no other is woken. If it finds the lock taken, it *stands back*: it lets the other green threads of its worker,
//! of which the holder is often one, run for a few turns. (Resuming it at each turn, only to find the lock taken again,
//! would cost more than all that the others do with the lock.) If the lock is taken even then, the waiter becomes the
//! heir, and the next unlock hands the lock over to it. An unlock on the waiter's own worker does so earlier, once the
//! lock has been taken [`PASSES`] times since the waiter's turn: a holder on that worker is suspended while it holds
//! the lock, and one more switch is little beside that. So a waiter is passed over for one such round only, however
//! busy the lock is. The heir lets others run a few times more, as the holder is often one of them, before it waits
//! again, at the front of the list.
//!
//! Which waiter is woken is decided by [`turn`](super::turn).
//!
//! # Several on their way
//! The woken waiter, heir or not, may be on a worker that is held up. Then another waiter is nudged
//! (`runtime/observe/bypass.rs`): it takes the lock if that is free or handed over ([`RawMutex::pass_by`]), and clears
//! the bits of the one that does not come, so that each unlock wakes another one again. So several may be on their way,
//! and share the bits. That is correct as long as somebody is on their way whenever WOKEN is set, and will look again
//! whenever HANDED is set: each who sets WOKEN, or for whom it is set, clears it last, and whoever comes first takes a
//! lock that was handed over. A bit that is cleared early costs one needless wake-up.
//!
//! One file, because the bits are one state machine: each who takes the lock and each who gives it back changes the same ones.
#![forbid(unsafe_code)]

use super::turn::{LineEntry, Turn, choose, here};
use crate::runtime::park::{self, Mark, Parker, Reason, Waiter, Wake};
use crate::runtime::task::{Blocker, Owner};
use crate::runtime::wait_list::{Key, WaitList};
use crate::util::sync::{AtomicU32, Mutex, Ordering, mutated};
use std::time::Instant;

const LOCKED: u32 = 1;
const WAITERS: u32 = 2;
const WOKEN: u32 = 4;
const HANDED: u32 = 8;
const HEIR: u32 = 16;
const LOOKED: u32 = 32;

/// How often the lock may be taken in front of a waiter on the same worker that has come for it.
const PASSES: u8 = if cfg!(loom) { 1 } else { 8 };

/// How often an heir lets others run before it waits again.
const HEIR_LOOKS: u32 = if cfg!(loom) { 1 } else { 4 };

/// How often a thread looks at a lock for which nobody waits. Each pause is twice as long as the one before.
const SPINS: u32 = if cfg!(loom) { 1 } else { 7 };
/// The same, while other threads want the processor.
const FEW_SPINS: u32 = if cfg!(loom) { 1 } else { 3 };

/// The lock without its data; the text of the module explains it.
#[derive(Debug)]
pub(crate) struct RawMutex {
    state: AtomicU32,
    /// A packed [`Turn`].
    turn: AtomicU32,
    owner: Owner,
    list: Mutex<WaitList<LineEntry>>,
}

impl RawMutex {
    pub(crate) const fn new() -> Self {
        Self {
            state: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            owner: Owner::new(),
            list: Mutex::new(WaitList::new()),
        }
    }

    #[inline(always)]
    pub(crate) fn try_lock(&self) -> bool {
        self.taken(
            self.state.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
                || self.try_lock_slow(),
        )
    }

    fn try_lock_slow(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & LOCKED == 0 {
            match self.state.compare_exchange_weak(
                state,
                state | LOCKED,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes the lock, or returns `false` when the deadline has passed. A kill ends the wait by unwinding.
    #[inline(always)]
    pub(crate) fn lock(&self, deadline: Option<Instant>) -> bool {
        let free =
            self.state.compare_exchange_weak(0, LOCKED, Ordering::Acquire, Ordering::Relaxed);
        self.taken(free.is_ok() || self.lock_slow(deadline))
    }

    #[inline(always)]
    fn taken(&self, got: bool) -> bool {
        if got {
            self.owner.set();
        }
        got
    }

    /// Takes the lock if it becomes free soon.
    fn spin(&self) -> bool {
        // The holder may be one of the green threads that wait for their turn on this worker.
        let looks = if park::keeps_others_waiting() { FEW_SPINS } else { SPINS };
        for look in 0..looks {
            let state = self.state.load(Ordering::Relaxed);
            if state & LOCKED == 0 {
                if self.try_lock_slow() {
                    return true;
                }
            } else if state & WAITERS != 0 {
                return false;
            }
            for _ in 0..1 << look {
                std::hint::spin_loop();
            }
        }
        false
    }

    #[cold]
    fn lock_slow(&self, deadline: Option<Instant>) -> bool {
        if self.spin() {
            return true;
        }
        let mut woken = false;
        let mark = self.mark();
        loop {
            let parker = Parker::new();
            let Some(key) = self.join(parker.waiter(), woken) else { return true };
            let wake = loop {
                match parker.park_open(
                    mark,
                    Reason::Lock,
                    deadline,
                    Some(Blocker::Owner(&self.owner)),
                ) {
                    Some(wake) => break wake,
                    None if self.take_past(key) => return true,
                    None => {}
                }
            };
            match wake {
                Wake::Notified => {
                    parker.set_mark(mark);
                    let got = self.inherit();
                    parker.set_mark(Mark::NONE);
                    if got {
                        return true;
                    }
                }
                Wake::TimedOut => {
                    if self.leave(key) {
                        return false;
                    }
                    // It was woken at the same moment, so it looks one last time.
                    return self.arrive(0);
                }
                Wake::Killed => {
                    self.give_up(key);
                    park::raise_kill();
                }
            }
            woken = true;
        }
    }

    /// Called by a waiter while the one that was woken does not come: takes the lock if it is free or has been handed
    /// over. Otherwise the next unlock wakes another waiter, and the caller goes on waiting.
    pub(crate) fn pass_by(&self, key: Key) -> bool {
        let got = self.take_past(key);
        self.taken(got)
    }

    fn take_past(&self, key: Key) -> bool {
        let mut list = self.list.lock();
        let mut state = self.state.load(Ordering::Relaxed);
        let got = loop {
            let (new, got) = Self::arrival(state, true);
            match self.state.compare_exchange_weak(state, new, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => break got || mutated("who passes another by takes what is taken"),
                Err(now) => state = now,
            }
        };
        if got {
            // If the entry is not in the list any more, this waiter has been woken too. The state says so, and that was
            // cleared with the rest.
            list.remove(key);
            if list.is_empty() {
                self.state.fetch_and(!WAITERS, Ordering::Relaxed);
            }
            self.had_its_turn(true);
        }
        got
    }

    /// The mark of those who wait for it, by which the lookout finds them.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark::of(self)
    }

    /// Takes the lock, or has `waiter` unparked when it is time to come again, with `woken` set. It is for callers that
    /// cannot wait here.
    pub(crate) fn enter(&self, waiter: Waiter, woken: bool) -> Option<Key> {
        let key = self.join(waiter, woken);
        self.taken(key.is_none());
        key
    }

    /// Ends a wait that [`enter`](Self::enter) began.
    pub(crate) fn give_up(&self, key: Key) {
        if !self.leave(key) && self.arrive(0) {
            self.unlock();
        }
    }

    /// Takes the lock if it is free or has been handed over. Otherwise joins the list: in front if the caller was woken
    /// before.
    fn join(&self, waiter: Waiter, woken: bool) -> Option<Key> {
        let mut list = self.list.lock();
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let (new, got) = Self::arrival(state, woken);
            let new = if got { new } else { new | WAITERS };
            match self.state.compare_exchange_weak(state, new, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) if got => {
                    self.had_its_turn(woken);
                    return None;
                }
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        if state & WOKEN != 0 {
            park::contended();
        }
        let entry = LineEntry { waiter, passed_over: woken, place: here() };
        Some(if woken { list.push_front(entry) } else { list.push_back(entry) })
    }

    /// The next state when a waiter comes for the lock, `woken` or new, and whether that waiter gets the lock.
    fn arrival(state: u32, woken: bool) -> (u32, bool) {
        let rest = if woken { state & !(HANDED | WOKEN | LOOKED | HEIR) } else { state };
        (rest | LOCKED, state & LOCKED == 0 || (woken && state & HANDED != 0))
    }

    /// Notes that the caller has taken the lock, as a waiter that was `woken` or as one that has just come.
    fn had_its_turn(&self, woken: bool) {
        if woken {
            let turn = Turn { passes: 0, ..Turn::of(self.turn.load(Ordering::Relaxed)) };
            self.turn.store(turn.packed(), Ordering::Relaxed);
        }
    }

    /// Called by a woken waiter: takes the lock. If it is taken, the waiter looks again a few times.
    fn inherit(&self) -> bool {
        if self.arrive(WOKEN | LOOKED) {
            return true;
        }
        park::stand_back();
        if self.arrive(WOKEN | HEIR) {
            return true;
        }
        for _ in 0..HEIR_LOOKS {
            // This must not be a yield that may unwind: the lock may have been handed over by then.
            park::give_way();
            if self.state.load(Ordering::Relaxed) & HANDED != 0 {
                break;
            }
        }
        self.arrive(WOKEN)
    }

    /// Called by a woken waiter: takes the lock if it can. Otherwise the bits of the waiter become `else_be`: WOKEN,
    /// perhaps with LOOKED or HEIR, or none if it will not wait again.
    fn arrive(&self, else_be: u32) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let (new, got) = Self::arrival(state, true);
            let new = if got { new } else { new | else_be };
            match self.state.compare_exchange_weak(state, new, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) if got => {
                    self.had_its_turn(true);
                    return true;
                }
                // If the lock is taken and we give up, its holder's unlock finds WOKEN cleared and wakes the next.
                Ok(_) => return false,
                Err(now) => state = now,
            }
        }
    }

    /// Leaves the list; `false` if it was woken first.
    fn leave(&self, key: Key) -> bool {
        let mut list = self.list.lock();
        let was_there = list.remove(key).is_some();
        if list.is_empty() {
            self.state.fetch_and(!WAITERS, Ordering::Relaxed);
        }
        was_there
    }

    /// Gives the lock back. The caller holds it.
    #[inline(always)]
    pub(crate) fn unlock(&self) {
        if self.state.compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            self.unlock_slow();
        }
    }

    #[cold]
    fn unlock_slow(&self) {
        // The owner is cleared first, so that those who wait next do not report an owner that has gone.
        self.owner.clear();
        let here = here();
        let mut turn = Turn::of(self.turn.load(Ordering::Relaxed));
        turn.passes = turn.passes.saturating_add(1);
        self.turn.store(turn.packed(), Ordering::Relaxed);
        let is_due = turn.passes >= PASSES && turn.place == here && here != 0;
        let mut state = self.state.load(Ordering::Relaxed);
        // There is nobody to wake, or a waiter is on its way already. If that is the heir, it gets the lock.
        while state & WAITERS == 0 || state & WOKEN != 0 {
            let looked = is_due && state & LOOKED != 0;
            let new = match looked || state & HEIR != 0 {
                true => state & !(HEIR | LOOKED) | HANDED,
                false => state & !LOCKED,
            };
            match self.state.compare_exchange_weak(state, new, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => {
                    if looked {
                        park::recall();
                    }
                    if state & WAITERS != 0 {
                        park::contended();
                    }
                    return;
                }
                Err(now) => state = now,
            }
        }
        let mut list = self.list.lock();
        let first = choose(&mut list, here, &mut turn);
        let mut set = 0;
        let mut clear = if list.is_empty() { WAITERS } else { 0 };
        match &first {
            Some(entry) if entry.passed_over => set = WOKEN | HANDED,
            Some(_) => (set, clear) = (WOKEN, clear | LOCKED),
            None => clear |= LOCKED,
        }
        if !list.is_empty() {
            park::contended();
        }
        self.turn.store(turn.packed(), Ordering::Relaxed);
        let update = |state| Some((state & !clear) | set);
        let _ = self.state.fetch_update(Ordering::Release, Ordering::Relaxed, update);
        drop(list);
        if let Some(entry) = first {
            entry.waiter.unpark();
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::RawMutex;
    use crate::runtime::park;
    use crate::runtime::waker::FutureParker;
    use crate::util::sync::{AtomicU64, Ordering};
    use loom::thread;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::time::Instant;

    /// A mutex with what it protects, for a single use.
    fn shared() -> Arc<(RawMutex, AtomicU64)> {
        let shared = Arc::new((RawMutex::new(), AtomicU64::new(0)));
        assert_free(&shared, 0);
        shared
    }

    /// Adds one and unlocks. The caller holds the mutex.
    fn add_and_unlock((raw, count): &(RawMutex, AtomicU64)) {
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        raw.unlock();
    }

    fn assert_free((raw, count): &(RawMutex, AtomicU64), expected: u64) {
        assert!(raw.try_lock(), "the lock was lost");
        assert_eq!(count.load(Ordering::Relaxed), expected);
        raw.unlock();
        assert_eq!(raw.state.load(Ordering::Relaxed), 0, "nobody waits or is on its way");
    }

    #[test]
    fn nobody_is_let_in_twice_or_forgotten() {
        loom::model(|| {
            let shared = shared();
            let others = [0; 2].map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    assert!(shared.0.lock(None));
                    add_and_unlock(&shared);
                })
            });
            for other in others {
                other.join().unwrap();
            }
            assert_free(&shared, 2);
        });
    }

    /// The future may have been woken when it is dropped, while another one waits.
    #[test]
    fn a_future_that_is_dropped_passes_the_lock_on() {
        loom::model(|| {
            let shared = shared();
            let listener = FutureParker::new();
            drop(listener.waiter());
            let others = [0; 2].map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    assert!(shared.0.lock(None));
                    add_and_unlock(&shared);
                })
            });
            let got = match shared.0.enter(listener.waiter(), false) {
                None => {
                    add_and_unlock(&shared);
                    1
                }
                Some(key) => {
                    shared.0.give_up(key);
                    0
                }
            };
            for other in others {
                other.join().unwrap();
            }
            assert_free(&shared, 2 + got);
        });
    }

    #[test]
    fn a_waiter_that_is_passed_over_gets_it() {
        loom::model(|| {
            let shared = shared();
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    assert!(shared.0.lock(None));
                    add_and_unlock(&shared);
                })
            };
            for _ in 0..2 {
                assert!(shared.0.lock(None));
                add_and_unlock(&shared);
            }
            other.join().unwrap();
            assert_free(&shared, 3);
        });
    }

    #[test]
    fn a_timeout_loses_nothing() {
        loom::model(|| {
            let shared = shared();
            let impatient = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let got = shared.0.lock(Some(Instant::now()));
                    if got {
                        add_and_unlock(&shared);
                    }
                    u64::from(got)
                })
            };
            let patient = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    assert!(shared.0.lock(None));
                    add_and_unlock(&shared);
                })
            };
            let got = impatient.join().unwrap();
            patient.join().unwrap();
            assert_free(&shared, 1 + got);
        });
    }

    /// The waiter was woken, found the lock taken, waits again and gives up. The next unlock hands over to nobody.
    #[test]
    fn an_heir_that_gives_up_leaves_no_trace() {
        loom::model(|| {
            let shared = shared();
            assert!(shared.0.lock(None));
            let impatient = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let got = shared.0.lock(Some(Instant::now()));
                    if got {
                        add_and_unlock(&shared);
                    }
                    u64::from(got)
                })
            };
            thread::yield_now();
            add_and_unlock(&shared);
            assert!(shared.0.lock(None));
            // Two yields, as the heir looks again in between.
            thread::yield_now();
            thread::yield_now();
            add_and_unlock(&shared);
            let got = impatient.join().unwrap();
            assert_free(&shared, 2 + got);
        });
    }

    /// A waiter is made to look while another one is on its way. Both get the lock.
    #[test]
    fn who_passes_another_by_takes_nothing_from_it() {
        // Two preemptions find the fault; three would take minutes.
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(2);
        model.check(|| {
            let shared = shared();
            let nudged = park::own_task();
            let others = [0; 2].map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    assert!(shared.0.lock(None));
                    add_and_unlock(&shared);
                })
            });
            let nudger = thread::spawn(move || nudged.nudge());
            assert!(shared.0.lock(None));
            add_and_unlock(&shared);
            nudger.join().unwrap();
            for other in others {
                other.join().unwrap();
            }
            assert_free(&shared, 3);
        });
    }

    /// The lock is held by another one, which gives it back, when the waiter is made to look.
    #[test]
    fn who_looks_while_the_lock_is_held_goes_on_waiting() {
        loom::model(|| {
            let shared = shared();
            let nudged = park::own_task();
            assert!(shared.0.lock(None));
            let holder = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || add_and_unlock(&shared))
            };
            let nudger = thread::spawn(move || nudged.nudge());
            assert!(shared.0.lock(None));
            add_and_unlock(&shared);
            nudger.join().unwrap();
            holder.join().unwrap();
            assert_free(&shared, 2);
        });
    }

    #[test]
    fn a_kill_loses_nothing() {
        loom::model(|| {
            let shared = shared();
            let doomed = park::own_task();
            let killer = thread::spawn(move || doomed.kill());
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    assert!(shared.0.lock(None));
                    add_and_unlock(&shared);
                })
            };
            let got = catch_unwind(AssertUnwindSafe(|| shared.0.lock(None))).is_ok();
            if got {
                add_and_unlock(&shared);
            }
            killer.join().unwrap();
            other.join().unwrap();
            assert_free(&shared, 1 + u64::from(got));
        });
    }
}
