//! Green threads that wait for one another while others go on, even if that is only a `main` that sleeps.
//!
//! The lookout looks now and then which green threads wait for a lock, an initialization or the end of another one, in
//! all runtimes of the process. If some have been in the same wait since the last look, the hubs are asked who has what
//! each of them waits for. If that leads round in a circle, through one runtime or several, it is reported.
//!
//! The hubs answer one after the other. But a green thread that is in the same wait before the question and after the
//! last answer has been suspended all that time. So what it held when one answer named it, it still holds. A hub that
//! is held up does not answer in time: then the answers of the others are used without it, and all are asked again
//! later.
#![forbid(unsafe_code)]

use super::blocked::{Blocked, blocked, describe, holders};
use super::census::{self, Census};
use super::inquiry::{ANSWER_WITHIN, Inquiry, MORE, PRINT_AT_MOST};
use crate::runtime::hub::life::Phase;
use crate::runtime::hub::local::Hub;
use crate::runtime::hub::questions::Step;
use crate::runtime::hub::scheduler::Scheduler;
use crate::runtime::hub::shared::HubShared;
use crate::runtime::task::{Reason, TaskRef};
use crate::sys::clock;
use crate::sys::report;
use crate::util::circles::circles;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Looking takes at most one part of the time in this many.
const SHARE: u32 = 100;

/// The waits of green threads, by the green threads' ids: a number for each wait.
type WaitNumbers = HashMap<u64, u64>;

/// What the lookout remembers for finding knots.
#[derive(Debug)]
pub(super) struct Knots {
    patience: Duration,
    next: Instant,
    /// The waits that were seen at the last look.
    seen: WaitNumbers,
    /// The waits about which the hubs have been asked.
    asked: WaitNumbers,
    /// The waits that have been reported already.
    told: WaitNumbers,
    /// The question that the hubs have not all answered yet.
    question: Option<KnotQuestion>,
    /// Whether workers have been awake since the last look, or a wait seen then was new, so that there is something to
    /// look for.
    owes: bool,
}

/// A question to the hubs: some of those in these waits may wait for one another, whatever the others do.
#[derive(Debug)]
struct KnotQuestion {
    waits: WaitNumbers,
    /// The waits in runtimes in which nothing can go on any more, with the number of the runtime. If a circle is within
    /// one of these, its hubs find and report it themselves.
    stuck: HashMap<u64, usize>,
    census: Arc<Census<Blocked>>,
    asked_at: Instant,
    /// Whether a hub was not asked, since it has not yet answered an earlier question.
    left_out: bool,
}

impl Knots {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            next: clock::now() + patience,
            seen: WaitNumbers::new(),
            asked: WaitNumbers::new(),
            told: WaitNumbers::new(),
            question: None,
            owes: true,
        }
    }

    /// Whether it is to look once more even though nothing goes on.
    pub(super) fn owes(&self) -> bool {
        self.owes || self.question.is_some()
    }

    /// Called when workers are awake, or have been.
    pub(super) fn note_movement(&mut self) {
        self.owes = true;
    }

    /// Looks, if it is time.
    pub(super) fn look(&mut self, all: &[(Arc<Scheduler>, Arc<Inquiry>)]) {
        let begun = clock::now();
        if let Some(question) = self.question.take() {
            self.question = self.answered(question);
        }
        if self.question.is_some() || !self.owes || begun < self.next {
            return;
        }
        self.owes = false;
        let before = std::mem::take(&mut self.seen);
        let asked = std::mem::take(&mut self.asked);
        let (mut hubs, mut stuck) = (Vec::<&'static HubShared>::new(), HashMap::new());
        let (mut any_fresh, mut is_new, mut runtimes) = (false, false, 0);
        for (at, (scheduler, inquiry)) in all.iter().enumerate() {
            if scheduler.phase() != Phase::Running {
                continue;
            }
            let tasks = scheduler.tasks();
            let waits: WaitNumbers =
                tasks.iter().filter_map(|task| Some((task.id(), lasting(task)?))).collect();
            let is_old = |(id, wait): &(&u64, &u64)| before.get(id) == Some(wait);
            let old: WaitNumbers =
                waits.iter().filter(is_old).map(|(id, wait)| (*id, *wait)).collect();
            self.owes |= old.len() < waits.len();
            self.seen.extend(waits);
            if old.is_empty() {
                continue;
            }
            let is_stuck = inquiry.has_begun()
                || scheduler.hubs().iter().all(|hub| hub.is_sleeping() && hub.is_stuck());
            let is_fresh = old.iter().any(|(id, wait)| asked.get(id) != Some(wait));
            (any_fresh, is_new) = (any_fresh | is_fresh, is_new | (is_fresh && !is_stuck));
            runtimes += 1;
            if is_stuck {
                stuck.extend(old.keys().map(|id| (*id, at)));
            }
            hubs.extend(scheduler.hubs().iter().copied());
            self.asked.extend(old);
        }
        // Green threads of a runtime that is stuck may wait for those of another.
        if is_new || (any_fresh && runtimes > 1) {
            let count = hubs.len();
            hubs.retain(|hub| !hub.is_being_asked());
            let step = |hub: &Hub, found: &mut Vec<Blocked>| {
                found.extend(blocked(hub));
                Step::Answered
            };
            self.question = Some(KnotQuestion {
                waits: self.asked.clone(),
                stuck,
                left_out: hubs.len() < count,
                asked_at: clock::now(),
                census: census::ask(&hubs, step),
            });
        }
        self.next = clock::now() + self.patience.max(clock::since(begun) * SHARE);
    }

    /// Reports what the hubs have answered. Returns the question if the answers are not complete and it is worth
    /// waiting longer.
    fn answered(&mut self, question: KnotQuestion) -> Option<KnotQuestion> {
        let is_complete = question.census.is_complete();
        if !is_complete && clock::since(question.asked_at) < ANSWER_WITHIN {
            return Some(question);
        }
        if !is_complete || question.left_out {
            self.asked.clear();
            self.owes = true;
        }
        let blocked = question.census.take().into_iter().flatten().flatten().collect();
        let mut knots = among(blocked, &question);
        self.told.retain(|id, wait| question.waits.get(id) == Some(wait));
        knots.retain(|one| {
            let id = one.task().id();
            let wait = question.waits.get(&id).copied().unwrap_or_default();
            self.told.insert(id, wait) != Some(wait)
        });
        if !knots.is_empty() {
            report(format_args!(
                "green threads wait for one another, and only a kill can end that:\n{}\n{MORE}",
                describe(&knots, PRINT_AT_MOST)
            ));
        }
        None
    }
}

/// A number for the wait of a task, if it has no deadline and is for something that a thread which may be known is to
/// do.
fn lasting(task: &TaskRef) -> Option<u64> {
    let is_known = matches!(task.reason(), Reason::Lock | Reason::Once | Reason::Join);
    task.lasting_wait().filter(|_| is_known)
}

/// Those that wait for one another in a circle, among those that have been in these waits since before the hubs were
/// asked.
fn among(mut blocked: Vec<Blocked>, question: &KnotQuestion) -> Vec<Blocked> {
    blocked.retain(|one| {
        let wait = question.waits.get(&one.task().id());
        wait.is_some() && lasting(one.task()).as_ref() == wait
    });
    let holders = holders(&blocked);
    let places: HashMap<u64, usize> =
        blocked.iter().enumerate().map(|(at, one)| (one.task().id(), at)).collect();
    let next: Vec<Option<usize>> = blocked
        .iter()
        .map(|one| holders.of(&one.waiting).and_then(|holder| places.get(&holder.id()).copied()))
        .collect();
    let mut is_told = vec![false; blocked.len()];
    for circle in circles(&next) {
        let stuck = |at: usize| question.stuck.get(&blocked[at].task().id());
        let of_one =
            stuck(circle[0]).is_some() && circle.iter().all(|at| stuck(*at) == stuck(circle[0]));
        circle.into_iter().for_each(|at| is_told[at] = !of_one);
    }
    let mut at = 0;
    blocked.retain(|_| {
        at += 1;
        is_told[at - 1]
    });
    blocked
}
