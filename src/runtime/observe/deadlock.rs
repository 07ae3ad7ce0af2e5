//! Finding out that nothing can go on any more, and reporting who waits for what, and who has that.
//!
//! A hub is *stuck* if green threads live on it, but none can run, and none waits for a time or for readiness. Then
//! only another thread can wake one. This is checked when the hub's worker goes to sleep, and costs nothing elsewhere.
//!
//! - On a current-thread runtime whose OS thread is the only one of the process (not counting those of the library that
//!   are idle), nobody can wake a green thread any more: `run` returns the report as an error. Other OS threads are
//!   looked for in the system's own list, and not counted by the library, since one that has never used the library may
//!   hold a sender all the same. Even if all green threads wait for one another's locks, another OS thread may have a
//!   handle and kill one. A signal handler may wake somebody as well.
//! - Otherwise somebody may still come. If nobody has for a while, the report is printed, once for each runtime, and
//!   the wait goes on. Each hub is asked for its part, on its own thread, as nobody else may look at its green threads
//!   (`inquiry.rs`).
//!
//! While others go on, some green threads may still wait for one another; `knot.rs` finds that.
#![forbid(unsafe_code)]

use super::blocked::{blocked, describe, has_blocked};
use super::inquiry::Inquiry;
use super::{lookout, outside, watchdog};
use crate::runtime::blocking;
use crate::runtime::hub::life::Phase;
use crate::runtime::hub::local::Hub;
use crate::runtime::hub::observer::Observer;
use crate::sys::{process, setting};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long nothing must go on before that is reported, unless the environment says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// After how long a current-thread runtime looks again for other threads. The time doubles with each look in vain.
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// The patience; `None` if nothing is to be printed.
pub(super) fn patience() -> Option<Duration> {
    static GIVEN: OnceLock<Duration> = OnceLock::new();
    let given = GIVEN.get_or_init(|| {
        setting::number("GREENTHREAD_DEADLOCK_MS").map_or(PATIENCE, Duration::from_millis)
    });
    (!given.is_zero()).then_some(*given)
}

/// The observer of a worker that finds out that its hub is stuck.
#[derive(Debug)]
pub(crate) struct StuckWatch {
    /// What the hubs of its runtime share for that.
    inquiry: Arc<Inquiry>,
    /// Whether the first look at the threads of the process has been taken.
    looked: Cell<bool>,
    /// When to look next, if nothing happens.
    interval: Cell<Duration>,
    /// For how long nothing has happened.
    quiet: Cell<Duration>,
    found: RefCell<Option<String>>,
}

impl StuckWatch {
    pub(crate) fn new(inquiry: Arc<Inquiry>) -> Self {
        Self {
            inquiry,
            looked: Cell::new(false),
            interval: Cell::new(FIRST_LOOK),
            quiet: Cell::new(Duration::ZERO),
            found: RefCell::new(None),
        }
    }

    /// Whether a deadlock has been found that nothing can end.
    pub(crate) fn has_found(&self) -> bool {
        self.found.borrow().is_some()
    }

    pub(crate) fn take_found(&self) -> Option<String> {
        self.found.take()
    }
}

impl Observer for StuckWatch {
    fn before_sleep(&self, hub: &Hub) -> bool {
        let stuck = hub.lane().is_stuck();
        hub.shared().set_stuck(stuck);
        if !stuck || hub.live() == 0 || hub.scheduler.has_workers() || self.looked.replace(true) {
            return true;
        }
        !self.look_for_others(hub)
    }

    fn look_after(&self, hub: &Hub) -> Option<Duration> {
        let has_workers = hub.scheduler.has_workers();
        let looks = hub.shared().is_stuck()
            && has_blocked(hub)
            && hub.scheduler.phase() == Phase::Running
            && (!has_workers || (patience().is_some() && !self.inquiry.has_begun()));
        looks.then(|| self.interval.get())
    }

    fn after_sleep(&self, hub: &Hub, undisturbed: bool) {
        let running = hub.scheduler.phase() == Phase::Running;
        if !undisturbed || !running || !hub.shared().is_stuck() {
            return self.quiet.set(Duration::ZERO);
        }
        let wait = patience();
        self.quiet.set(self.quiet.get() + self.interval.get());
        self.interval.set((self.interval.get() * 2).min(wait.unwrap_or(PATIENCE)));
        let scheduler = &hub.scheduler;
        if !scheduler.has_workers() && self.look_for_others(hub) {
            return;
        }
        if wait.is_some_and(|wait| self.quiet.get() >= wait)
            && !outside::is_expected()
            && !self.inquiry.has_begun()
            && scheduler.all_are_stuck(hub)
        {
            Inquiry::ask(&self.inquiry, scheduler);
        }
    }
}

impl StuckWatch {
    /// For a current-thread runtime: notes a deadlock if no other thread can end it.
    fn look_for_others(&self, hub: &Hub) -> bool {
        let alone = is_alone();
        // A thread that had ended before it could be counted may have left something before its end.
        fence(Ordering::SeqCst);
        if hub.scheduler.has_work(hub) {
            return false;
        }
        if alone {
            *self.found.borrow_mut() = Some(describe(&blocked(hub), usize::MAX));
        }
        alone
    }
}

/// How many OS threads of the library only watch.
fn watchdogs() -> usize {
    watchdog::threads() + lookout::threads()
}

/// Whether the process has no OS thread but the caller and those of the library that have nothing to do.
fn is_alone() -> bool {
    if outside::is_expected() {
        return false;
    }
    let idle = || Some(blocking::idle_threads()? + watchdogs() + outside::threads());
    let Some(before) = idle() else { return false };
    let Some(threads) = process::threads() else { return false };
    // If a thread ends meanwhile it is in no list, and must not be counted in place of another one that is.
    let Some(after) = idle() else { return false };
    threads <= 1 + before.min(after) && !process::handles_signals()
}
