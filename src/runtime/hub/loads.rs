//! How much each worker of a runtime has to do, and what follows from that: where a new task goes, and who may take it elsewhere.
//!
//! A green thread never leaves the worker on which it starts, so that is chosen with care. A worker's *load* is how
//! many tasks have started there and not ended, plus how many are queued there. A new task goes to the worker with the
//! least load, if that is clearly less. The load of a worker that has been busy lately counts as up to an eighth more,
//! so that it gets a little less. A worker takes what is queued elsewhere only if its own load is smaller, and no more
//! than makes both equal. So neither the worker that wakes up first, nor the one that gets a processor from the system
//! first, ends up with everything.
//!
//! Invariant: everything here only reads, and what it has read may be out of date at once. The scheduler moves tasks.
#![forbid(unsafe_code)]

use super::shared::{BUSY, HubShared};
use crate::runtime::task::TaskRef;
use crossbeam_deque::Stealer;
use std::time::Duration;

/// A worker places new tasks at another one if its own load is larger by at least this much.
const PLACEMENT_MARGIN: usize = 2;
/// The unit of [`weight`]: a load counts as one eighth more if the worker was busy all of the time, which is [`BUSY`].
const WEIGHT: usize = 8 * BUSY;
/// A worker that has been held up for this long is given no new tasks.
const HELD: Duration = Duration::from_millis(50);

/// The workers of one runtime, by number.
#[derive(Debug)]
pub(super) struct Loads {
    hubs: Box<[&'static HubShared]>,
    /// The ends of the workers' own queues from which others take. There are none if the thread that calls `run` is the
    /// only worker.
    stealers: Box<[Stealer<TaskRef>]>,
}

/// A load that takes account of how busy the worker was: for one that had no pause it counts as an eighth more, or as a
/// few more if it is small.
#[inline]
fn weight(hub: &HubShared, load: usize) -> usize {
    let busy = hub.busy();
    load * (WEIGHT + busy) + busy * PLACEMENT_MARGIN * WEIGHT / BUSY
}

/// Whether the worker is held up, so that new tasks should start elsewhere.
pub(super) fn is_held(hub: &HubShared) -> bool {
    hub.held_for() > HELD
}

impl Loads {
    pub(super) fn new(hubs: Box<[&'static HubShared]>, stealers: Box<[Stealer<TaskRef>]>) -> Self {
        Self { hubs, stealers }
    }

    #[inline(always)]
    pub(super) fn hubs(&self) -> &[&'static HubShared] {
        &self.hubs
    }

    pub(super) fn stealers(&self) -> &[Stealer<TaskRef>] {
        &self.stealers
    }

    /// The load of worker `at`: how many tasks have started there and not ended, and how many are queued there.
    #[inline]
    fn load(&self, at: usize) -> usize {
        self.hubs[at].live() + self.queued(at)
    }

    /// How many tasks are queued at worker `at` that others may start.
    #[inline]
    pub(super) fn queued(&self, at: usize) -> usize {
        self.hubs[at].placed.len() + self.stealers.get(at).map_or(0, Stealer::len)
    }

    /// Whether there are tasks anywhere that any worker may start.
    pub(super) fn has_new(&self) -> bool {
        (0..self.hubs.len()).any(|at| self.queued(at) != 0)
    }

    /// The worker with the least weight, and that weight. A worker that is held up is chosen only if all are.
    pub(super) fn lightest(&self) -> (&'static HubShared, usize) {
        let one = |at: usize| {
            let hub = self.hubs[at];
            let weight = weight(hub, self.load(at));
            ((is_held(hub), weight, !hub.is_sleeping()), hub)
        };
        let all = (0..self.hubs.len()).map(one);
        match all.min_by_key(|(key, _)| *key) {
            Some(((false, weight, _), hub)) => (hub, weight),
            Some(((true, ..), hub)) => (hub, usize::MAX / 2),
            None => (self.hubs[0], 0),
        }
    }

    /// A worker with clearly less load than `own` (rule B).
    #[inline]
    pub(super) fn lighter_than(&self, own: &HubShared) -> Option<&'static HubShared> {
        let live = own.live();
        if live <= PLACEMENT_MARGIN {
            return None;
        }
        let (lightest, other) = self.lightest();
        (other + PLACEMENT_MARGIN * WEIGHT < weight(own, live) && !std::ptr::eq(lightest, own))
            .then_some(lightest)
    }

    /// The workers other than `own` that have something queued, by number.
    pub(super) fn others_with_new(&self, own: &HubShared) -> impl Iterator<Item = usize> {
        let others = (0..self.hubs.len()).filter(|at| !std::ptr::eq(self.hubs[*at], own));
        others.filter(|at| self.queued(*at) != 0)
    }

    /// Of the workers other than `own` that have something queued, the one with the highest load; and how many of its
    /// tasks a worker with the load `load` may take.
    pub(super) fn fullest(&self, own: &HubShared, load: usize) -> Option<(usize, usize)> {
        let at = self.others_with_new(own).max_by_key(|at| self.load(*at))?;
        Some((at, self.share(load, at)))
    }

    /// How many of the tasks queued at worker `from` a worker with the load `own` may take: no more than makes the two
    /// loads equal, and no more than its share of all.
    fn share(&self, own: usize, from: usize) -> usize {
        let all: usize = (0..self.hubs.len()).map(|at| self.load(at)).sum();
        let share = all.div_ceil(self.hubs.len()).saturating_sub(own);
        share.min(self.load(from).saturating_sub(own).div_ceil(2))
    }

    /// Whether others have so much queued that a worker with `live` tasks and nothing queued may take some of it.
    pub(super) fn has_share(&self, live: usize) -> bool {
        (0..self.hubs.len()).any(|at| self.queued(at) != 0 && self.share(live, at) != 0)
    }
}
