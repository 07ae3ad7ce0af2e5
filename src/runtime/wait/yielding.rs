//! Letting other green threads of the worker run.
#![forbid(unsafe_code)]

use super::hooks;
use super::interruption::{own_task, raise_kill};
use super::sleeper::{Sleeper, current_green, is_green};
use crate::coroutine::{self, Root};
use crate::runtime::lane::current;
use crate::runtime::lane::local::Lane;
use crate::runtime::task::{self, Reason, Started, TaskRef, switch};
use crate::sys::random::SharedNumbers;
use crate::sys::{fault, process};
use crate::util::sync;
use std::time::Duration;

/// Like `suspend`, for a wait whose park word says that it sleeps. `is_calm` says that the caller has just seen that it
/// does not unwind.
#[inline(always)]
pub(super) fn suspend_for(started: Started, reason: Reason, is_calm: bool) {
    let root = current::with_lane(|lane| {
        lane.tally().parked(reason);
        lane.root()
    });
    let Some(root) = root else { return };
    if is_calm && !process::has_hooks() {
        switch::suspend_calm(started, root);
    } else {
        inside_hooks(started, || switch::suspend(started, root));
    }
}

#[inline(always)]
fn suspend(started: Started) {
    let Some(root) = current::with_lane(|lane| lane.root()) else { return };
    inside_hooks(started, || switch::suspend(started, root));
}

/// Calls `suspend`, which suspends `started`, inside of the hooks, if there are any.
#[inline(always)]
fn inside_hooks(started: Started, suspend: impl FnOnce()) {
    if process::has_hooks() {
        hooks::outside(started, suspend);
    } else {
        suspend();
    }
}

/// Suspends `started`, which does not unwind. A hook may unwind, as it may let the others run from a destructor.
#[inline(always)]
pub(super) fn suspend_calm(started: Started, root: Root) {
    if process::has_hooks() {
        hooks::outside(started, || switch::suspend(started, root));
    } else {
        switch::suspend_calm(started, root);
    }
}

/// Like [`give_way`], but lets the others have several turns, if there are any. Does nothing on a plain OS thread.
pub(crate) fn stand_back() {
    let Some(started) = current_green() else { return };
    current::with_lane(|lane| lane.stand_back(started));
    suspend(started);
}

/// Lets those that stand back on the calling worker run as soon as others have had one turn.
pub(crate) fn recall() {
    current::with_lane(Lane::recall_soon);
}

/// A number for the worker of the caller; zero if it is none. Two workers seldom have the same.
#[inline]
pub(crate) fn place() -> u16 {
    current::with_lane(|lane| lane.place()).unwrap_or(0)
}

/// Yields as [`yield_now`] does, if `started` is what runs and others are ready. Returns `false`, and does nothing,
/// otherwise; also where it may not be suspended, or if it has just begun to wait for readiness, which none of the
/// others brings about.
#[inline(always)]
pub(in crate::runtime) fn let_others_run(started: Started) -> bool {
    let root = current::with_lane(|lane| {
        let yields = !lane.awaited_readiness()
            && lane.has_ready()
            && lane.current() == Some(started)
            && !process::is_exiting()
            && !std::thread::panicking();
        yields.then(|| {
            lane.push_ready(started);
            lane.root()
        })
    });
    let Some(root) = root.flatten() else { return false };
    suspend_calm(started, root);
    if task::any_interruption() {
        raise_if_interrupted(started);
    }
    true
}

/// Has the calling green thread rest until one of its wakers is used, if it was only polling and keeps nothing that
/// lives on its stack: then its body returns to the hub at once. Returns `false` if it must keep its stack.
pub(in crate::runtime) fn rests(sleeper: &Sleeper, seen: u64) -> bool {
    let Sleeper::Green(started) = sleeper else { return false };
    let keeps_nothing = started.with(|task| !task.has_values()) && coroutine::identity().is_null();
    if !keeps_nothing || current_green() != Some(*started) {
        return false;
    }
    dawdle();
    started.with(|task| {
        task.note_calm();
        task.set_wait(Reason::Future, None);
        let ready = task.rest(seen);
        current::with_lane(|lane| {
            lane.awaited_readiness();
            lane.tally().rested();
            if let Some(ready) = ready {
                lane.push_ready(ready);
            }
        });
    });
    true
}

/// Whether other green threads wait for the calling one to let them run.
pub(crate) fn keeps_others_waiting() -> bool {
    current::with_lane(|lane| lane.has_ready()).unwrap_or(false)
}

pub(super) fn requeue_and_suspend(started: Started) {
    current::with_lane(|lane| lane.push_ready(started));
    suspend(started);
}

/// Lets every other ready green thread of the worker run first. On a plain OS thread, yields that thread.
///
/// It is inlined into the user's code on purpose, see [`switch::suspend`].
#[inline(always)]
pub(crate) fn yield_now() {
    let queued = current::with_lane(|lane| {
        let started = lane.current()?;
        if !process::is_plain() || std::thread::panicking() {
            return None;
        }
        lane.push_ready(started);
        Some((started, lane.root()))
    });
    let Some((started, root)) = queued.flatten() else { return yield_slowly() };
    switch::suspend_calm(started, root);
    if task::any_interruption() {
        raise_if_interrupted(started);
    }
}

/// Yields plain OS threads, destructors that an unwind runs, and green threads when there are hooks.
#[cold]
#[inline(never)]
fn yield_slowly() {
    give_way();
    if task::any_interruption() && is_due(&own_task()) {
        raise_kill();
    }
}

/// Like [`yield_now`], for callers that must not unwind here: a kill or an expired timeout stays pending.
#[inline]
pub(crate) fn give_way() {
    match current_green() {
        Some(started) => requeue_and_suspend(started),
        None => sync::yield_now(),
    }
}

#[cold]
fn raise_if_interrupted(started: Started) {
    if started.with(is_due) {
        raise_kill();
    }
}

/// Whether an interruption would end a wait of the thread at once.
fn is_due(task: &TaskRef) -> bool {
    task.interruption(coroutine::unwinds()).is_due()
}

/// Counts one operation that did not have to wait. After a number of these the green thread lets the others run.
#[inline(always)]
pub(crate) fn spend_budget() {
    if current::spend_budget() {
        yield_now();
    }
}

/// Like [`spend_budget`], for callers that hold what they have got: a kill stays pending, so that this is not lost.
#[inline(always)]
pub(crate) fn spend_budget_holding() {
    if current::spend_budget() {
        give_way();
    }
}

/// Lets others come in between, if a test has planned that.
#[inline(always)]
pub(crate) fn dawdle() {
    if fault::check(fault::Syscall::Park).is_err() {
        dawdle_now();
    }
}

#[cold]
fn dawdle_now() {
    static NUMBERS: SharedNumbers = SharedNumbers::new();
    let random = NUMBERS.next();
    match random % 16 {
        0 => std::thread::sleep(Duration::from_micros(random % 100)),
        1..4 => std::thread::yield_now(),
        4..8 if is_green() => give_way(),
        _ => {}
    }
}
