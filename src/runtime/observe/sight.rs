//! What every green thread does, and where it is.
//!
//! Each hub says this of its own green threads, a few at a time, so that others have a turn in between. If a hub does
//! not answer, the green thread that it runs is asked by a signal, as the watchdog does. Tasks that no hub has started
//! are found on the roll.
#![forbid(unsafe_code)]

use super::census::{self, Census};
pub(crate) use super::holders::{Holders, KnownWait};
use super::{lookout, watchdog};
use crate::coroutine::Tracer;
use crate::runtime::hub::local::Hub;
use crate::runtime::hub::questions::Step;
use crate::runtime::hub::scheduler::Scheduler;
use crate::runtime::hub::shared::HubShared;
use crate::runtime::task::{Live, Reason, TaskRef};
use crate::sys::{clock, time};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many green threads a hub looks at before others run again. Each takes about a
/// microsecond, and some more where none was seen at the same place before.
const AT_ONCE: usize = 64;

/// A hub that has run the same green thread for this long without a pause is not waited for any more.
const HELD: Duration = Duration::from_millis(300);

/// How many references there are to a green thread that parks, if there is no handle to it: its hub's, that of `park`,
/// the one in the waiter that an `unpark` would use, and that of the look.
const OF_FORGOTTEN: usize = 4;

/// What one green thread does.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) waiting: KnownWait,
    pub(crate) doing: Doing,
    /// The number of its worker, if it has started.
    pub(crate) worker: Option<usize>,
    /// The number of its present wait.
    pub(crate) wait: u64,
    /// How many bytes of its stack are in use, and how many it has.
    pub(crate) used: Option<(usize, usize)>,
    /// Where it is, innermost first.
    pub(crate) addresses: Arc<[usize]>,
    /// Whether too little of its stack is left for it to find out where it is.
    pub(crate) lacks_room: bool,
    /// Whether it waits for an `unpark`, and nobody has a handle to it.
    pub(crate) forgotten: bool,
}

impl Sight {
    pub(crate) fn task(&self) -> &TaskRef {
        &self.waiting.task
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It has not started.
    New,
    /// It is to start later.
    Delayed,
    Ready,
    Running,
    /// It waits, and if that has a deadline, for at most this long.
    Waiting(Option<Duration>),
}

/// A worker of a runtime.
#[derive(Debug)]
pub(crate) struct WorkerSight {
    /// The system's number for its OS thread.
    pub(crate) thread: i32,
    /// Whether it has told of all of its green threads.
    pub(crate) answered: bool,
}

/// A runtime.
#[derive(Debug)]
pub(crate) struct RuntimeSight {
    /// The name; `None` for a current-thread runtime.
    pub(crate) name: Option<String>,
    pub(crate) workers: Vec<WorkerSight>,
    pub(crate) tasks: Vec<Sight>,
}

/// For each hub of a runtime, the number of the resume that goes on, and since when that is known.
struct RunningSince(Vec<Option<(u64, Instant)>>);

impl RunningSince {
    /// A record that begins now.
    fn since_now(hubs: &[&'static HubShared]) -> Self {
        let mut held = Self(vec![None; hubs.len()]);
        (0..hubs.len()).for_each(|hub| _ = held.is_held(hubs, hub));
        held
    }

    fn is_held(&mut self, hubs: &[&'static HubShared], hub: usize) -> bool {
        self.note(hub, hubs[hub].watched.now(), clock::now())
    }

    /// Whether the hub has run the same green thread for so long that it counts as held up.
    fn note(&mut self, hub: usize, runs: Option<u64>, now: Instant) -> bool {
        let since = &mut self.0[hub];
        match (runs, *since) {
            (Some(runs), Some((before, at))) if runs == before => now - at >= HELD,
            _ => {
                *since = runs.map(|runs| (runs, now));
                false
            }
        }
    }
}

/// Looks at all runtimes. Waits for workers that go on answering. For one that does not, waits until it is seen to be
/// held up, but no longer than `patience`.
pub(crate) fn look(patience: Duration) -> Vec<RuntimeSight> {
    let asked: Vec<_> = lookout::runtimes()
        .into_iter()
        .map(|(name, scheduler)| {
            let held = RunningSince::since_now(scheduler.hubs());
            let census = ask(scheduler.hubs());
            (name, scheduler, census, held)
        })
        .collect();
    let answered = asked.into_iter().map(|(name, scheduler, census, mut held)| {
        census.wait(patience, |hub| held.is_held(scheduler.hubs(), hub));
        put_together(name, &scheduler, census.take_with_empty())
    });
    answered.collect()
}

/// The names of the green threads that run now, and where each of them is.
pub(crate) fn running() -> Vec<(String, Vec<usize>)> {
    let runtimes = lookout::runtimes();
    let hubs = runtimes.iter().flat_map(|(_, scheduler)| scheduler.hubs());
    let seen = hubs.filter_map(|hub| watchdog::look_at(hub));
    seen.map(|seen| (seen.name, seen.addresses)).collect()
}

fn ask(hubs: &[&'static HubShared]) -> Arc<Census<Sight>> {
    let (mut from, mut tracer) = (0, Tracer::default());
    census::ask(hubs, move |hub: &Hub, found: &mut Vec<Sight>| {
        let (some, next) = hub.lane().roster.borrow().some(from, AT_ONCE);
        found.extend(some.into_iter().map(|live| seen(hub, live, &mut tracer)));
        match next {
            Some(next) => {
                from = next;
                Step::Goes
            }
            None => Step::Answered,
        }
    })
}

fn doing(task: &TaskRef) -> Doing {
    let now = time::now();
    if task.could_run(now) {
        return Doing::Ready;
    }
    let until = task.waits_until().map(|until| Duration::from_nanos(until.saturating_sub(now)));
    Doing::Waiting(until)
}

/// Whether it parks, and nobody has a handle to it. It is suspended, so it cannot make one now; a reference that
/// somebody else has for a moment only hides it.
fn is_forgotten(task: &TaskRef) -> bool {
    let of_family = usize::from(task.is_daemon() && task.family().is_some());
    task.reason() == Reason::Park && task.references() == OF_FORGOTTEN + of_family
}

/// What is seen of a green thread of the hub, which runs none at this moment.
fn seen(hub: &Hub, live: Live, tracer: &mut Tracer) -> Sight {
    let trace = live.started().map(|started| started.look(hub.lane().root(), tracer));
    let waiting = KnownWait::of(live);
    let doing = live.with(doing);
    Sight {
        forgotten: doing == Doing::Waiting(None) && is_forgotten(&waiting.task),
        waiting,
        doing,
        worker: None,
        wait: live.with(|task| task.park_word().number()),
        used: trace.as_ref().map(|trace| (trace.used, trace.size)),
        lacks_room: trace.as_ref().is_some_and(|trace| trace.lacks_room),
        addresses: trace.map_or_else(|| [].into(), |trace| trace.addresses),
    }
}

/// What is known of a green thread of which its hub has said nothing. If the hub is among those that `answered`, the
/// green thread has started since.
fn unseen(scheduler: &Scheduler, answered: &[bool], task: TaskRef) -> Sight {
    let mut sight = Sight {
        doing: Doing::New,
        waiting: KnownWait::unknown(task),
        worker: None,
        wait: 0,
        used: None,
        addresses: [].into(),
        lacks_room: false,
        forgotten: false,
    };
    if !sight.task().has_started() {
        let waits = sight.task().meta().is_some_and(|meta| meta.start_at.is_some());
        sight.doing = if waits { Doing::Delayed } else { Doing::New };
        return sight;
    }
    let mut hubs = scheduler.hubs().iter().enumerate();
    let own = hubs.find(|(_, hub)| sight.task().is_of(&hub.lane.mailbox));
    let Some((at, hub)) = own else { return sight };
    if answered[at] {
        return sight;
    }
    sight.worker = Some(at);
    sight.doing = doing(sight.task());
    if sight.task().runs_on(&hub.lane.mailbox, hub.running()) {
        sight.doing = Doing::Running;
        // The hub may have switched to another green thread meanwhile.
        let place = watchdog::look_at(hub);
        let still = sight.task().runs_on(&hub.lane.mailbox, hub.running());
        sight.addresses =
            place.filter(|_| still).map_or_else(|| [].into(), |seen| seen.addresses.into());
    }
    sight
}

fn put_together(
    name: Option<String>,
    scheduler: &Scheduler,
    answers: Vec<Option<Vec<Sight>>>,
) -> RuntimeSight {
    let workers = scheduler
        .hubs()
        .iter()
        .zip(&answers)
        .map(|(hub, answer)| WorkerSight { thread: hub.thread(), answered: answer.is_some() });
    let workers = workers.collect();
    let answered: Vec<bool> = answers.iter().map(Option::is_some).collect();
    let of_hub = |(at, answer): (usize, Option<Vec<Sight>>)| {
        let all = answer.unwrap_or_default().into_iter();
        all.map(move |sight| Sight { worker: Some(at), ..sight })
    };
    let mut tasks: Vec<Sight> = answers.into_iter().enumerate().flat_map(of_hub).collect();
    let known: HashSet<u64> = tasks.iter().map(|sight| sight.task().id()).collect();
    let others = scheduler.tasks().into_iter().filter(|task| !known.contains(&task.id()));
    tasks.extend(others.map(|task| unseen(scheduler, &answered, task)));
    tasks.retain(|sight| !sight.task().is_done());
    RuntimeSight { name, workers, tasks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_held_up_by_one_green_thread_only() {
        let (mut held, begun) = (RunningSince(vec![None; 2]), clock::now());
        assert!(!held.note(1, Some(7), begun));
        assert!(!held.note(1, Some(7), begun + HELD / 2));
        assert!(held.note(1, Some(7), begun + HELD));
        // This is another turn, even if it is of the same green thread.
        assert!(!held.note(1, Some(8), begun + 2 * HELD));
        assert!(held.note(1, Some(8), begun + 3 * HELD));
        assert!(!held.note(1, None, begun + 4 * HELD), "it looks at the outside, or sleeps");
        assert!(!held.note(1, Some(8), begun + 5 * HELD));
        assert!(!held.note(0, Some(8), begun + 5 * HELD), "each for itself");
    }
}
