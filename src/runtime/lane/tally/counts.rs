//! The numbers of one worker, as users get them.
#![forbid(unsafe_code)]

use super::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;

/// What one worker of a runtime has done since the runtime was made, and what it has now.
///
/// Numbers of what has happened only go up. A worker updates those that belong to its green threads' turns after a
/// series of turns, some 61 at most; so they stand still while one green thread runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Worker {
    /// The system's number for its OS thread; zero if it has none now.
    pub thread: i32,
    /// Green threads that were scheduled by it, wherever they started.
    pub spawned: u64,
    /// Green threads that it has started.
    pub started: u64,
    /// Green threads that have ended there, in whatever way.
    pub ended: u64,
    /// How many of those have panicked or were killed.
    pub failed: u64,
    /// Green threads that have started there and not ended yet, at this moment.
    pub live: u64,
    /// How many times it has resumed a green thread, first turns included.
    pub resumed: u64,
    /// How many times a green thread has given way to the others and could go on at once.
    pub yielded: u64,
    /// How many times a green thread has waited, for each thing to wait for by the name that dumps use.
    pub parked: BTreeMap<&'static str, u64>,
    /// How many times a future was left pending without a stack.
    pub rested: u64,
    /// New green threads that it has taken from other workers.
    pub stolen: u64,
    /// How many times another thread has woken one of its green threads.
    pub woken_by_others: u64,
    /// Green threads that can run, as of the last look.
    pub ready: u64,
    /// New green threads that are queued there, at this moment.
    pub queued: u64,
    /// How long green threads that could run waited for their turn, in nanoseconds. It is not known of every one: one
    /// at a time is followed.
    pub latency: Histogram,
    /// How many times it has asked the system which sockets and other descriptors are ready.
    pub polls: u64,
    /// How many of them were ready each time.
    pub events: Histogram,
    /// How many times it has slept, as there was nothing to do.
    pub sleeps: u64,
    /// The part of the last period in which it was not asleep, between 0 and 1.
    pub busy: f64,
    /// Timers that are set, as of the last look.
    pub timers: u64,
    /// Timers whose time has come.
    pub timers_fired: u64,
    /// Its stacks, as of the last look.
    pub stacks: Stacks,
}

/// The stacks of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stacks {
    /// Stacks that green threads have.
    pub used: u64,
    /// Free stacks that still have their memory.
    pub hot: u64,
    /// Free stacks whose memory was given back to the system.
    pub cold: u64,
    /// Bytes of address space that are mapped for all stacks, some of which no stack uses.
    pub mapped: u64,
}

impl Worker {
    /// How many times its green threads have waited, for whatever.
    #[must_use]
    pub fn parked_in_all(&self) -> u64 {
        self.parked.values().sum()
    }

    /// Adds the numbers of another worker. `busy` is then the sum, so that for two workers it is between 0 and 2.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self { spawned, started, ended, failed, live, resumed, yielded, parked, .. } = other;
        self.spawned += spawned;
        self.started += started;
        self.ended += ended;
        self.failed += failed;
        self.live += live;
        self.resumed += resumed;
        self.yielded += yielded;
        parked.iter().for_each(|(reason, count)| *self.parked.entry(reason).or_default() += count);
        self.rested += other.rested;
        self.stolen += other.stolen;
        self.woken_by_others += other.woken_by_others;
        self.ready += other.ready;
        self.queued += other.queued;
        self.latency.add(&other.latency);
        self.polls += other.polls;
        self.events.add(&other.events);
        self.sleeps += other.sleeps;
        self.busy += other.busy;
        self.timers += other.timers;
        self.timers_fired += other.timers_fired;
        self.stacks.used += other.stacks.used;
        self.stacks.hot += other.stacks.hot;
        self.stacks.cold += other.stacks.cold;
        self.stacks.mapped += other.stacks.mapped;
    }
}
