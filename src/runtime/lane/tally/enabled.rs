//! The twin with the feature `counters`: the numbers of one worker.
#![forbid(unsafe_code)]

use super::counts::{Stacks, Worker};
use super::histogram::Log2;
use crate::runtime::task::Reason;
use crate::stack;
use crate::sys::rate;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many sizes of waits are told apart, in nanoseconds: the largest is more than half an hour.
const WAITS: usize = 42;
/// How many sizes are told apart of what one look at readiness brings.
const BATCHES: usize = 12;
/// After how many series of resumes the stacks are counted anew, unless the worker sleeps before.
const STACKS_EVERY: u64 = 64;

/// A number that one thread writes.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    #[inline(always)]
    pub(super) fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    #[inline(always)]
    fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn reset(&self) {
        self.set(0);
    }
}

/// The counts that the hub's own thread writes and others read.
#[derive(Debug, Default)]
#[repr(align(128))]
struct OwnCounts {
    spawned: Count,
    started: Count,
    ended: Count,
    failed: Count,
    /// How many times a task of the run queue was resumed, as of the last series.
    resumed: Count,
    /// How many times one yielded, as of the last series.
    yielded: Count,
    parked: Count,
    rested: Count,
    parked_for: [Count; Reason::ALL.len()],
    stolen: Count,
    woken_by_others: Count,
    polls: Count,
    events: Log2<BATCHES>,
    sleeps: Count,
    timers: Count,
    timers_fired: Count,
    ready: Count,
    series: Count,
    latency: Log2<WAITS>,
    stacks: Count,
    stacks_hot: Count,
    stacks_cold: Count,
    stacks_mapped: Count,
}

/// The counts that any thread writes which is no worker of the runtime.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Outside {
    spawned: AtomicU64,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    own: OwnCounts,
    outside: Outside,
}

impl Tally {
    /// Sets all numbers to zero, for another runtime. Nobody counts at this moment.
    pub(crate) fn reset(&self) {
        rate::measure();
        let own = &self.own;
        let counts = [
            &own.spawned,
            &own.started,
            &own.ended,
            &own.failed,
            &own.resumed,
            &own.yielded,
            &own.parked,
            &own.rested,
            &own.stolen,
            &own.woken_by_others,
            &own.polls,
            &own.sleeps,
            &own.timers,
            &own.timers_fired,
            &own.ready,
            &own.series,
            &own.stacks,
            &own.stacks_hot,
            &own.stacks_cold,
            &own.stacks_mapped,
        ];
        counts.into_iter().chain(&own.parked_for).for_each(Count::reset);
        own.events.reset();
        own.latency.reset();
        self.outside.spawned.store(0, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn spawned(&self) {
        self.own.spawned.add(1);
    }

    pub(crate) fn spawned_outside(&self) {
        self.outside.spawned.fetch_add(1, Ordering::Relaxed);
    }

    /// A task is about to run for the first time.
    #[inline(always)]
    pub(crate) fn started(&self) {
        self.own.started.add(1);
    }

    #[inline(always)]
    pub(crate) fn ended(&self, failed: impl FnOnce() -> bool) {
        self.own.ended.add(1);
        if failed() {
            self.own.failed.add(1);
        }
    }

    /// A green thread is about to be suspended for that reason.
    #[inline(always)]
    pub(crate) fn parked(&self, reason: Reason) {
        self.own.parked.add(1);
        self.own.parked_for[reason as usize].add(1);
    }

    #[inline(always)]
    pub(crate) fn rested(&self) {
        self.own.rested.add(1);
    }

    /// So many new tasks of another worker have been taken.
    pub(crate) fn stole(&self, count: impl FnOnce() -> usize) {
        self.own.stolen.add(count() as u64);
    }

    #[inline(always)]
    pub(crate) fn woken_by_another(&self) {
        self.own.woken_by_others.add(1);
    }

    /// The system was asked for readiness, and returned this many events.
    #[inline]
    pub(crate) fn polled(&self, events: impl FnOnce() -> usize) {
        self.own.polls.add(1);
        self.own.events.note(events() as u64);
    }

    #[inline(always)]
    pub(crate) fn fired(&self) {
        self.own.timers_fired.add(1);
    }

    pub(super) fn waited(&self, nanos: u64) {
        self.own.latency.note(nanos);
    }

    /// A series of resumes from the run queue has ended, and nothing runs. So each resume has led to one suspension or
    /// end, and those that are not counted by themselves are yields.
    #[inline]
    pub(crate) fn turned(&self, resumed: usize, ready: usize, timers: impl FnOnce() -> usize) {
        let own = &self.own;
        own.resumed.add(resumed as u64);
        let others = own.parked.get() + own.ended.get() + own.rested.get();
        own.yielded.set((own.resumed.get() + own.started.get()).saturating_sub(others));
        own.ready.set(ready as u64);
        own.series.add(1);
        if own.series.get().is_multiple_of(STACKS_EVERY) {
            own.timers.set(timers() as u64);
            self.count_stacks();
        }
    }

    /// The worker is about to sleep.
    pub(crate) fn sleeps(&self) {
        self.own.sleeps.add(1);
        self.count_stacks();
    }

    fn count_stacks(&self) {
        let counts = stack::counts();
        self.own.stacks.set(counts.used as u64);
        self.own.stacks_hot.set(counts.hot as u64);
        self.own.stacks_cold.set(counts.cold as u64);
        self.own.stacks_mapped.set(counts.mapped as u64);
    }

    /// How many tasks threads have spawned that are no workers of the runtime; they are counted at the first hub.
    pub(crate) fn spawned_by_others(&self) -> u64 {
        self.outside.spawned.load(Ordering::Relaxed)
    }

    /// What the hub has counted. Fields that are not counted here have their default values; the caller fills them in.
    pub(crate) fn read(&self) -> Worker {
        let own = &self.own;
        let parked_for = own.parked_for.iter().map(Count::get).zip(Reason::ALL);
        Worker {
            spawned: own.spawned.get(),
            started: own.started.get(),
            ended: own.ended.get(),
            failed: own.failed.get(),
            resumed: own.resumed.get() + own.started.get(),
            yielded: own.yielded.get(),
            rested: own.rested.get(),
            parked: parked_for
                .filter(|(count, _)| *count != 0)
                .map(|(count, reason)| (reason.text(), count))
                .collect(),
            stolen: own.stolen.get(),
            woken_by_others: own.woken_by_others.get(),
            polls: own.polls.get(),
            events: own.events.read(),
            sleeps: own.sleeps.get(),
            timers: own.timers.get(),
            timers_fired: own.timers_fired.get(),
            ready: own.ready.get(),
            latency: own.latency.read(),
            stacks: Stacks {
                used: own.stacks.get(),
                hot: own.stacks_hot.get(),
                cold: own.stacks_cold.get(),
                mapped: own.stacks_mapped.get(),
            },
            ..Worker::default()
        }
    }
}
