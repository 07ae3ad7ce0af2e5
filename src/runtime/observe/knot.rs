//! Green threads that wait for one another while others go on, if only `main` by sleeping.
//!
//! The lookout looks now and then which green threads wait for a lock, an initialization or the end of another. Where some have been in the
//! same wait since it looked last, the hubs are asked who holds up each wait; and if that leads round in a circle, it is reported.
//!
//! The hubs answer one after the other. But whoever is in the same wait before the question and after the last answer has been
//! suspended all that time, so what it held when one answer named it, it holds still.
#![forbid(unsafe_code)]

use super::blocked::{Blocked, holders};
use super::inquiry::{Inquiry, Question};
use crate::runtime::hub::scheduler::{Phase, Scheduler};
use crate::runtime::task::{Reason, TaskRef};
use crate::util::circles::circles;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Looking takes at most one part in so many of the time.
const SHARE: u32 = 100;

/// The waits of green threads, by their ids: a number for each wait.
pub(super) type Waits = HashMap<u64, u64>;

/// What the lookout remembers for that.
#[derive(Debug)]
pub(super) struct Knots {
    patience: Duration,
    next: Instant,
    /// What was seen when it looked last.
    seen: Waits,
    /// What the hubs have been asked about.
    asked: Waits,
    /// Whether workers have been awake since, or somebody has only begun to wait.
    owes: bool,
}

impl Knots {
    pub(super) fn new(patience: Duration) -> Self {
        let next = Instant::now() + patience;
        Self { patience, next, seen: Waits::new(), asked: Waits::new(), owes: true }
    }

    /// Whether it is to look once more though nothing moves.
    pub(super) fn owes(&self) -> bool {
        self.owes
    }

    /// Called when workers are awake, or have been.
    pub(super) fn note_movement(&mut self) {
        self.owes = true;
    }

    /// Looks, if it is time to.
    pub(super) fn look(&mut self, all: &[(Arc<Scheduler>, Arc<Inquiry>)]) {
        let begun = Instant::now();
        if !self.owes || begun < self.next {
            return;
        }
        self.owes = false;
        let before = std::mem::take(&mut self.seen);
        let asked = std::mem::take(&mut self.asked);
        for (scheduler, inquiry) in all {
            if scheduler.phase() != Phase::Running {
                continue;
            }
            let tasks = scheduler.tasks();
            let waits: Waits =
                tasks.iter().filter_map(|task| Some((task.id(), lasting(task)?))).collect();
            let is_old = |(id, wait): &(&u64, &u64)| before.get(id) == Some(wait);
            let old: Waits = waits.iter().filter(is_old).map(|(id, wait)| (*id, *wait)).collect();
            self.owes |= old.len() < waits.len();
            // Where all are stuck, that is found out and told by the hubs themselves.
            let stuck = scheduler.hubs().iter().all(|hub| hub.is_sleeping() && hub.is_stuck());
            if !stuck && old.iter().any(|(id, wait)| asked.get(id) != Some(wait)) {
                Inquiry::ask(inquiry, scheduler, Question::Knots(old.clone()));
            }
            self.asked.extend(old);
            self.seen.extend(waits);
        }
        self.next = Instant::now() + self.patience.max(begun.elapsed() * SHARE);
    }
}

/// A number for the wait that a task is in, if that is for somebody who may be known, and for no certain time.
fn lasting(task: &TaskRef) -> Option<u64> {
    let is_known = matches!(task.reason(), Reason::Lock | Reason::Once | Reason::Join);
    task.lasting_wait().filter(|_| is_known)
}

/// Those that wait for one another in a circle, of those that have been in these waits since before the hubs were asked.
pub(super) fn among(mut blocked: Vec<Blocked>, waits: &Waits) -> Vec<Blocked> {
    blocked.retain(|one| {
        let wait = waits.get(&one.task().id());
        wait.is_some() && lasting(one.task()).as_ref() == wait
    });
    let holders = holders(&blocked);
    let places: HashMap<u64, usize> =
        blocked.iter().enumerate().map(|(at, one)| (one.task().id(), at)).collect();
    let next: Vec<Option<usize>> = blocked
        .iter()
        .map(|one| holders.of(&one.waiting).and_then(|holder| places.get(&holder.id()).copied()))
        .collect();
    let in_circle: HashSet<usize> = circles(&next).into_iter().flatten().collect();
    let mut at = 0;
    blocked.retain(|_| {
        at += 1;
        in_circle.contains(&(at - 1))
    });
    blocked
}
