//! A hub: what one OS thread needs to run green threads. What other threads touch of it is in [`HubShared`].
#![forbid(unsafe_code)]

use super::questions::AnswerPace;
use super::scheduler::Scheduler;
use super::shared::HubShared;
use super::stackless::Stackless;
use crate::runtime::lane::local::Lane;
use crate::runtime::task::{Entrance, Started, TaskRef, Woken};
use crate::stack::StackSize;
use crate::sys::poll::Poller;
use crate::sys::{clock, process};
use crossbeam_deque::Worker;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The part of a hub that only its own OS thread touches.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Hub {
    /// This is the first field, see `task/here.rs`.
    lane: Lane,
    pub(super) shared: &'static HubShared,
    pub(crate) scheduler: Arc<Scheduler>,
    /// New tasks, which other workers may steal.
    pub(crate) fresh: Worker<TaskRef>,
    /// New tasks that must not be stolen. If there are no thieves, all new tasks are here, as a queue that nobody else
    /// looks into needs no atomic operations.
    pub(super) local: RefCell<VecDeque<TaskRef>>,
    /// Whether all tasks have been killed, and new ones are killed when their turn comes.
    pub(super) winds_down: Cell<bool>,
    pub(super) entrance: Entrance,
    /// Tasks whose turn has come and that wait for a stack.
    pub(super) stackless: RefCell<Stackless>,
    /// Whether the spare stack for them is missing: it is in use, or there never was one.
    pub(super) lacks_spare: Cell<bool>,
    pub(super) poller: RefCell<Poller>,
    pub(super) stack_size: StackSize,
    /// When the present measurement of how busy the hub is began, and for how many ticks it has slept since.
    pub(super) measured: Cell<(u64, u64)>,
    pub(super) answers: AnswerPace,
    /// The status with which a forked child is to end. It is set when the green thread that forked has ended in the
    /// child.
    pub(super) child_status: Cell<Option<i32>>,
}

impl Hub {
    /// Whether a pointer to a hub is also a pointer to its lane.
    pub(super) const STARTS_WITH_LANE: bool = offset_of!(Self, lane) == 0;

    /// Makes the hub of the calling OS thread.
    pub(crate) fn new(
        shared: &'static HubShared,
        scheduler: Arc<Scheduler>,
        fresh: Worker<TaskRef>,
        poller: Poller,
        stack_size: StackSize,
    ) -> Self {
        shared.watched.set_thread();
        shared.questions.open();
        shared.thread.store(process::this_thread(), Ordering::Relaxed);
        let stackless = Stackless::new(stack_size);
        Self {
            lane: Lane::new(&shared.lane),
            shared,
            scheduler,
            fresh,
            local: RefCell::default(),
            winds_down: Cell::new(false),
            entrance: Entrance::default(),
            lacks_spare: Cell::new(!stackless.has_spare()),
            stackless: RefCell::new(stackless),
            poller: RefCell::new(poller),
            stack_size,
            measured: Cell::new((clock::ticks(), 0)),
            answers: AnswerPace::default(),
            child_status: Cell::new(None),
        }
    }

    #[inline(always)]
    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Whether the hub belongs to the process from which this one was forked. Then nothing runs on it any more.
    #[inline(always)]
    pub(crate) fn is_parents(&self) -> bool {
        self.child_status.get().is_some()
    }

    /// The status with which a forked child ends when nothing is left to run in it: as if its `main` had returned, or
    /// panicked.
    pub(crate) fn child_status(&self) -> Option<i32> {
        self.child_status.get()
    }

    #[inline(always)]
    pub(crate) fn shared(&self) -> &'static HubShared {
        self.shared
    }

    /// The green thread that is running, if there is one; it may run on the worker's stack.
    #[inline(always)]
    pub(crate) fn current(&self) -> Option<Started> {
        self.lane.caller()
    }

    pub(crate) fn stack_size(&self) -> StackSize {
        self.stack_size
    }

    // --- new tasks ------------------------------------------------------------------------------------------------

    /// Gives a place on the roll to a task that is about to be scheduled.
    #[inline]
    pub(crate) fn enroll(&self, task: &TaskRef) {
        self.lane.tally().spawned();
        self.entrance.enter(&self.shared.roll, task);
    }

    /// Queues a new task of the hub's own scheduler that was made or taken over on this OS thread.
    #[inline]
    pub(crate) fn push_new(&self, task: TaskRef) {
        if task.is_local() { self.push_local(task) } else { self.scheduler.push_from(self, task) }
    }

    /// Queues a new task that must start here.
    #[inline(always)]
    pub(crate) fn push_local(&self, task: TaskRef) {
        let mut local = self.local.borrow_mut();
        local.push_back(task);
        self.shared.own.local.store(local.len(), Ordering::Relaxed);
    }

    /// Takes a new task that no other hub may take.
    #[inline(always)]
    pub(super) fn pop_local(&self) -> Option<TaskRef> {
        let mut local = self.local.borrow_mut();
        let task = local.pop_front()?;
        self.shared.own.local.store(local.len(), Ordering::Relaxed);
        Some(task)
    }

    /// If there are no thieves, moves what has come from elsewhere behind what was made here.
    pub(super) fn keep_stolen(&self) {
        while let Some(task) = self.fresh.pop() {
            self.push_local(task);
        }
    }

    /// Whether the hub has tasks to start that no other hub may take.
    pub(crate) fn has_local(&self) -> bool {
        !self.local.borrow().is_empty()
    }

    // --- what is counted --------------------------------------------------------------------------------------------

    /// Counts what was done since the last call, in which this many tasks of the run queue were resumed.
    #[inline(always)]
    pub(super) fn count_turns(&self, resumed: usize) {
        let ready = self.lane.here().ready().len();
        self.lane.tally().turned(resumed, ready, || self.lane.timers.borrow().len());
        self.lane.probe.follow_last(ready);
    }

    // --- what other threads have woken ------------------------------------------------------------------------------

    /// Takes in the tasks that other threads have woken.
    #[inline(always)]
    pub(super) fn drain_mailbox(&self) {
        let mailbox = &self.shared.lane.mailbox;
        if !mailbox.is_empty() {
            mailbox.drain(|woken| match woken {
                Woken::Ready(task) => {
                    self.lane.tally().woken_by_another();
                    self.lane.probe.woken(self.lane.here().ready().len(), task);
                    self.lane.here().woken(task);
                }
                Woken::Delayed(place) => self.end_delay(place),
            });
        }
    }
}
