//! What the hubs of one runtime share: where new tasks come from, who sleeps, and when it ends.
//!
//! Only tasks that have *not started* move between hubs. A started one never changes its OS thread.
//!
//! # The sleep protocol
//! A worker that finds nothing announces that it sleeps (flag, SeqCst fence), looks everywhere once more, and only then
//! waits. Whoever adds work puts it in place first (then a SeqCst fence) and looks at the flag afterwards. So either the
//! worker sees the work or the other sees the flag; the flag is cleared by exactly one, who writes to the worker's
//! eventfd. A push of a new task wakes one sleeper, unless some worker is searching already: that one will find it, and
//! if it finds more than it can start at once it wakes the next.
#![forbid(unsafe_code)]

use super::deadlock::Inquiry;
use super::hub::{Hub, HubShared};
use super::park::Waiter;
use super::task::{Cause, TaskRef};
use crossbeam_deque::{Injector, Steal, Stealer};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};

/// How many more live green threads than another worker one must have before it places new ones there.
const PLACEMENT_MARGIN: usize = 4;

/// The life of a runtime. Only ever goes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// Green threads are killed, and new ones never run.
    Ending,
    /// Those that did not end are given up.
    GivingUp,
}

#[derive(Debug)]
pub(crate) struct Scheduler {
    hubs: Box<[&'static HubShared]>,
    stealers: Box<[Stealer<TaskRef>]>,
    /// New tasks from outside the workers.
    injector: Injector<TaskRef>,
    /// Workers that look for something to start.
    searching: AtomicUsize,
    phase: AtomicU8,
    /// Workers whose hub has not ended.
    workers_left: AtomicUsize,
    end_waiters: Mutex<Vec<Waiter>>,
    pub(super) inquiry: Inquiry,
    /// Names of green threads that were given up.
    pub(crate) given_up: Mutex<Vec<String>>,
}

/// Takes one task from an injector, and some more into `hub`'s own queue.
fn take_from(queue: &Injector<TaskRef>, hub: &Hub) -> Option<TaskRef> {
    if queue.is_empty() {
        return None;
    }
    loop {
        match queue.steal_batch_and_pop(&hub.fresh) {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

/// Not before: what is in `hubs` is pushed to, stolen from and woken for as long as anybody has the scheduler.
impl Drop for Scheduler {
    fn drop(&mut self) {
        for hub in &self.hubs {
            hub.give();
        }
        // Tasks of a parent are not touched in its child: another thread of the parent may have been at work on them.
        if self.is_parents() {
            std::mem::forget(std::mem::take(&mut self.injector));
        }
    }
}

impl Scheduler {
    pub(crate) fn new(
        hubs: Box<[&'static HubShared]>,
        stealers: Box<[Stealer<TaskRef>]>,
        workers: usize,
    ) -> Self {
        Self {
            hubs,
            stealers,
            injector: Injector::new(),
            searching: AtomicUsize::new(0),
            phase: AtomicU8::new(Phase::Running as u8),
            workers_left: AtomicUsize::new(workers),
            end_waiters: Mutex::default(),
            inquiry: Inquiry::default(),
            given_up: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Running,
            1 => Phase::Ending,
            _ => Phase::GivingUp,
        }
    }

    /// Whether it belongs to the process that this one was forked from.
    pub(crate) fn is_parents(&self) -> bool {
        self.hubs[0].is_parents()
    }

    /// Goes on to a later phase and tells every worker.
    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::SeqCst);
        for hub in &self.hubs {
            hub.wake();
        }
    }

    pub(crate) fn hubs(&self) -> &[&'static HubShared] {
        &self.hubs
    }

    /// Whether a worker has others to share new tasks with.
    #[inline(always)]
    pub(crate) fn has_thieves(&self) -> bool {
        self.hubs.len() > 1
    }

    /// Whether it has worker threads, rather than the thread that calls `run`.
    pub(super) fn has_workers(&self) -> bool {
        !self.stealers.is_empty()
    }

    /// Whether all hubs but `own` sleep, and no hub can wake a green thread of another.
    pub(super) fn all_are_stuck(&self, own: &Hub) -> bool {
        let stuck = |hub: &HubShared| {
            (std::ptr::eq(hub, own.shared()) || hub.is_sleeping()) && hub.is_stuck()
        };
        let all = self.hubs.iter().all(|hub| stuck(hub) && hub.pinned.is_empty());
        all && !self.has_new()
    }

    // --- adding -------------------------------------------------------------------------------------------------

    /// Adds a new task from a green thread of `hub`, which belongs to this scheduler.
    #[inline]
    pub(crate) fn push_from(&self, hub: &Hub, task: TaskRef) {
        if !self.has_thieves() {
            return hub.fresh.push(task);
        }
        match self.lighter_than(hub) {
            Some(other) => self.place(other, task),
            None => {
                hub.fresh.push(task);
                self.wake_one();
            }
        }
    }

    /// A worker that has clearly fewer live green threads than `hub`: new ones are placed there (rule B).
    #[inline]
    pub(crate) fn lighter_than(&self, hub: &Hub) -> Option<&'static HubShared> {
        let own = hub.shared().live();
        if own <= PLACEMENT_MARGIN {
            return None;
        }
        let load = |other: &HubShared| other.live() + other.placed.len();
        let lightest = self.hubs.iter().min_by_key(|other| load(other))?;
        (load(lightest) + PLACEMENT_MARGIN < own).then_some(lightest)
    }

    /// Puts a new task where `other`, and whoever steals from it, will find it.
    pub(crate) fn place(&self, other: &HubShared, task: TaskRef) {
        other.placed.push(task);
        fence(Ordering::SeqCst);
        other.wake();
        self.abandon_if_over();
    }

    /// How many workers there are, for [`pin`](Self::pin).
    pub(crate) fn width(&self) -> usize {
        self.hubs.len()
    }

    /// Adds a new task that worker `at` starts, counted round, and no other.
    pub(crate) fn pin(&self, at: usize, task: TaskRef) {
        if !self.has_thieves() {
            return self.inject(task);
        }
        let hub = self.hubs[at % self.hubs.len()];
        hub.pinned.push(task);
        fence(Ordering::SeqCst);
        hub.wake();
        self.abandon_if_over();
    }

    /// Adds a new task from elsewhere.
    pub(crate) fn inject(&self, task: TaskRef) {
        self.injector.push(task);
        self.wake_one();
        self.abandon_if_over();
    }

    /// A task may have been added after the last worker looked: it ends as never started.
    fn abandon_if_over(&self) {
        fence(Ordering::SeqCst);
        if self.phase() != Phase::Running && self.workers_left.load(Ordering::SeqCst) == 0 {
            self.abandon_leftovers();
        }
    }

    /// Ends every task that nobody will start.
    pub(crate) fn abandon_leftovers(&self) {
        let own = self.hubs.iter().flat_map(|hub| [&hub.placed, &hub.pinned]);
        let queues = own.chain([&self.injector]);
        for queue in queues {
            loop {
                match queue.steal() {
                    Steal::Success(task) => {
                        task.abandon(Cause::Killed);
                    }
                    Steal::Empty => break,
                    Steal::Retry => {}
                }
            }
        }
    }

    /// Wakes one sleeping worker to search, unless one is searching.
    #[inline]
    pub(crate) fn wake_one(&self) {
        loop {
            fence(Ordering::SeqCst);
            if self.searching.load(Ordering::SeqCst) != 0 {
                return;
            }
            let Some(hub) = self.hubs.iter().find(|hub| hub.is_sleeping()) else { return };
            self.searching.fetch_add(1, Ordering::SeqCst);
            if hub.wake_to_search() {
                return;
            }
            // It woke by itself. Others may have relied on our count meanwhile: look again on their behalf.
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
    }

    // --- finding ------------------------------------------------------------------------------------------------

    /// A new task from anywhere but the hub's own queue. A worker that has green threads to run takes nothing from one with
    /// fewer: that one is only late, and would end up with none. One that is idle, or comes to the `rescue` of what lies
    /// behind a hog, takes what it finds.
    pub(crate) fn find(&self, hub: &Hub, rescue: bool) -> Option<TaskRef> {
        // One at a time: more would be put where others steal.
        while !hub.shared().pinned.is_empty() {
            match hub.shared().pinned.steal() {
                Steal::Success(task) => return Some(task),
                Steal::Empty => break,
                Steal::Retry => {}
            }
        }
        if let Some(task) = take_from(&hub.shared().placed, hub) {
            return Some(task);
        }
        if let Some(task) = take_from(&self.injector, hub) {
            return Some(task);
        }
        for (other, stealer) in self.hubs.iter().zip(&self.stealers) {
            if std::ptr::eq(*other, hub.shared()) || (!rescue && other.live() < hub.shared().live())
            {
                continue;
            }
            if !stealer.is_empty() {
                loop {
                    match stealer.steal_batch_and_pop(&hub.fresh) {
                        Steal::Success(task) => return Some(task),
                        Steal::Empty => break,
                        Steal::Retry => {}
                    }
                }
            }
            if let Some(task) = take_from(&other.placed, hub) {
                return Some(task);
            }
        }
        None
    }

    /// Whether there is anything that `hub` could start or has to run; looked at between announcing sleep and sleeping.
    pub(super) fn has_work(&self, hub: &Hub) -> bool {
        let shared = hub.shared();
        !shared.inbox.is_empty()
            || !shared.pinned.is_empty()
            || shared.calls.are_waiting()
            || !hub.fresh.is_empty()
            || hub.has_local()
            || self.has_new()
    }

    /// Whether there are new tasks anywhere that any worker may start.
    fn has_new(&self) -> bool {
        !self.injector.is_empty()
            || self.hubs.iter().any(|other| !other.placed.is_empty())
            || self.stealers.iter().any(|stealer| !stealer.is_empty())
    }

    /// Announces sleep; `false` if there is something to do after all.
    pub(crate) fn prepare_sleep(&self, hub: &Hub) -> bool {
        let before = self.phase();
        hub.announce_sleep();
        if self.has_work(hub) || self.phase() != before {
            self.end_sleep(hub);
            return false;
        }
        true
    }

    /// Ends the sleep of `hub`. It was counted as searching if that is why it was woken.
    pub(crate) fn end_sleep(&self, hub: &Hub) {
        if hub.end_sleep() {
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Searches as one of few: while somebody does, pushes wake nobody else.
    pub(crate) fn search(&self, hub: &Hub) -> Option<TaskRef> {
        if !self.has_thieves() {
            return self.find(hub, true);
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        let found = self.find(hub, true);
        let last = self.searching.fetch_sub(1, Ordering::SeqCst) == 1;
        // Pushes since relied on us, wherever they went; pass the search on before we get busy.
        if found.is_some() && last && self.has_new() {
            self.wake_one();
        }
        found
    }

    // --- the end ------------------------------------------------------------------------------------------------

    /// A worker's hub is about to end. The last one ends what nobody started.
    pub(crate) fn worker_ended(&self) {
        if self.workers_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.abandon_leftovers();
            for waiter in self.end_waiters.lock().drain(..) {
                waiter.unpark();
            }
        }
    }

    /// A green thread ends the process on the calling worker, which runs no other from here on. Where there are no other
    /// workers, what is still spawned ends as if killed before it began, so that nobody waits for it.
    #[cold]
    pub(crate) fn worker_exits(&self) {
        if !self.has_thieves() {
            self.advance(Phase::Ending);
        }
        self.worker_ended();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.workers_left.load(Ordering::SeqCst) == 0
    }

    /// Asks for a wake-up when the last worker has ended.
    pub(crate) fn add_end_waiter(&self, waiter: Waiter) {
        self.end_waiters.lock().push(waiter);
    }
}
