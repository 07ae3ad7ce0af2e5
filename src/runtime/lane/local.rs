//! The part of a lane that only its own OS thread touches.
#![forbid(unsafe_code)]

use super::outbox::Outbox;
use super::roster::Roster;
use super::shared::LaneShared;
use super::tally::{Probe, Tally};
use super::timer::{TimerId, Wheel};
use crate::coroutine::Root;
use crate::runtime::task::here::Here;
use crate::runtime::task::{Ready, SleepingTask, Started, Token};
use crate::sys::time;
use crate::util::ring::Ring;
use std::cell::{Cell, RefCell};
use std::mem::offset_of;
use std::sync::atomic::Ordering;

/// How many operations that need not wait a green thread does before the others have a turn.
const BUDGET: u32 = 128;
/// After how many resumes those that stand back are recalled. It is a number of resumes and not a time, so that the
/// order on a current-thread runtime is fixed.
const STAND_BACK: usize = 32;

/// What happens when a timer fires.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    Wake(SleepingTask, Token),
    /// A delayed task is to start, the one at this place among the delayed ones.
    Start(u32),
    /// Tasks that wait for a stack are to look whether there is one now.
    Stacks,
}

/// What the green threads of one OS thread touch when they wait, yield and are woken.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Lane {
    /// This is the first field, see `task/here.rs`.
    here: Here,
    shared: &'static LaneShared,
    /// The context of the OS thread, from which green threads are resumed.
    root: Root,
    budget: Cell<u32>,
    /// Started tasks that could run, but stand back: they let others have several turns first.
    back: Ring<Started>,
    /// After how many more resumes those that stand back are recalled; zero if there are none.
    recall_in: Cell<usize>,
    /// The tasks that have started on this lane and not ended.
    pub(crate) roster: RefCell<Roster>,
    pub(crate) timers: RefCell<Wheel<Due>>,
    /// Short writes of its green threads, which are sent together.
    pub(crate) outbox: Outbox,
    /// How many of its green threads wait for readiness.
    for_readiness: Cell<usize>,
    /// Whether a future that waits for readiness has been polled since [`awaited_readiness`](Self::awaited_readiness)
    /// was last asked.
    awaits_readiness: Cell<bool>,
    pub(in crate::runtime) probe: Probe,
}

impl Lane {
    /// Whether a pointer to a lane is also a pointer to its [`Here`].
    pub(crate) const STARTS_WITH_HERE: bool = offset_of!(Self, here) == 0;

    /// Makes the lane of the calling OS thread.
    pub(crate) fn new(shared: &'static LaneShared) -> Self {
        Self {
            here: Here::new(&shared.mailbox),
            shared,
            root: Root::of_this_thread(),
            budget: Cell::new(0),
            back: Ring::with_capacity(0),
            recall_in: Cell::new(0),
            roster: RefCell::default(),
            timers: RefCell::new(Wheel::new(time::now())),
            outbox: Outbox::new(),
            for_readiness: Cell::new(0),
            awaits_readiness: Cell::new(false),
            probe: Probe::default(),
        }
    }

    #[inline(always)]
    pub(crate) fn shared(&self) -> &'static LaneShared {
        self.shared
    }

    #[inline(always)]
    pub(in crate::runtime) fn tally(&self) -> &'static Tally {
        &self.shared.tally
    }

    #[inline(always)]
    pub(crate) fn here(&self) -> &Here {
        &self.here
    }

    /// The green thread that is running, if one is.
    #[inline(always)]
    pub(crate) fn current(&self) -> Option<Started> {
        self.here.current()
    }

    /// The green thread to which the caller belongs, whether it runs on its own stack or on the worker's.
    #[inline]
    pub(crate) fn caller(&self) -> Option<Started> {
        self.here.current().or_else(|| self.here.lent())
    }

    #[inline(always)]
    pub(crate) fn root(&self) -> Root {
        self.root
    }

    /// A number that is not zero, and that hardly any other lane has.
    #[inline]
    pub(crate) fn place(&self) -> u16 {
        let apart = std::ptr::from_ref(self.shared).addr() / align_of::<LaneShared>();
        (apart as u16).max(1)
    }

    // --- ready and back ---------------------------------------------------------------------------------------------

    /// Queues a started task of this lane that is suspended or rests, or is about to.
    #[inline(always)]
    pub(crate) fn push_ready(&self, task: impl Into<Ready>) {
        self.here.ready().push(task.into());
    }

    #[inline(always)]
    pub(crate) fn has_ready(&self) -> bool {
        self.here.ready().len() > 0
    }

    /// Queues a task that is about to suspend itself. It runs when nothing else is ready, or when the others have had a
    /// few turns.
    pub(crate) fn stand_back(&self, started: Started) {
        self.back.push(started);
        if self.recall_in.get() == 0 {
            self.recall_in.set(STAND_BACK);
        }
    }

    /// Has those that stand back recalled the next time that the lane is asked to.
    pub(crate) fn recall_soon(&self) {
        if self.recall_in.get() != 0 {
            self.recall_in.set(1);
        }
    }

    /// Recalls those that stand back, if it is time. `ran` is how many tasks have been resumed since the last call.
    #[inline(always)]
    pub(crate) fn recall(&self, ran: usize) {
        let left = self.recall_in.get();
        if left != 0 {
            self.count_down(left.saturating_sub(ran));
        }
    }

    #[inline(never)]
    fn count_down(&self, left: usize) {
        let left = if self.has_ready() { left } else { 0 };
        self.recall_in.set(left);
        if left == 0 {
            while let Some(started) = self.back.pop() {
                self.push_ready(started);
            }
        }
    }

    /// Forgets all tasks that could run: they never do.
    pub(crate) fn forget_ready(&self) {
        while self.here.ready().pop().is_some() || self.back.pop().is_some() {}
    }

    // --- budget -----------------------------------------------------------------------------------------------------

    /// Notes that this green thread runs from here on, with a new budget.
    #[inline(always)]
    pub(crate) fn begin(&self, started: Started) {
        self.here.set_current(Some(started));
        self.budget.set(BUDGET);
    }

    /// Counts an operation that did not wait. Returns `true` when it is time to let the others run.
    #[inline]
    pub(crate) fn spend_budget(&self) -> bool {
        let left = self.budget.get();
        if left > 1 {
            self.budget.set(left - 1);
            return false;
        }
        self.budget.set(BUDGET);
        self.current().is_some()
    }

    // --- timers and readiness
    // -----------------------------------------------------------------------------------------

    /// Sets a timer that wakes a green thread of this lane at that time, in nanoseconds.
    pub(crate) fn add_timer(&self, started: Started, token: Token, at: u64) -> TimerId {
        self.timers.borrow_mut().insert(at, Due::Wake(started.sleeper(), token))
    }

    pub(crate) fn cancel_timer(&self, timer: TimerId) {
        self.timers.borrow_mut().cancel(timer);
    }

    /// Counts the calling green thread when it begins or ends a wait for readiness.
    #[inline]
    pub(crate) fn count_for_readiness(&self, change: isize) {
        self.for_readiness.set(self.for_readiness.get().wrapping_add_signed(change));
    }

    /// Notes that a future begins to wait for readiness, if `lane` is this one. Returns whether it is.
    #[inline]
    pub(crate) fn await_readiness(&self, lane: &LaneShared) -> bool {
        let is_own = std::ptr::eq(self.shared, lane);
        self.awaits_readiness.set(is_own);
        is_own
    }

    /// Whether a future has begun to wait for readiness since this was last asked.
    #[inline(always)]
    pub(crate) fn awaited_readiness(&self) -> bool {
        self.awaits_readiness.replace(false)
    }

    /// Whether none of its green threads waits for a time or for readiness.
    pub(crate) fn is_stuck(&self) -> bool {
        self.for_readiness.get() == 0
            && self.shared.watching.load(Ordering::SeqCst) == 0
            && self.timers.borrow().is_empty()
    }
}
