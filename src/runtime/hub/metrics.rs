//! The numbers of the workers, put together for users.
#![forbid(unsafe_code)]

use super::scheduler::Scheduler;
use super::shared::{BUSY, HubShared};
use crate::runtime::lane::tally::Worker;
use std::sync::atomic::Ordering;

impl Scheduler {
    /// The numbers of each worker.
    pub(crate) fn metrics(&self) -> Vec<Worker> {
        let own = |at: usize| {
            let hub = self.hubs()[at];
            (hub.pinned.len() + hub.own.local.load(Ordering::Relaxed) + self.loads.queued(at))
                as u64
        };
        let of = |(at, hub): (usize, &&HubShared)| Worker { queued: own(at), ..hub.metrics() };
        self.hubs().iter().enumerate().map(of).collect()
    }

    /// How many tasks threads have scheduled that are none of its workers.
    pub(crate) fn spawned_outside(&self) -> u64 {
        self.hubs()[0].lane.tally.spawned_by_others()
    }
}

impl HubShared {
    /// What the worker has counted, and what can be said of it now.
    pub(crate) fn metrics(&self) -> Worker {
        Worker {
            thread: self.thread(),
            live: self.live() as u64,
            busy: self.busy() as f64 / BUSY as f64,
            ..self.lane.tally.read()
        }
    }
}
