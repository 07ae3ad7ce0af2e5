//! The one word that decides whether a thread sleeps and who may wake it.
//!
//! ```text
//!             prepare            park
//!   any ──────────────▶ EMPTY ──────────▶ PARKED ──notify──▶ NOTIFIED
//!                         │                 │ ├────expire──▶ EXPIRED
//!                         └──notify──▶ NOTIFIED ├─interrupt─▶ INTERRUPTED
//!                                               └───nudge───▶ NUDGED ──notify──▶ NOTIFIED
//!                         ┌───────────rearm───────────────────┘
//!                         ▼
//!                       EMPTY
//! ```
//!
//! | field | who writes | who reads |
//! |---|---|---|
//! | sequence | the owner, in `prepare` | everybody: a waker whose token has another sequence does nothing |
//! | state EMPTY → PARKED | the owner, in `park` | wakers |
//! | state PARKED → one of four | exactly one waker, by compare-and-swap; that one makes the owner runnable | the owner, when it runs again |
//! | INTERRUPTIBLE | the owner, with PARKED | `interrupt` |
//! | WAKEABLE | the owner, with PARKED | `wake` |
//! | OPEN | the owner, with PARKED | `nudge` |
//! | state NUDGED → EMPTY | the owner, in `rearm`: the same wait goes on | wakers |
//!
//! The sequence makes a wake-up harmless that comes too late, for example after a timeout: it belongs to an earlier
//! wait.
#![forbid(unsafe_code)]

use crate::util::sync::{AtomicU64, Ordering, mutated};

pub(super) const STATE: u64 = 0b111;
const EMPTY: u64 = 0;
pub(super) const PARKED: u64 = 1;
const NOTIFIED: u64 = 2;
const EXPIRED: u64 = 3;
const INTERRUPTED: u64 = 4;
const NUDGED: u64 = 5;
/// With PARKED: a kill may end this wait.
const INTERRUPTIBLE: u64 = 0b1000;
/// With PARKED: any waker of the owner ends this wait, without a token. This is how a thread waits that polls a future.
const WAKEABLE: u64 = 0b1_0000;
/// With PARKED: the owner may be made to look whether what it waits for is there.
const OPEN: u64 = 0b10_0000;
const SEQUENCE: u64 = 0b100_0000;

/// Identifies one wait of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(u64);

impl Token {
    /// Stands for any wait that [`wake`](ParkWord::wake) may end.
    pub(crate) const ANY: Self = Self(u64::MAX);
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitOutcome {
    Notified,
    Expired,
    Interrupted,
    /// It is to look, and to go on waiting if it finds nothing.
    Nudged,
}

/// The effect of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notify {
    /// The wait is over already; nothing happened.
    Stale,
    /// The owner has not gone to sleep yet and will not.
    Early,
    /// The owner sleeps, and the caller must make it runnable.
    Wake,
}

/// The word; the tables of the module explain it.
#[derive(Debug)]
pub(crate) struct ParkWord(AtomicU64);

impl ParkWord {
    pub(crate) fn new() -> Self {
        let word = Self(AtomicU64::new(EMPTY));
        // loom makes an atomic at its first use, which must not be by another thread.
        #[cfg(loom)]
        word.0.load(Ordering::Relaxed);
        word
    }

    /// Owner: begins a wait. Wakers of earlier waits have no effect from here on.
    #[inline]
    pub(crate) fn prepare(&self) -> Token {
        let sequence = (self.0.load(Ordering::Relaxed) & !(SEQUENCE - 1)).wrapping_add(SEQUENCE);
        self.0.store(sequence, Ordering::Release);
        Token(sequence)
    }

    /// Owner: goes to sleep. Returns `false` if it was notified since `prepare`: then it must not sleep.
    #[inline]
    pub(crate) fn park(&self, token: Token, interruptible: bool) -> bool {
        self.park_as(token, if interruptible { INTERRUPTIBLE } else { 0 })
    }

    /// Like [`park`](Self::park), but [`wake`](Self::wake) ends the wait too.
    #[inline]
    pub(crate) fn park_wakeable(&self, token: Token, interruptible: bool) -> bool {
        self.park_as(token, WAKEABLE | if interruptible { INTERRUPTIBLE } else { 0 })
    }

    /// Like [`park`](Self::park), but [`nudge`](Self::nudge) ends the wait too, for a look.
    #[inline]
    pub(crate) fn park_open(&self, token: Token, interruptible: bool) -> bool {
        self.park_as(token, OPEN | if interruptible { INTERRUPTIBLE } else { 0 })
    }

    #[inline(always)]
    fn park_as(&self, token: Token, bits: u64) -> bool {
        let parked = token.0 | PARKED | bits;
        self.0.compare_exchange(token.0, parked, Ordering::SeqCst, Ordering::Acquire).is_ok()
    }

    /// Owner: how the wait ended. Called when `park` has returned `false`, or somebody has made the owner runnable.
    #[inline(always)]
    pub(crate) fn outcome(&self) -> WaitOutcome {
        match self.0.load(Ordering::Acquire) & STATE {
            EXPIRED => WaitOutcome::Expired,
            INTERRUPTED => WaitOutcome::Interrupted,
            NUDGED => WaitOutcome::Nudged,
            _ => WaitOutcome::Notified,
        }
    }

    /// Whether the owner of `token` still sleeps.
    pub(crate) fn is_parked(&self, token: Token) -> bool {
        let word = self.0.load(Ordering::Acquire);
        word & !(SEQUENCE - 1) == token.0 && word & STATE == PARKED
    }

    /// A number for the owner's present wait, which changes with each wait.
    pub(crate) fn number(&self) -> u64 {
        self.0.load(Ordering::Acquire) / SEQUENCE
    }

    /// Whether the owner has been woken or nudged, and has begun no other wait since.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.load(Ordering::Acquire) & STATE > PARKED
    }

    /// Whether the owner sleeps.
    pub(crate) fn sleeps(&self) -> bool {
        self.0.load(Ordering::Acquire) & STATE == PARKED
    }

    /// A number for the wait in which the owner sleeps, which changes with each wait. `None` if it does not sleep.
    pub(crate) fn wait(&self) -> Option<u64> {
        let word = self.0.load(Ordering::Acquire);
        (word & STATE == PARKED).then_some(word / SEQUENCE)
    }

    /// Anyone: ends the wait that `token` names.
    #[inline]
    pub(crate) fn notify(&self, token: Token) -> Notify {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & !(SEQUENCE - 1) != token.0 {
                return Notify::Stale;
            }
            let result = match word & STATE {
                // An owner that was nudged is on its way already, and looks at the word before it goes on waiting.
                EMPTY | NUDGED => Notify::Early,
                PARKED => Notify::Wake,
                _ => return Notify::Stale,
            };
            match self.0.compare_exchange_weak(
                word,
                token.0 | NOTIFIED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return result,
                Err(now) => word = now,
            }
        }
    }

    /// The owner's hub: the deadline of the wait has passed. Returns `true` if the caller must make the owner runnable.
    #[inline]
    pub(crate) fn expire(&self, token: Token) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        word & !(SEQUENCE - 1) == token.0 && self.end_park(word, EXPIRED)
    }

    /// Anyone: ends the present wait, if it is interruptible. Returns `true` if the caller must make the owner
    /// runnable.
    ///
    /// The caller has set the owner's kill flag before, so a wait that begins later sees that.
    pub(crate) fn interrupt(&self) -> bool {
        self.end_any(INTERRUPTIBLE, INTERRUPTED)
    }

    /// Anyone: ends any wait that [`park_wakeable`](Self::park_wakeable) began. Returns `true` if the caller must make
    /// the owner runnable.
    ///
    /// The caller has noted the wake-up before, where a wait that begins later looks.
    #[inline]
    pub(crate) fn wake(&self) -> bool {
        self.end_any(WAKEABLE, NOTIFIED)
    }

    /// Anyone: makes the owner look whether what it waits for is there, if it is in a wait that
    /// [`park_open`](Self::park_open) began. Returns `true` if the caller must make the owner runnable.
    pub(crate) fn nudge(&self) -> bool {
        self.end_any(OPEN, NUDGED)
    }

    /// Owner: goes on with a wait that a nudge has ended, before it looks. Returns `false` if it was notified
    /// meanwhile.
    pub(crate) fn rearm(&self, token: Token) -> bool {
        if mutated("a nudge swallows a notification") {
            self.0.store(token.0, Ordering::SeqCst);
            return true;
        }
        let nudged = token.0 | NUDGED;
        self.0.compare_exchange(nudged, token.0, Ordering::SeqCst, Ordering::Acquire).is_ok()
    }

    #[inline(always)]
    fn end_any(&self, kind: u64, state: u64) -> bool {
        let mut word = self.0.load(Ordering::SeqCst);
        while word & STATE == PARKED && word & kind != 0 {
            if self.end_park(word, state) {
                return true;
            }
            word = self.0.load(Ordering::SeqCst);
        }
        false
    }

    fn end_park(&self, word: u64, state: u64) -> bool {
        word & STATE == PARKED
            && self
                .0
                .compare_exchange(
                    word,
                    word & !(SEQUENCE - 1) | state,
                    Ordering::SeqCst,
                    Ordering::Relaxed,
                )
                .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_waker_wins_and_late_ones_do_nothing() {
        let word = ParkWord::new();
        let first = word.prepare();
        assert_eq!(word.notify(first), Notify::Early);
        assert_eq!(word.notify(first), Notify::Stale);
        assert!(!word.park(first, true));
        assert_eq!(word.outcome(), WaitOutcome::Notified);

        let second = word.prepare();
        assert_eq!(word.notify(first), Notify::Stale, "a token of an earlier wait");
        assert!(word.park(second, true));
        assert!(word.is_parked(second) && !word.is_parked(first));
        assert!(!word.expire(first));
        assert!(word.expire(second));
        assert_eq!(word.notify(second), Notify::Stale);
        assert!(!word.interrupt());
        assert_eq!(word.outcome(), WaitOutcome::Expired);

        let third = word.prepare();
        assert!(word.park(third, false));
        assert!(!word.interrupt(), "not interruptible");
        assert_eq!(word.notify(third), Notify::Wake);

        let fourth = word.prepare();
        assert!(!word.interrupt(), "not parked");
        assert!(word.park(fourth, true));
        assert!(!word.wake(), "not wakeable");
        assert!(word.interrupt());
        assert_eq!(word.outcome(), WaitOutcome::Interrupted);

        let fifth = word.prepare();
        assert!(!word.wake(), "not parked");
        assert!(word.park_wakeable(fifth, false));
        assert!(!word.interrupt(), "not interruptible");
        assert!(word.wake());
        assert!(!word.wake(), "woken already");
        assert_eq!(word.outcome(), WaitOutcome::Notified);
        let _ = word.prepare();
        assert!(!word.wake(), "the wait is over");

        let sixth = word.prepare();
        assert!(!word.nudge(), "not parked");
        assert!(word.park_open(sixth, false) && word.nudge());
        assert!(!word.nudge() && !word.expire(sixth) && !word.interrupt(), "on its way already");
        assert_eq!(word.outcome(), WaitOutcome::Nudged);
        assert!(word.rearm(sixth) && word.park_open(sixth, false) && word.nudge());
        assert_eq!(word.notify(sixth), Notify::Early, "it is not lost");
        assert!(!word.rearm(sixth));
        assert_eq!(word.outcome(), WaitOutcome::Notified);
        let seventh = word.prepare();
        assert!(word.park(seventh, true) && !word.nudge(), "not open");
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::Arc;

    /// An owner that parks and three wakers that compete: exactly one of them has to make it runnable, unless it never
    /// slept.
    #[test]
    fn exactly_one_wakes() {
        loom::model(|| {
            let word = Arc::new(ParkWord::new());
            let token = word.prepare();
            let notifier = {
                let word = Arc::clone(&word);
                loom::thread::spawn(move || usize::from(word.notify(token) == Notify::Wake))
            };
            let interrupter = {
                let word = Arc::clone(&word);
                loom::thread::spawn(move || usize::from(word.interrupt()))
            };
            let slept = word.park(token, true);
            let expired = usize::from(slept && word.expire(token));
            let wakes = notifier.join().unwrap() + interrupter.join().unwrap() + expired;
            assert_eq!(wakes, usize::from(slept));
        });
    }

    /// A nudge and a notification come at the same time. The owner goes on waiting only if it has not been notified.
    #[test]
    fn a_nudge_keeps_no_notification() {
        loom::model(|| {
            let word = Arc::new(ParkWord::new());
            let token = word.prepare();
            let notifier = {
                let word = Arc::clone(&word);
                loom::thread::spawn(move || word.notify(token))
            };
            let nudged = word.park_open(token, false) && word.nudge();
            let goes_on = nudged && word.rearm(token) && word.park_open(token, false);
            let notify = notifier.join().unwrap();
            assert_eq!(goes_on && !word.is_parked(token), goes_on && notify == Notify::Wake);
            assert!(goes_on || word.outcome() == WaitOutcome::Notified);
            assert_eq!(word.is_parked(token), false, "it was notified");
        });
    }

    /// A waker that comes one wait too late never ends the next one.
    #[test]
    fn a_stale_token_is_harmless() {
        loom::model(|| {
            let word = Arc::new(ParkWord::new());
            let old = word.prepare();
            let late = {
                let word = Arc::clone(&word);
                loom::thread::spawn(move || word.notify(old))
            };
            if word.park(old, false) {
                word.expire(old);
            }
            let new = word.prepare();
            assert!(word.park(new, false), "only the old token was ever notified");
            late.join().unwrap();
            assert!(word.is_parked(new));
        });
    }

    /// This model is wrong on purpose: it must fail, or loom does not work.
    #[test]
    #[ignore = "the canary of the model checks"]
    fn canary_that_must_fail() {
        loom::model(|| {
            let count = Arc::new(AtomicU64::new(0));
            let add =
                |count: &AtomicU64| count.store(count.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
            let other = {
                let count = Arc::clone(&count);
                loom::thread::spawn(move || add(&count))
            };
            add(&count);
            other.join().unwrap();
            assert_eq!(count.load(Ordering::SeqCst), 2, "a lost update");
        });
    }
}
