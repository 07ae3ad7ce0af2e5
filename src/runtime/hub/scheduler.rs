//! What the hubs of one runtime share: where new tasks come from, who sleeps, and when the runtime ends.
//!
//! Only tasks that have *not started* move between hubs. A started one never changes its OS thread.
//!
//! The scheduler moves these tasks, and it alone touches the queues of the calling worker's [`Hub`]. The values by
//! which it decides are in files that know no `Hub`: in `loads.rs`, how much each worker has to do, and so who gets a
//! new task and who may take it away; in `searchers.rs`, who is woken for it; in `life.rs`, which phase the runtime is
//! in.
//!
//! # Who starts what
//! A worker starts what is queued at it, and takes what is queued elsewhere as far as the loads allow it. There is one
//! exception: tasks that are queued behind a green thread that holds up its worker. Others *rescue* these, whatever
//! their own load. They begin slowly, as a worker that the system has suspended for a while looks the same from
//! outside. And a worker that could not take what it saw sleeps for a moment only (it is *watching*), to see whether it
//! is to come to the rescue.
#![forbid(unsafe_code)]

use super::current;
use super::life::{Life, Phase};
use super::loads::Loads;
use super::local::Hub;
use super::searchers::Searchers;
use super::shared::HubShared;
use crate::runtime::lane::alarm;
use crate::runtime::task::Waiter;
use crate::runtime::task::{Cause, Roll, TaskRef};
use crate::util::lock::Mutex;
use crossbeam_deque::{Injector, Steal, Stealer};
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

/// How long a worker sleeps that has seen work which another worker is to start.
pub(in crate::runtime) const WATCH_EVERY: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(super) loads: Loads,
    searchers: Searchers,
    life: Life,
    /// The names of green threads that were given up.
    pub(crate) given_up: Mutex<Vec<String>>,
}

/// Takes up to `most` tasks out of a queue. Returns the first, and puts the others into `hub`'s own queue.
#[inline]
fn take_from(queue: &Injector<TaskRef>, hub: &Hub, most: usize) -> Option<TaskRef> {
    if queue.is_empty() {
        return None;
    }
    steal(|| queue.steal_batch_with_limit_and_pop(&hub.fresh, most))
}

fn steal(mut once: impl FnMut() -> Steal<TaskRef>) -> Option<TaskRef> {
    loop {
        match once() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

/// The hubs are given back here and not earlier: as long as anybody has the scheduler, tasks are pushed to them and
/// stolen from them, and they are woken.
impl Drop for Scheduler {
    fn drop(&mut self) {
        for hub in self.hubs() {
            hub.give();
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
            loads: Loads::new(hubs, stealers),
            searchers: Searchers::default(),
            life: Life::new(workers),
            given_up: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.life.phase()
    }

    /// Whether it belongs to the process from which this one was forked.
    pub(crate) fn is_parents(&self) -> bool {
        self.hubs()[0].is_parents()
    }

    #[inline(always)]
    pub(crate) fn hubs(&self) -> &[&'static HubShared] {
        self.loads.hubs()
    }

    /// Whether there are other workers with which a worker shares new tasks.
    #[inline(always)]
    pub(crate) fn has_thieves(&self) -> bool {
        self.hubs().len() > 1
    }

    /// Whether it has worker threads, rather than being run by the thread that calls `run`.
    pub(in crate::runtime) fn has_workers(&self) -> bool {
        !self.loads.stealers().is_empty()
    }

    /// Whether there are new tasks anywhere that any worker may start.
    pub(in crate::runtime) fn has_new(&self) -> bool {
        self.loads.has_new()
    }

    /// Whether all hubs but `own` sleep, and no hub can wake a green thread of another.
    pub(in crate::runtime) fn all_are_stuck(&self, own: &Hub) -> bool {
        let stuck = |hub: &HubShared| {
            (std::ptr::eq(hub, own.shared()) || hub.is_sleeping()) && hub.is_stuck()
        };
        let all = self.hubs().iter().all(|hub| stuck(hub) && hub.pinned.is_empty());
        all && !self.has_new()
    }

    // --- which tasks there are ----------------------------------------------------------------------------------

    /// Gives a place on the roll to a task that is about to be scheduled, from any thread.
    pub(crate) fn enroll(&self, task: &TaskRef) {
        let own = current::with_hub(|hub| {
            let own = std::ptr::eq(&raw const *hub.scheduler, self);
            if own {
                hub.enroll(task);
            }
            own
        });
        if own != Some(true) {
            self.hubs()[0].lane.tally.spawned_outside();
            self.hubs()[0].from_outside.enter(task);
        }
    }

    pub(super) fn rolls(&self) -> impl Iterator<Item = &Roll> {
        self.hubs().iter().flat_map(|hub| [&hub.roll, hub.from_outside.roll()])
    }

    /// How many tasks have been scheduled and have not ended.
    pub(crate) fn count(&self) -> usize {
        self.rolls().map(Roll::count).sum()
    }

    /// The tasks that have been scheduled and have not ended.
    pub(crate) fn tasks(&self) -> Vec<TaskRef> {
        let mut tasks = Vec::with_capacity(self.count());
        self.rolls().for_each(|roll| roll.list(&mut tasks));
        tasks
    }

    // --- adding -------------------------------------------------------------------------------------------------

    /// Adds a new task from a green thread of `hub`, which belongs to this scheduler.
    #[inline(always)]
    pub(crate) fn push_from(&self, hub: &Hub, task: TaskRef) {
        if self.has_thieves() {
            self.push_among_others(hub, task);
        } else {
            hub.push_local(task);
        }
    }

    #[inline(never)]
    fn push_among_others(&self, hub: &Hub, task: TaskRef) {
        match self.lighter_than(hub) {
            Some(other) => self.place(other, task),
            None => {
                hub.fresh.push(task);
                self.wake_one();
            }
        }
    }

    /// A worker with clearly less to do than `hub`, where new tasks are placed (rule B).
    #[inline]
    pub(super) fn lighter_than(&self, hub: &Hub) -> Option<&'static HubShared> {
        self.loads.lighter_than(hub.shared())
    }

    /// Puts a new task where `other` will find it, and so will workers that come to its rescue.
    pub(super) fn place(&self, other: &HubShared, task: TaskRef) {
        other.placed.push(task);
        fence(Ordering::SeqCst);
        if !other.wake() && self.has_thieves() {
            // `other` may be held up.
            self.wake_one();
        }
        self.abandon_if_over();
    }

    /// How many workers there are, for [`pin`](Self::pin).
    pub(crate) fn width(&self) -> usize {
        self.hubs().len()
    }

    /// Adds a new task that only worker `at` starts; the number is taken modulo the number of workers.
    pub(crate) fn pin(&self, at: usize, task: TaskRef) {
        if !self.has_thieves() {
            return self.inject(task);
        }
        let hub = self.hubs()[at % self.width()];
        hub.pinned.push(task);
        fence(Ordering::SeqCst);
        hub.wake();
        self.abandon_if_over();
    }

    /// Adds a new task from a thread that is no worker of this scheduler.
    pub(crate) fn inject(&self, task: TaskRef) {
        let to = if self.has_thieves() { self.loads.lightest().0 } else { self.hubs()[0] };
        self.place(to, task);
    }

    /// Wakes one sleeping worker to search, unless one is searching.
    #[inline]
    fn wake_one(&self) {
        self.searchers.wake_one(self.hubs());
    }

    // --- finding ------------------------------------------------------------------------------------------------

    /// Takes a new task from anywhere but the hub's own queue. From other workers it takes only as many as make the
    /// loads equal, or, with `rescue`, what is to be rescued from behind a hog.
    pub(super) fn find(&self, hub: &Hub, rescue: bool) -> Option<TaskRef> {
        let shared = hub.shared();
        // Takes only one, as the others would get into the queue from which workers steal.
        if !shared.pinned.is_empty()
            && let Some(task) = steal(|| shared.pinned.steal())
        {
            return Some(task);
        }
        let placed = take_from(&shared.placed, hub, usize::MAX);
        if !self.has_thieves() {
            hub.keep_stolen();
            return placed;
        }
        if placed.is_some() {
            return placed;
        }
        if self.phase() != Phase::Running {
            return self.find_left();
        }
        let (fullest, most) = self.loads.fullest(shared, shared.live() + hub.fresh.len())?;
        if most > 0
            && let Some(task) = self.take_of(fullest, hub, most)
        {
            return Some(task);
        }
        if !rescue {
            return None;
        }
        self.loads.others_with_new(shared).find_map(|at| {
            let most = self.hubs()[at].to_be_rescued();
            (most != 0).then(|| self.take_of(at, hub, most)).flatten()
        })
    }

    /// Takes up to `most` tasks of worker `at`: returns one, and queues the others here.
    fn take_of(&self, at: usize, hub: &Hub, most: usize) -> Option<TaskRef> {
        let (stealer, before) = (&self.loads.stealers()[at], hub.fresh.len());
        let queued = if stealer.is_empty() {
            None
        } else {
            steal(|| stealer.steal_batch_with_limit_and_pop(&hub.fresh, most))
        };
        let taken = queued.or_else(|| take_from(&self.hubs()[at].placed, hub, most));
        if taken.is_some() {
            hub.lane().tally().stole(|| 1 + hub.fresh.len().saturating_sub(before));
        }
        taken
    }

    /// Searches for a new task. Only a few workers search at a time, and while one does, adding tasks wakes nobody
    /// else.
    pub(super) fn search(&self, hub: &Hub) -> Option<TaskRef> {
        if !self.has_thieves() {
            return self.find(hub, true);
        }
        self.searchers.begin();
        let found = self.find(hub, true);
        let last = self.searchers.end();
        // Those who added tasks meanwhile have relied on this worker, wherever the tasks are. So it passes the search
        // on before it is busy.
        if found.is_some() && last && self.has_new() {
            self.wake_one();
        }
        found
    }

    /// Called if `hub` was searching, or was woken to search, and has not found what is new. If it is about to run
    /// other tasks, it has another worker search, as it may be long before it searches again.
    pub(super) fn pass_on(&self, hub: &Hub) {
        if self.has_thieves() && hub.lane().has_ready() && self.has_new() {
            self.wake_one();
        }
    }

    // --- sleeping -----------------------------------------------------------------------------------------------

    /// Whether there is anything that `hub` could start or has to run. Called between announcing sleep and sleeping.
    pub(in crate::runtime) fn has_work(&self, hub: &Hub) -> bool {
        let shared = hub.shared();
        !shared.lane.mailbox.is_empty()
            || hub.could_answer()
            || !shared.pinned.is_empty()
            || !shared.placed.is_empty()
            || !hub.fresh.is_empty()
            || hub.has_local()
            || (self.has_thieves() && self.loads.has_share(shared.live()))
            || (self.phase() != Phase::Running && self.has_left())
    }

    /// Announces that `hub` sleeps. Returns `false` if there is something to do after all.
    pub(super) fn prepare_sleep(&self, hub: &Hub) -> bool {
        let before = self.phase();
        hub.shared().lane.mailbox.announce_sleep();
        if self.has_work(hub) || self.phase() != before {
            self.end_sleep(hub);
            return false;
        }
        true
    }

    /// Runs `sleep`, in which the calling worker sleeps for at most [`WATCH_EVERY`].
    pub(super) fn watching<T>(&self, sleep: impl FnOnce() -> T) -> T {
        self.searchers.watching(sleep)
    }

    /// Ends the sleep of `hub`. It has been counted as searching if it was woken for that.
    pub(super) fn end_sleep(&self, hub: &Hub) {
        let sent = hub.shared().lane.mailbox.end_sleep();
        alarm::awake();
        if sent {
            self.searchers.end();
        }
    }

    // --- the end ------------------------------------------------------------------------------------------------

    /// Enters a later phase and tells every worker.
    pub(crate) fn advance(&self, phase: Phase) {
        self.life.advance(phase);
        for hub in self.hubs() {
            hub.wake();
        }
    }

    /// For the end of the runtime: takes a new task of any worker. The task only has to be ended. Its own worker may
    /// have gone, while somebody waits for the task in a destructor here.
    #[cold]
    fn find_left(&self) -> Option<TaskRef> {
        self.left().find_map(|queue| steal(|| queue.steal()))
    }

    /// Whether [`find_left`](Self::find_left) would find something.
    fn has_left(&self) -> bool {
        self.left().any(|queue| !queue.is_empty())
    }

    /// The queues of new tasks that may have something in them when the workers have gone.
    fn left(&self) -> impl Iterator<Item = &Injector<TaskRef>> {
        self.hubs().iter().flat_map(|hub| [&hub.placed, &hub.pinned])
    }

    /// A task may have been added after the last worker looked. It ends as one that never started.
    fn abandon_if_over(&self) {
        fence(Ordering::SeqCst);
        if self.phase() != Phase::Running && self.has_ended() {
            self.abandon_leftovers();
        }
    }

    /// Ends every task that nobody will start.
    fn abandon_leftovers(&self) {
        for queue in self.left() {
            while let Some(task) = steal(|| queue.steal()) {
                task.abandon(Cause::Killed);
            }
        }
    }

    /// Called when a worker's hub is about to end. The last one ends the tasks that nobody has started.
    pub(crate) fn worker_ended(&self) {
        if self.life.worker_ended() {
            self.abandon_leftovers();
            self.life.wake_waiters();
        }
    }

    /// Called when a green thread ends the process on the calling worker, which runs no other from here on. If there
    /// are no other workers, what is spawned from then on ends as if it had been killed before it began, so that nobody
    /// waits for it.
    #[cold]
    pub(super) fn worker_exits(&self) {
        if !self.has_thieves() {
            self.advance(Phase::Ending);
        }
        self.worker_ended();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.life.has_ended()
    }

    /// Asks for a wake-up when the last worker has ended.
    pub(crate) fn add_end_waiter(&self, waiter: Waiter) {
        self.life.add_end_waiter(waiter);
    }
}
