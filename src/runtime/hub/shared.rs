//! The part of a hub that every thread may touch.
#![forbid(unsafe_code)]

use super::delayed::DelayedList;
use super::held::HeldUp;
use super::questions::Questions;
use crate::runtime::lane::shared::LaneShared;
use crate::runtime::task::{OpenRoll, Roll, TaskRef, Watched};
use crate::sys::process::PerProcess;
use crate::util::lock::Mutex;
use crate::util::static_pool::StaticPool;
use crossbeam_deque::Injector;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The shared part is never freed, as a late waker may still look at it.
#[derive(Debug)]
pub(crate) struct HubShared {
    pub(crate) lane: LaneShared,
    /// New tasks that others have placed here, as this hub has clearly less load (rule B). Every hub may take them.
    pub(crate) placed: Injector<TaskRef>,
    /// New tasks that must start here, from other threads.
    pub(in crate::runtime) pinned: Injector<TaskRef>,
    /// The tasks that the hub has scheduled.
    pub(in crate::runtime) roll: Roll,
    /// The tasks that OS threads outside of the runtime have scheduled. They are all at the first hub of a scheduler.
    pub(in crate::runtime) from_outside: OpenRoll,
    /// Tasks that are to start later.
    pub(in crate::runtime) delayed: Mutex<DelayedList>,
    pub(super) own: Own,
    held: HeldUp,
    pub(super) questions: Questions,
    /// The system's number for its OS thread.
    pub(super) thread: AtomicI32,
    /// Whether a green thread was given up here. It may still be woken, so this is never used for another hub.
    pub(super) spoiled: AtomicBool,
    /// Whether none of its green threads waited for a time or for readiness when the hub went to sleep.
    stuck: AtomicBool,
    pub(in crate::runtime) watched: Watched,
}

/// What the hub writes all the time and others read now and then. It has cache lines of its own, apart from what others
/// write.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Own {
    /// How many new tasks are queued that no other hub may take.
    pub(super) local: AtomicUsize,
    /// How many tasks have started here and not ended.
    pub(super) live: AtomicUsize,
    /// The part of the last period in which the hub was not asleep, as a number of [`BUSY`] parts.
    pub(super) busy: AtomicUsize,
    /// Goes up with each turn of the worker's loop.
    turns: AtomicU64,
    /// The address of the green thread that runs, or zero.
    pub(super) running: AtomicUsize,
}

/// The value of [`HubShared::busy`] for a hub that has not slept lately.
pub(in crate::runtime) const BUSY: usize = 256;
static POOL: PerProcess<StaticPool<HubShared>> = PerProcess::new();

impl HubShared {
    /// Takes one from the pool of unused ones, or makes one.
    pub(crate) fn take() -> &'static Self {
        let hub = POOL.get(StaticPool::new).take(|| Self {
            lane: LaneShared::new(),
            placed: Injector::new(),
            pinned: Injector::new(),
            roll: Roll::default(),
            from_outside: OpenRoll::default(),
            delayed: Mutex::default(),
            own: Own::default(),
            held: HeldUp::default(),
            questions: Questions::default(),
            thread: AtomicI32::new(0),
            spoiled: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            watched: Watched::default(),
        });
        hub.lane.tally.reset();
        hub
    }

    /// Puts one back that was never opened, or that is closed and has no task left anywhere. No scheduler has it any
    /// more.
    pub(crate) fn give(&'static self) {
        if !self.spoiled.load(Ordering::Relaxed) && !self.is_parents() {
            POOL.get(StaticPool::new).give(self);
        }
    }

    /// Whether it belongs to the process from which this one was forked.
    pub(crate) fn is_parents(&self) -> bool {
        self.lane.mailbox.is_parents()
    }

    #[inline]
    pub(crate) fn live(&self) -> usize {
        self.own.live.load(Ordering::Relaxed)
    }

    /// The part of the last period in which the hub was not asleep, as a number of [`BUSY`] parts.
    #[inline]
    pub(in crate::runtime) fn busy(&self) -> usize {
        if self.is_sleeping() { 0 } else { self.own.busy.load(Ordering::Relaxed) }
    }

    /// How many turns the worker's loop has made.
    pub(in crate::runtime) fn turns(&self) -> u64 {
        self.own.turns.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(in crate::runtime) fn set_turns(&self, turns: u64) {
        self.own.turns.store(turns, Ordering::Relaxed);
    }

    /// A number for what the hub does now, which changes with each turn of its loop and each green thread; `None` if it
    /// runs no green thread.
    pub(in crate::runtime) fn doing(&self) -> Option<u64> {
        let running = self.own.running.load(Ordering::Relaxed) as u64;
        let turns = self.own.turns.load(Ordering::Relaxed);
        (running != 0 && !self.is_sleeping()).then_some((turns << 32) ^ running)
    }

    /// The address of the green thread that it runs.
    pub(in crate::runtime) fn running(&self) -> usize {
        self.own.running.load(Ordering::Relaxed)
    }

    /// The system's number for its OS thread.
    pub(in crate::runtime) fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// For how long it has been seen to run the same green thread, which computes or blocks the OS thread.
    pub(in crate::runtime) fn held_for(&self) -> Duration {
        let look = |doing| self.held.look(doing, self.thread.load(Ordering::Relaxed));
        self.doing().map_or(Duration::ZERO, look)
    }

    /// How many of the tasks queued here others may take now, because the hub is held up.
    pub(in crate::runtime) fn to_be_rescued(&self) -> usize {
        let held = self.held_for();
        if held.is_zero() { 0 } else { self.held.rescue(held) }
    }

    /// Whether, when the hub went to sleep, only other threads could wake its green threads.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::SeqCst)
    }

    pub(in crate::runtime) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn is_sleeping(&self) -> bool {
        self.lane.mailbox.is_sleeping()
    }

    /// Ends the hub's sleep, if it sleeps, and returns whether it did. The caller has put something where the hub will find it.
    pub(crate) fn wake(&self) -> bool {
        self.lane.mailbox.wake()
    }
}
