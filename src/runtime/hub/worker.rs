//! The loop of a worker.
//!
//! Rule A: run what is ready (up to 61), then start *one* new task (and more only while they end at once, or if there
//! are no thieves). So a burst of spawns is shared out: while this worker gets one of them going, thieves take others.
#![forbid(unsafe_code)]

use super::life::Phase;
use super::local::Hub;
use super::observer::Observer;
use super::running::START_AT_MOST;
use super::scheduler::WATCH_EVERY;
use crate::runtime::task::{TaskRef, new_task};
use crate::stack::{self, budget::Reservation};
use crate::sys::clock;
use std::time::{Duration, Instant};

/// After at most this many resumes a worker looks at the outside: at its injectors, timers and other workers.
const OUTSIDE_EVERY: usize = 61;
/// A worker looks at readiness at one in this many of its looks at the outside.
const READINESS_EVERY: u32 = 4;
/// A worker reads the processor's counter once in this many turns, as green threads may run long between two
/// suspensions. It also does after a turn that ran as many as may be started in a row.
const TICKS_EVERY: u64 = 4;
/// After this many ticks, about a millisecond, it looks at the outside and at readiness, however few tasks have been
/// resumed.
const LATE: u64 = 1 << 21;
/// A busy worker looks for tasks to rescue, whatever the loads, at one in this many of its looks at the outside.
const RESCUE_EVERY: u32 = 1024;
/// How often a worker gives back the memory of stacks that it has not used since the last time. It does not do so more
/// often: a page that comes back costs as much as several spawns, and what is needed every few seconds should be there.
const TRIM_EVERY: Duration = Duration::from_secs(5);
/// How often a worker that winds down checks whether to give up.
const GIVE_UP_EVERY: Duration = Duration::from_millis(20);
/// How long a worker that has given up some of its tasks takes at most to drop what these have left.
const BURY_WITHIN: Duration = Duration::from_millis(500);

/// Runs green threads until `over` returns `true` or the runtime's end begins.
pub(crate) fn run(hub: &Hub, observer: &impl Observer, over: impl Fn() -> bool) {
    let over = || over() || hub.scheduler.phase() != Phase::Running;
    let start = |hub: &Hub, task: TaskRef| {
        // The end is only looked for now and then, but a task that comes after the end must not run.
        if hub.scheduler.phase() != Phase::Running {
            task.end();
        }
        hub.start(task)
    };
    turn(hub, start, over, observer);
}

/// Kills every green thread of the hub and runs them until they have ended; new ones end without running. When
/// `give_up` returns `true`, leaves those that have not ended where they are, and returns their names.
pub(crate) fn wind_down(hub: &Hub, give_up: impl Fn() -> bool) -> Vec<String> {
    if hub.is_parents() {
        return Vec::new();
    }
    hub.kill_all();
    let end = |over: &dyn Fn() -> bool| {
        let start = |hub: &Hub, task: TaskRef| {
            task.end();
            hub.start(task)
        };
        turn(hub, start, || hub.is_empty() || over(), &WindingDown);
        hub.leak_all()
    };
    let given_up = end(&give_up);
    if given_up.is_empty() && hub.is_empty() {
        return Vec::new();
    }
    // What given-up and never-begun tasks hold is dropped by green threads too, which also tell those who wait for
    // their ends, as this runs code and destructors of users, which may wait. Green threads that take too long for it
    // are given up in their turn.
    let mut names: Vec<String> = given_up.iter().map(name_of).collect();
    for task in &given_up {
        let task = task.clone();
        let (undertaker, _) = new_task(move || task.end_leaked(), None, None, Reservation::NONE);
        undertaker.refuse_kills();
        hub.push_local(undertaker);
    }
    let until = clock::now() + BURY_WITHIN;
    let again = end(&|| clock::now() >= until);
    names.extend(again.iter().map(name_of));
    for task in given_up.into_iter().chain(again).filter(|task| !task.is_done()) {
        task.complete_leaked();
    }
    // Nobody is left to start these tasks, so what they hold stays where it is.
    while let Some(task) = hub.pop_leftover() {
        task.complete_leaked();
    }
    names
}

/// The name of a task that is given up, and what it waited for.
fn name_of(task: &TaskRef) -> String {
    format!("'{task}' (last waited for {})", task.reason().text())
}

#[inline(always)]
fn turn(
    hub: &Hub,
    start: impl Fn(&Hub, TaskRef) -> bool,
    over: impl Fn() -> bool,
    observer: &impl Observer,
) {
    let mut since_outside = 0;
    let mut resumed = 0;
    let mut ran = 0;
    let mut outside = 0u32;
    let mut trim_at = None;
    let mut turns = hub.shared().turns();
    let mut looked_at = clock::ticks();
    // Whether others have woken nobody because this worker was about to look for new tasks.
    let mut is_relied_on = false;
    while !hub.is_parents() {
        hub.drain_mailbox();
        hub.wake_foreign();
        if is_relied_on {
            is_relied_on = false;
            hub.scheduler.pass_on(hub);
        }
        hub.lane().recall(ran);
        let of_queue = hub.run_ready(OUTSIDE_EVERY);
        resumed += of_queue;
        ran = of_queue + hub.start_fresh(&start);
        since_outside += ran;
        turns = turns.wrapping_add(1);
        hub.shared().set_turns(turns);
        let mut late = false;
        if ran >= START_AT_MOST || turns.is_multiple_of(TICKS_EVERY) {
            let now = clock::ticks();
            late = now.wrapping_sub(looked_at) > LATE;
            if late {
                looked_at = now;
                hub.measure(now);
            }
        }
        if ran != 0 && since_outside < OUTSIDE_EVERY && !late {
            continue;
        }
        if hub.is_parents() {
            // One of those has forked, and this is the child, which must not take readiness that is the parent's.
            return;
        }
        since_outside = 0;
        hub.count_turns(std::mem::take(&mut resumed));
        hub.fire_timers();
        hub.replace_spare();
        hub.answer(ran == 0 && !hub.lane().has_ready());
        if over() {
            hub.send_outgoing();
            return;
        }
        outside = outside.wrapping_add(1);
        let found = if ran == 0 {
            hub.scheduler.search(hub)
        } else {
            hub.scheduler.find(hub, outside.is_multiple_of(RESCUE_EVERY))
        };
        if let Some(task) = found {
            start(hub, task);
        } else if ran == 0 && !hub.lane().has_ready() {
            idle(hub, observer, &mut trim_at);
            // The sleep has just asked for readiness.
            looked_at = clock::ticks();
            is_relied_on = true;
            continue;
        } else {
            is_relied_on = ran == 0;
        }
        if late || outside.is_multiple_of(READINESS_EVERY) {
            hub.poll_now();
        }
    }
}

/// The observer of a worker that winds down: makes it check now and then whether to give up.
struct WindingDown;

impl Observer for WindingDown {
    fn before_sleep(&self, _: &Hub) -> bool {
        true
    }

    fn look_after(&self, _: &Hub) -> Option<Duration> {
        Some(GIVE_UP_EVERY)
    }

    fn after_sleep(&self, _: &Hub, _: bool) {}
}

/// Sleeps until there is something to do, but at most until the observer is to look.
fn idle(hub: &Hub, observer: &impl Observer, trim_at: &mut Option<Instant>) {
    if hub.wake_foreign() || !hub.scheduler.prepare_sleep(hub) {
        return;
    }
    if !observer.before_sleep(hub) {
        return hub.scheduler.end_sleep(hub);
    }
    let look_after = match hub.scheduler.phase() {
        Phase::Running => observer.look_after(hub),
        Phase::Ending | Phase::GivingUp => Some(GIVE_UP_EVERY),
    };
    let trim_after = if hub.winds_down.get() { None } else { trim(hub, trim_at) };
    let at_most = [look_after, trim_after, hub.answers_after()].into_iter().flatten().min();
    let undisturbed = if hub.scheduler.has_new() {
        let moment = at_most.map_or(WATCH_EVERY, |at_most| at_most.min(WATCH_EVERY));
        hub.scheduler.watching(|| hub.sleep(Some(moment)));
        false
    } else {
        hub.sleep(at_most)
    };
    hub.scheduler.end_sleep(hub);
    observer.after_sleep(hub, undisturbed && at_most == look_after);
}

/// Gives the memory of unused stacks back, if it is time. Returns after how long to do so again.
fn trim(hub: &Hub, at: &mut Option<Instant>) -> Option<Duration> {
    if !stack::has_surplus() {
        *at = None;
        return None;
    }
    let now = clock::now();
    if at.is_some_and(|at| at <= now) {
        hub.trim();
        *at = None;
    }
    Some(at.get_or_insert(now + TRIM_EVERY).saturating_duration_since(now))
}
