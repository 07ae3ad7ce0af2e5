//! What the hubs of one runtime share: where new tasks come from, who sleeps, and when it ends.
//!
//! Only tasks that have *not started* move between hubs. A started one never changes its OS thread.
//!
//! # Who searches
//! How a worker sleeps and is woken is at the head of `task/mailbox.rs`.
//!
//! Adding a new task wakes one sleeper, unless some worker is *searching* already: that one will find the task, and wakes the
//! next if it finds more than it can start at once. A worker that was searching, or was woken to search, but has green threads to
//! run first, wakes another one too.
//!
//! # Who starts what
//! A green thread never leaves the worker on which it starts, so that is chosen with care. A worker's *load* is how many tasks have
//! started there and not ended, plus how many are queued there. A new task goes to the worker with the least load, if that is clearly
//! less; the load of one that has been busy lately counts as up to an eighth more, so that a little less goes to it. A worker takes
//! what is queued elsewhere only if its own load is smaller, and no more than makes both equal. So neither the one that wakes up
//! first, nor the one that gets a processor from the system first, ends up with everything.
//!
//! Tasks that are queued behind a green thread that keeps its worker to itself are the exception: others *rescue* them, whatever
//! their load. As a worker that the system has suspended for a while looks the same from outside, they begin slowly. And a worker
//! that could not take what it saw sleeps for a moment only (it is *watching*), to see whether it is to come to the rescue.
#![forbid(unsafe_code)]

use super::current;
use super::local::Hub;
use super::shared::{BUSY, HubShared};
use crate::runtime::lane::alarm;
use crate::runtime::task::Waiter;
use crate::runtime::task::{Cause, Roll, TaskRef};
use crate::sys::time;
use crate::util::lock::Mutex;
use crossbeam_deque::{Injector, Steal, Stealer};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};
use std::time::Duration;

/// How much more load than another worker a worker must have to place new tasks there.
const PLACEMENT_MARGIN: usize = 2;
/// The unit of [`Scheduler::weight`], in which the share of time that a worker was busy lately, of [`BUSY`], is an eighth.
const WEIGHT: usize = 8 * BUSY;
/// A worker that has been held up for so long is given no new tasks.
const HELD: Duration = Duration::from_millis(50);
/// For how long a worker sleeps that has seen work that another one is to start.
pub(in crate::runtime) const WATCH_EVERY: Duration = Duration::from_millis(1);

/// The life of a runtime. Only ever goes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Running,
    /// Green threads are killed, and new ones never run.
    Ending,
    /// Green threads that did not end are given up.
    GivingUp,
}

/// What waits for a worker that is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct Behind {
    /// How many that have started would run now.
    pub(in crate::runtime) started: usize,
    /// How many would start.
    pub(in crate::runtime) new: usize,
    /// Whether the system has news of sockets and the like.
    pub(in crate::runtime) readiness: bool,
}

impl Behind {
    pub(in crate::runtime) fn is_nothing(self) -> bool {
        self == Self { started: 0, new: 0, readiness: false }
    }
}

#[derive(Debug)]
pub(crate) struct Scheduler {
    hubs: Box<[&'static HubShared]>,
    stealers: Box<[Stealer<TaskRef>]>,
    /// How many workers look for something to start.
    searching: AtomicUsize,
    /// How many workers sleep for a moment only, as they have seen work that another one is to start.
    watching: AtomicUsize,
    phase: AtomicU8,
    /// How many workers have a hub that has not ended.
    workers_left: AtomicUsize,
    end_waiters: Mutex<Vec<Waiter>>,
    /// Names of green threads that were given up.
    pub(crate) given_up: Mutex<Vec<String>>,
}

/// Takes up to `most` tasks out of a queue: returns the first, and puts the others into `hub`'s own queue.
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

/// The hubs are given back here and no earlier: for as long as anybody has the scheduler, tasks are pushed to them and stolen from
/// them, and they are woken.
impl Drop for Scheduler {
    fn drop(&mut self) {
        for hub in &self.hubs {
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
            hubs,
            stealers,
            searching: AtomicUsize::new(0),
            watching: AtomicUsize::new(0),
            phase: AtomicU8::new(Phase::Running as u8),
            workers_left: AtomicUsize::new(workers),
            end_waiters: Mutex::default(),
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
    pub(in crate::runtime) fn has_workers(&self) -> bool {
        !self.stealers.is_empty()
    }

    /// Whether all hubs but `own` sleep, and no hub can wake a green thread of another.
    pub(in crate::runtime) fn all_are_stuck(&self, own: &Hub) -> bool {
        let stuck = |hub: &HubShared| {
            (std::ptr::eq(hub, own.shared()) || hub.is_sleeping()) && hub.is_stuck()
        };
        let all = self.hubs.iter().all(|hub| stuck(hub) && hub.pinned.is_empty());
        all && !self.has_new()
    }

    // --- which tasks there are ----------------------------------------------------------------------------------

    /// Puts a task that is about to be scheduled on the roll, from wherever that is.
    pub(crate) fn enroll(&self, task: &TaskRef) {
        let own = current::with_hub(|hub| {
            let own = std::ptr::eq(&raw const *hub.scheduler, self);
            if own {
                hub.enroll(task);
            }
            own
        });
        if own != Some(true) {
            self.hubs[0].lane.tally.spawned_outside();
            self.hubs[0].from_outside.enter(task);
        }
    }

    fn rolls(&self) -> impl Iterator<Item = &Roll> {
        self.hubs.iter().flat_map(|hub| [&hub.roll, hub.from_outside.roll()])
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

    /// What waits for worker `at` to come to it, while that runs something else.
    #[cold]
    pub(in crate::runtime) fn waits_behind(&self, at: usize) -> Behind {
        let (hub, now) = (self.hubs[at], time::now());
        let (mailbox, running) = (&hub.lane.mailbox, hub.running());
        let (mut started, mut new) = (0, 0);
        // Nobody else starts what is local, nor anything if there is nobody else.
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
            new += self.queued(at) + hub.pinned.len();
        }
        Behind { started, new, readiness: hub.lane.sources.has_news() }
    }

    /// The load of worker `at`: what has started there and not ended, and what is queued there.
    #[inline]
    fn load(&self, at: usize) -> usize {
        self.hubs[at].live() + self.queued(at)
    }

    /// How many tasks are queued at worker `at` that others may start.
    #[inline]
    pub(super) fn queued(&self, at: usize) -> usize {
        self.hubs[at].placed.len() + self.stealers.get(at).map_or(0, Stealer::len)
    }

    /// A load with account taken of how busy the worker was: for one that had no pause it counts as an eighth more, and as a few more
    /// if it is small.
    #[inline]
    fn weight(hub: &HubShared, load: usize) -> usize {
        let busy = hub.busy();
        load * (WEIGHT + busy) + busy * PLACEMENT_MARGIN * WEIGHT / BUSY
    }

    /// The worker with the least to do, with its weight. It is one that is held up only if all are.
    fn lightest(&self) -> (&'static HubShared, usize) {
        let one = |at: usize| {
            let hub = self.hubs[at];
            let weight = Self::weight(hub, self.load(at));
            ((hub.held_for() > HELD, weight, !hub.is_sleeping()), hub)
        };
        let all = (0..self.hubs.len()).map(one);
        match all.min_by_key(|(key, _)| *key) {
            Some(((false, weight, _), hub)) => (hub, weight),
            Some(((true, ..), hub)) => (hub, usize::MAX / 2),
            None => (self.hubs[0], 0),
        }
    }

    /// A worker that has clearly less to do than `hub`: new tasks are placed there (rule B).
    #[inline]
    pub(crate) fn lighter_than(&self, hub: &Hub) -> Option<&'static HubShared> {
        let own = hub.shared().live();
        if own <= PLACEMENT_MARGIN {
            return None;
        }
        let (lightest, weight) = self.lightest();
        let own = Self::weight(hub.shared(), own);
        (weight + PLACEMENT_MARGIN * WEIGHT < own && !std::ptr::eq(lightest, hub.shared()))
            .then_some(lightest)
    }

    /// Puts a new task where `other` will find it, and so will those that come to its rescue.
    pub(crate) fn place(&self, other: &HubShared, task: TaskRef) {
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
        self.hubs.len()
    }

    /// Adds a new task that only worker `at` starts; the number is taken modulo how many there are.
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

    /// Adds a new task from a thread that is no worker of this scheduler.
    pub(crate) fn inject(&self, task: TaskRef) {
        let to = if self.has_thieves() { self.lightest().0 } else { self.hubs[0] };
        self.place(to, task);
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
        for queue in self.hubs.iter().flat_map(|hub| [&hub.placed, &hub.pinned]) {
            while let Some(task) = steal(|| queue.steal()) {
                task.abandon(Cause::Killed);
            }
        }
    }

    /// Wakes one sleeping worker to search, unless one is searching.
    #[inline]
    pub(crate) fn wake_one(&self) {
        loop {
            fence(Ordering::SeqCst);
            if self.searching.load(Ordering::SeqCst) != 0
                || self.watching.load(Ordering::SeqCst) != 0
            {
                return;
            }
            let sleeping = self.hubs.iter().filter(|hub| hub.is_sleeping());
            let Some(hub) = sleeping.min_by_key(|hub| hub.live()) else { return };
            self.searching.fetch_add(1, Ordering::SeqCst);
            if hub.lane.mailbox.wake_to_search() {
                return;
            }
            // It has woken up by itself. Others may have relied on our count meanwhile: look again on their behalf.
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Gives the tasks that are to start later on workers that are held up to other workers.
    pub(in crate::runtime) fn rescue_delayed(&self) {
        let is_held = |hub: &HubShared| !hub.is_sleeping() && hub.held_for() > HELD;
        for hub in &self.hubs {
            if hub.has_delayed() && is_held(hub) && !self.hubs.iter().all(|other| is_held(other)) {
                hub.take_delayed().into_iter().for_each(|task| self.inject(task));
            }
        }
    }

    // --- finding ------------------------------------------------------------------------------------------------

    /// Takes a new task from anywhere but the hub's own queue. From other workers it takes only what makes their loads and its own
    /// equal, or what is to be rescued from behind a hog.
    pub(crate) fn find(&self, hub: &Hub, rescue: bool) -> Option<TaskRef> {
        let shared = hub.shared();
        // Only one at a time, as more would be put where others steal.
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
        let own = shared.live() + hub.fresh.len();
        let others = || (0..self.hubs.len()).filter(|at| !std::ptr::eq(self.hubs[*at], shared));
        let loaded = others().filter(|at| self.queued(*at) != 0).max_by_key(|at| self.load(*at))?;
        let most = self.share(own, loaded);
        if most > 0
            && let Some(task) = self.take_of(loaded, hub, most)
        {
            return Some(task);
        }
        if !rescue {
            return None;
        }
        others().filter(|at| self.queued(*at) != 0).find_map(|at| {
            let most = self.hubs[at].to_be_rescued();
            (most != 0).then(|| self.take_of(at, hub, most)).flatten()
        })
    }

    /// Where the runtime ends: a new task of any worker. It only has to be ended, and its own worker may have gone, while here
    /// somebody waits for it in a destructor.
    #[cold]
    fn find_left(&self) -> Option<TaskRef> {
        let mut queues = self.hubs.iter().flat_map(|hub| [&hub.placed, &hub.pinned]);
        queues.find_map(|queue| steal(|| queue.steal()))
    }

    /// Takes one task of worker `at` and up to `most` in all.
    fn take_of(&self, at: usize, hub: &Hub, most: usize) -> Option<TaskRef> {
        let (stealer, before) = (&self.stealers[at], hub.fresh.len());
        let queued = if stealer.is_empty() {
            None
        } else {
            steal(|| stealer.steal_batch_with_limit_and_pop(&hub.fresh, most))
        };
        let taken = queued.or_else(|| take_from(&self.hubs[at].placed, hub, most));
        if taken.is_some() {
            hub.lane().tally().stole(|| 1 + hub.fresh.len().saturating_sub(before));
        }
        taken
    }

    /// Whether there is anything that `hub` could start or has to run. Called between announcing sleep and sleeping.
    pub(in crate::runtime) fn has_work(&self, hub: &Hub) -> bool {
        let shared = hub.shared();
        !shared.lane.mailbox.is_empty()
            || hub.could_answer()
            || !shared.pinned.is_empty()
            || !shared.placed.is_empty()
            || !hub.fresh.is_empty()
            || hub.has_local()
            || (self.has_thieves() && self.has_share(hub))
            || (self.phase() != Phase::Running && self.has_left())
    }

    /// Whether [`find_left`](Self::find_left) would find something.
    fn has_left(&self) -> bool {
        self.hubs.iter().any(|hub| !hub.placed.is_empty() || !hub.pinned.is_empty())
    }

    /// How many of the tasks that are queued at worker `from` a worker with the load `own` may take: no more than makes the two loads
    /// equal, and no more than its share of all.
    fn share(&self, own: usize, from: usize) -> usize {
        let all: usize = (0..self.hubs.len()).map(|at| self.load(at)).sum();
        let share = all.div_ceil(self.hubs.len()).saturating_sub(own);
        share.min(self.load(from).saturating_sub(own).div_ceil(2))
    }

    /// Whether others have so much queued that some of it is for `hub`.
    fn has_share(&self, hub: &Hub) -> bool {
        let own = hub.shared().live();
        (0..self.hubs.len()).any(|at| self.queued(at) != 0 && self.share(own, at) != 0)
    }

    /// Whether there are new tasks anywhere that any worker may start.
    pub(in crate::runtime) fn has_new(&self) -> bool {
        (0..self.hubs.len()).any(|at| self.queued(at) != 0)
    }

    /// Runs `sleep`, in which the calling worker sleeps for [`WATCH_EVERY`] at most.
    pub(in crate::runtime) fn watching<T>(&self, sleep: impl FnOnce() -> T) -> T {
        self.watching.fetch_add(1, Ordering::SeqCst);
        let slept = sleep();
        self.watching.fetch_sub(1, Ordering::SeqCst);
        slept
    }

    /// Announces that `hub` sleeps; `false` if there is something to do after all.
    pub(crate) fn prepare_sleep(&self, hub: &Hub) -> bool {
        let before = self.phase();
        hub.shared().lane.mailbox.announce_sleep();
        if self.has_work(hub) || self.phase() != before {
            self.end_sleep(hub);
            return false;
        }
        true
    }

    /// Ends the sleep of `hub`, which has been counted as searching if it was woken for that.
    pub(crate) fn end_sleep(&self, hub: &Hub) {
        let sent = hub.shared().lane.mailbox.end_sleep();
        alarm::awake();
        if sent {
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Searches for a new task. Only a few workers do so at a time, and while one does, adding tasks wakes nobody else.
    pub(crate) fn search(&self, hub: &Hub) -> Option<TaskRef> {
        if !self.has_thieves() {
            return self.find(hub, true);
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        let found = self.find(hub, true);
        let last = self.searching.fetch_sub(1, Ordering::SeqCst) == 1;
        // Those who added tasks meanwhile have relied on us, wherever the tasks went: pass the search on before we get busy.
        if found.is_some() && last && self.has_new() {
            self.wake_one();
        }
        found
    }

    /// Called when `hub`, which was searching or was woken for that, has not found what is new. If it is about to run others, it has
    /// another worker search, as it may be long before it searches again.
    pub(crate) fn pass_on(&self, hub: &Hub) {
        if self.has_thieves() && hub.lane().has_ready() && self.has_new() {
            self.wake_one();
        }
    }

    // --- the end ------------------------------------------------------------------------------------------------

    /// Called when a worker's hub is about to end. The last one ends the tasks that nobody has started.
    pub(crate) fn worker_ended(&self) {
        if self.workers_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.abandon_leftovers();
            for waiter in self.end_waiters.lock().drain(..) {
                waiter.unpark();
            }
        }
    }

    /// Called when a green thread ends the process on the calling worker, which runs no other from here on. If there are no other
    /// workers, what is still spawned ends as if it had been killed before it began, so that nobody waits for it.
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
