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

/// How many operations a green thread may do without waiting before the others get their turn.
const BUDGET: u32 = 128;
/// After how many resumes those that stand back are recalled. It is a number and not a time, so that a current-thread runtime has a
/// fixed order.
const STAND_BACK: usize = 32;

/// What a timer is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    Wake(SleepingTask, Token),
    /// A task is to start: the one with this place among the delayed ones.
    Start(u32),
    /// Tasks that wait for a stack are to look whether there is one by now.
    Stacks,
}

/// What the green threads of one OS thread touch when they wait, yield and are woken.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Lane {
    /// The first field, see `task/here.rs`.
    here: Here,
    shared: &'static LaneShared,
    /// The context of the OS thread, from which green threads are resumed.
    root: Root,
    budget: Cell<u32>,
    /// Started tasks that are ready too, but stand back: they let the others go first.
    back: Ring<Started>,
    /// After how many resumes those that stand back are recalled; zero while there are none.
    recall_in: Cell<usize>,
    /// Its tasks that have started and not ended.
    pub(crate) roster: RefCell<Roster>,
    pub(crate) timers: RefCell<Wheel<Due>>,
    /// Short writes of its green threads, which are sent together.
    pub(crate) outbox: Outbox,
    /// How many of its green threads wait for readiness.
    for_readiness: Cell<usize>,
    /// What was polled last waits for readiness.
    awaits_readiness: Cell<bool>,
    pub(in crate::runtime) probe: Probe,
}

impl Lane {
    /// Whether a pointer to one is a pointer to its [`Here`].
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

    /// The green thread that the caller is part of, be it current or on the worker's stack.
    #[inline]
    pub(crate) fn caller(&self) -> Option<Started> {
        self.here.current().or_else(|| self.here.lent())
    }

    #[inline(always)]
    pub(crate) fn root(&self) -> Root {
        self.root
    }

    /// A number that hardly any other lane has, and that is not zero.
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

    /// Queues a task that is about to suspend itself, to run when nothing else is ready or the others have had a few turns.
    pub(crate) fn stand_back(&self, started: Started) {
        self.back.push(started);
        if self.recall_in.get() == 0 {
            self.recall_in.set(STAND_BACK);
        }
    }

    /// Has those that stand back recalled at the next look.
    pub(crate) fn recall_soon(&self) {
        if self.recall_in.get() != 0 {
            self.recall_in.set(1);
        }
    }

    /// Recalls those that stand back, if it is time to. `ran` is how many tasks have been resumed since the last look.
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

    /// Forgets all that could run: it never does.
    pub(crate) fn forget_ready(&self) {
        while self.here.ready().pop().is_some() || self.back.pop().is_some() {}
    }

    // --- budget -----------------------------------------------------------------------------------------------------

    /// Notes which green thread runs from here on.
    #[inline(always)]
    pub(crate) fn begin(&self, started: Started) {
        self.here.set_current(Some(started));
        self.budget.set(BUDGET);
    }

    /// Counts an operation that did not wait; returns `true` when it is time to let the others run.
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

    // --- times and readiness ----------------------------------------------------------------------------------------

    /// Has a green thread of this lane woken at that time, in nanoseconds.
    pub(crate) fn add_timer(&self, started: Started, token: Token, at: u64) -> TimerId {
        self.timers.borrow_mut().insert(at, Due::Wake(started.sleeper(), token))
    }

    pub(crate) fn cancel_timer(&self, timer: TimerId) {
        self.timers.borrow_mut().cancel(timer);
    }

    /// Counts the calling green thread, which begins or ends a wait for readiness.
    #[inline]
    pub(crate) fn count_for_readiness(&self, change: isize) {
        self.for_readiness.set(self.for_readiness.get().wrapping_add_signed(change));
    }

    /// A future begins to wait for readiness, if `lane` is this one; says whether it is.
    #[inline]
    pub(crate) fn await_readiness(&self, lane: &LaneShared) -> bool {
        let is_own = std::ptr::eq(self.shared, lane);
        self.awaits_readiness.set(is_own);
        is_own
    }

    /// Whether one has since this was asked last.
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
