//! What waits for a worker that a green thread holds up, as the lookout asks; and how tasks that can start elsewhere
//! are taken from it.
//!
//! Invariant: nothing that has started is touched, as it starts and ends on its own worker.
#![forbid(unsafe_code)]

use super::loads::is_held;
use super::scheduler::Scheduler;
use super::shared::HubShared;
use crate::runtime::task::TaskRef;
use crate::sys::time;

/// The work that waits for a worker that is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct Behind {
    /// How many started green threads would run now.
    pub(in crate::runtime) started: usize,
    /// How many new green threads would start.
    pub(in crate::runtime) new: usize,
    /// Whether the system has events of sockets and the like.
    pub(in crate::runtime) readiness: bool,
}

impl Behind {
    pub(in crate::runtime) fn is_nothing(self) -> bool {
        self == Self { started: 0, new: 0, readiness: false }
    }
}

impl Scheduler {
    /// The work that waits for worker `at` while that runs something else.
    #[cold]
    pub(in crate::runtime) fn waits_behind(&self, at: usize) -> Behind {
        let (hub, now) = (self.hubs()[at], time::now());
        let (mailbox, running) = (&hub.lane.mailbox, hub.running());
        let (mut started, mut new) = (0, 0);
        // Only this worker starts what is local, and if there are no other workers it alone starts everything.
        let alone = !self.has_thieves();
        let mut count = |task: &TaskRef, is_of_hub: bool| {
            if !task.could_run(now) {
            } else if task.has_started() {
                started += usize::from(task.is_of(mailbox) && !task.runs_on(mailbox, running));
            } else {
                new += usize::from(alone || (is_of_hub && task.is_local()));
            }
        };
        for roll in self.rolls() {
            let mut tasks = Vec::new();
            roll.list(&mut tasks);
            tasks.iter().for_each(|task| count(task, std::ptr::eq(roll, &raw const hub.roll)));
        }
        new += hub.delayed.lock().due(now);
        if !alone {
            new += self.loads.queued(at) + hub.pinned.len();
        }
        Behind { started, new, readiness: hub.lane.sources.has_news() }
    }

    /// Takes the tasks that are to start later from workers that are held up, and queues them for other workers.
    pub(in crate::runtime) fn rescue_delayed(&self) {
        let holds = |hub: &HubShared| !hub.is_sleeping() && is_held(hub);
        for hub in self.hubs() {
            if hub.has_delayed() && holds(hub) && !self.hubs().iter().all(|other| holds(other)) {
                hub.take_delayed().into_iter().for_each(|task| self.inject(task));
            }
        }
    }
}
