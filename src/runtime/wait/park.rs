//! The one way to wait: everything that blocks goes through a [`Parker`], on green threads and OS threads alike.
//!
//! A wait has three steps. [`Parker::new`] begins it. The [`Waiter`] that it gives is put where a waker will find it. Then
//! [`Parker::park`] sleeps until that waiter is unparked, the deadline passes, or a kill arrives. Nothing is lost between the
//! first and the last step: a wake-up that comes early makes `park` return at once, and one that comes after the wait has ended
//! in another way does nothing.
//!
//! If several wait for what only one of them can take, a wake-up is for whoever comes first, and the one that is woken
//! may be on a worker that is held up. Such a wait is [open](Parker::park_open): `runtime/observe/bypass.rs` may then
//! interrupt it for a look.
#![forbid(unsafe_code)]

use super::interruption::{cut, refuses_waits};
use super::sleeper::current_green_within;
use super::yielding::{requeue_and_suspend, suspend_for};
use crate::coroutine;
use crate::runtime::lane::current;
use crate::runtime::task::{
    self, Blocker, Interruption, Started, TaskRef, Token, WaitOutcome, sleep_os_thread,
};
use crate::sys::{process, time};
use std::marker::PhantomData;
use std::time::Instant;

pub(crate) use super::interruption::{
    any_raised, block_os_thread, is_caller, is_interrupted, note_calm, own_task, raise_kill,
};
pub(crate) use super::sleeper::{Sleeper, is_green, os_thread};
pub(in crate::runtime) use super::yielding::rests;
pub(crate) use super::yielding::{
    dawdle, give_way, keeps_others_waiting, place, recall, spend_budget, spend_budget_holding,
    stand_back, yield_now,
};
pub(crate) use crate::runtime::lane::alarm::contended;
pub(crate) use crate::runtime::task::{Mark, Reason, Waiter};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    /// Its waiter was unparked.
    Notified,
    /// The deadline passed first.
    TimedOut,
    /// The green thread has been killed, or a timeout around the wait has expired. The caller takes its waiter back
    /// from where it put it, then calls [`raise_kill`].
    Killed,
}

/// What ends a wait besides its waiter. There is a type for each, so that each kind of wait is compiled separately.
trait EndedBy: Copy {
    /// Moves the park word to PARKED, for the token of `parker`. Returns whether it is still PARKED after a last look
    /// around.
    fn begin(self, parker: &Parker, task: &TaskRef) -> bool;
}

/// Nothing else, apart from what may end any wait: a deadline or an interruption.
#[derive(Clone, Copy)]
struct ByWaiterOnly;

/// A nudge also ends it.
#[derive(Clone, Copy)]
struct Open;

/// Every waker of the caller also ends it. The number is how many times wakers had been used when the caller looked.
#[derive(Clone, Copy)]
struct Wakeable(u64);

impl EndedBy for ByWaiterOnly {
    #[inline(always)]
    fn begin(self, parker: &Parker, task: &TaskRef) -> bool {
        task.park_word().park(parker.token, parker.interruptible) && !parker.ends_at_once(task)
    }
}

impl EndedBy for Open {
    #[inline(always)]
    fn begin(self, parker: &Parker, task: &TaskRef) -> bool {
        task.park_word().park_open(parker.token, parker.interruptible) && !parker.ends_at_once(task)
    }
}

impl EndedBy for Wakeable {
    #[inline(always)]
    fn begin(self, parker: &Parker, task: &TaskRef) -> bool {
        let (token, seen) = (parker.token, self.0);
        task.sleep_until_woken(token, parker.interruptible, seen, || parker.is_interrupted())
    }
}

/// One wait of the calling thread.
#[derive(Debug)]
pub(crate) struct Parker {
    sleeper: Sleeper,
    token: Token,
    interruptible: bool,
    /// How many unwinds are under way around the wait; `None` if that is not known.
    unwinds: Option<usize>,
    not_send: PhantomData<*mut ()>,
}

impl Parker {
    /// Begins a wait that a kill may end.
    #[inline]
    pub(crate) fn new() -> Self {
        Self::begin(true)
    }

    /// Begins a wait that a kill may end, if the caller is a green thread that may be suspended here.
    #[inline(always)]
    pub(crate) fn of_green_thread() -> Option<Self> {
        let unwinds = coroutine::unwinds();
        let green = current_green_within(unwinds)?;
        Some(Self::begin_with(Sleeper::Green(green), true, unwinds))
    }

    /// Like [`of_green_thread`](Self::of_green_thread), but only in the usual case that nobody unwinds, shields itself
    /// or ends the process. The code that is inlined after it need not check for these again.
    #[inline(always)]
    pub(super) fn of_calm_green_thread() -> Option<Self> {
        let green = current::running()?;
        if coroutine::any_unwinds() || !process::is_plain() {
            return None;
        }
        let token = green.with(|task| task.is_calm().then(|| task.park_word().prepare()))?;
        let (sleeper, unwinds) = (Sleeper::Green(green), Some(0));
        let interruptible = cfg!(panic = "unwind");
        Some(Self { sleeper, token, interruptible, unwinds, not_send: PhantomData })
    }

    /// Begins a wait that only its waker ends.
    pub(crate) fn uninterruptible() -> Self {
        Self::begin(false)
    }

    /// Begins a wait of `sleeper`, which is the calling thread; a kill may end it.
    pub(in crate::runtime) fn of(sleeper: &Sleeper) -> Self {
        let sleeper = match sleeper {
            Sleeper::Green(started) => Sleeper::Green(*started),
            Sleeper::Os(task) => Sleeper::Os(task.clone()),
        };
        Self::begin_as(sleeper, true)
    }

    #[inline]
    fn begin(interruptible: bool) -> Self {
        Self::begin_as(Sleeper::current(), interruptible)
    }

    #[inline(always)]
    fn begin_as(sleeper: Sleeper, interruptible: bool) -> Self {
        Self::begin_with(sleeper, interruptible, coroutine::unwinds())
    }

    /// Begins a wait around which `unwinds` unwinds are under way.
    #[inline(always)]
    fn begin_with(sleeper: Sleeper, interruptible: bool, unwinds: Option<usize>) -> Self {
        let (token, may_be_ended) = sleeper.with(|task| {
            task.note_calm();
            let may_be_ended = match unwinds {
                Some(0) => true,
                Some(unwinds) => task.may_be_interrupted(unwinds),
                // The interruption stays pending: it is better late than as a second unwind, which would end the
                // process.
                None => false,
            };
            (task.park_word().prepare(), may_be_ended && !task.is_shielded())
        });
        let interruptible = interruptible && may_be_ended && cfg!(panic = "unwind");
        Self { sleeper, token, interruptible, unwinds, not_send: PhantomData }
    }

    /// The right to end this wait.
    #[inline]
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter::new(self.sleeper.with(TaskRef::clone), self.token)
    }

    /// Whether `waiter` ends this wait.
    #[inline]
    pub(crate) fn made(&self, waiter: &Waiter) -> bool {
        self.sleeper.with(|task| waiter.is_for(task, self.token))
    }

    /// Sleeps until the waiter is unparked, the deadline passes, or the green thread is killed.
    pub(crate) fn park(&self, reason: Reason, deadline: Option<Instant>) -> Wake {
        self.park_here(reason, deadline)
    }

    /// Like [`park`](Self::park), and inlined into the few callers that are hot.
    #[inline(always)]
    pub(super) fn park_here(&self, reason: Reason, deadline: Option<Instant>) -> Wake {
        self.park_by(reason, deadline, ByWaiterOnly).unwrap_or(Wake::Notified)
    }

    /// Like [`park_on`](Self::park_on), for something with that `mark` which others may take as well. After `None` the
    /// caller is to look whether it is there, since another one that was woken for it may be held up. If it is not
    /// there, the caller calls this again, and the wait goes on.
    pub(crate) fn park_open(
        &self,
        mark: Mark,
        reason: Reason,
        deadline: Option<Instant>,
        blocker: Option<Blocker<'_>>,
    ) -> Option<Wake> {
        let park = || self.park_by(reason, deadline, Open);
        self.set_mark(mark);
        let wake = match (&self.sleeper, blocker) {
            (Sleeper::Green(started), Some(blocker)) => started.blocked_on(blocker, park),
            _ => park(),
        };
        self.set_mark(Mark::NONE);
        wake
    }

    /// Notes what the caller waits for, or what it has been woken for and has not come to yet.
    #[inline]
    pub(crate) fn set_mark(&self, mark: Mark) {
        self.sleeper.with(|task| task.set_mark(mark));
    }

    /// Like [`park`](Self::park), but every waker of the caller ends it too. It does not sleep if a waker has been used
    /// since their count was `seen`.
    pub(in crate::runtime) fn park_wakeable(&self, seen: u64, deadline: Option<Instant>) -> Wake {
        self.park_by(Reason::Future, deadline, Wakeable(seen)).unwrap_or(Wake::Notified)
    }

    /// The common part of all waits. Returns `None` if the wait was nudged and may go on.
    #[inline(always)]
    fn park_by(
        &self,
        reason: Reason,
        deadline: Option<Instant>,
        kind: impl EndedBy,
    ) -> Option<Wake> {
        dawdle();
        let within = self.unwinds.filter(|unwinds| *unwinds > 0 && self.interruptible);
        if let Some(unwinds) = within {
            self.set_unwinds(unwinds);
        }
        let wake = match &self.sleeper {
            Sleeper::Green(started) => self.park_green(*started, reason, deadline, kind),
            Sleeper::Os(task) => self.park_os_thread(task, deadline, kind),
        };
        if within.is_some() {
            self.set_unwinds(0);
        }
        dawdle();
        wake
    }

    /// Notes that the wait is in a destructor that an unwind runs, so that only a timeout or a group that began inside
    /// of that destructor ends it.
    #[cold]
    #[inline(never)]
    fn set_unwinds(&self, unwinds: usize) {
        self.sleeper.with(|task| task.set_unwinds(unwinds));
    }

    /// Like [`park`](Self::park), for a wait of which reports can say what it depends on.
    pub(crate) fn park_on(
        &self,
        reason: Reason,
        deadline: Option<Instant>,
        blocker: Blocker<'_>,
    ) -> Wake {
        match &self.sleeper {
            Sleeper::Green(started) => started.blocked_on(blocker, || self.park(reason, deadline)),
            Sleeper::Os(_) => self.park(reason, deadline),
        }
    }

    #[inline(always)]
    fn park_green(
        &self,
        started: Started,
        reason: Reason,
        deadline: Option<Instant>,
        kind: impl EndedBy,
    ) -> Option<Wake> {
        let interruption = self.interruption();
        if interruption.is_due() {
            // The interruption was raised before and caught, or came while we ran. The others have a turn first.
            requeue_and_suspend(started);
            return Some(Wake::Killed);
        }
        let (until, limited) = cut(interruption, deadline);
        let until = until.map(time::nanos);
        let timer =
            until.and_then(|at| current::with_lane(|lane| lane.add_timer(started, self.token, at)));
        let sleeps = started.with(|task| {
            task.set_wait(reason, until);
            kind.begin(self, task)
        });
        if sleeps {
            suspend_for(started, reason, self.unwinds == Some(0));
        }
        let outcome = started.with(|task| task.park_word().outcome());
        if let Some(timer) = timer
            && outcome != WaitOutcome::Expired
        {
            current::with_lane(|lane| lane.cancel_timer(timer));
        }
        started.with(|task| self.end_of(task, outcome, limited))
    }

    #[inline(never)]
    fn park_os_thread(
        &self,
        task: &TaskRef,
        deadline: Option<Instant>,
        kind: impl EndedBy,
    ) -> Option<Wake> {
        let interruption = self.interruption();
        if interruption.is_due() || self.is_refused() {
            return Some(Wake::Killed);
        }
        let (until, limited) = cut(interruption, deadline);
        if kind.begin(self, task) {
            sleep_os_thread(task, self.token, until);
        }
        self.end_of(task, task.park_word().outcome(), limited)
    }

    /// Looks at the kill flag a second time. This pairs with `kill`, which sets the flag and then looks at the park
    /// word.
    #[inline(always)]
    fn ends_at_once(&self, task: &TaskRef) -> bool {
        #[cold]
        #[inline(never)]
        fn slowly(parker: &Parker, task: &TaskRef) -> bool {
            parker.is_interrupted() && task.park_word().interrupt()
        }
        self.interruptible && task::any_interruption() && slowly(self, task)
    }

    #[inline(always)]
    fn end_of(&self, task: &TaskRef, outcome: WaitOutcome, limited: bool) -> Option<Wake> {
        match outcome {
            WaitOutcome::Notified => Some(Wake::Notified),
            WaitOutcome::Expired if !limited => Some(Wake::TimedOut),
            WaitOutcome::Expired | WaitOutcome::Interrupted => Some(Wake::Killed),
            WaitOutcome::Nudged if task.park_word().rearm(self.token) => None,
            WaitOutcome::Nudged => Some(Wake::Notified),
        }
    }

    #[inline]
    fn is_interrupted(&self) -> bool {
        self.interruptible
            && task::any_interruption()
            && self.sleeper.with(|task| task.is_interrupted(self.unwinds))
    }

    /// Whether the wait must not be made where the caller is.
    #[inline]
    pub(super) fn is_refused(&self) -> bool {
        self.interruptible && refuses_waits()
    }

    #[inline]
    pub(super) fn interruption(&self) -> Interruption {
        if self.interruptible && task::any_interruption() {
            self.sleeper.with(|task| task.interruption(self.unwinds))
        } else {
            Interruption::None
        }
    }
}
