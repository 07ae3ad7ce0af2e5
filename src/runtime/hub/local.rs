//! A hub: the run queue, timers and readiness of one OS thread, and the loop that runs its green threads.
//!
//! What only the hub's own thread touches is in [`Hub`]; what others touch is in [`HubShared`].
#![forbid(unsafe_code)]

use super::delayed::DelayedList;
use super::held::Held;
use super::scheduler::Scheduler;
use super::stackless::Stackless;
use crate::coroutine::Root;
use crate::runtime::lane::roster::Roster;
use crate::runtime::lane::timer::{TimerId, Wheel};
use crate::runtime::observe::deadlock;
use crate::runtime::observe::lookout;
use crate::runtime::task::Reason;
#[cfg(feature = "watchdog")]
use crate::runtime::task::Watched;
use crate::runtime::task::foreign;
use crate::runtime::task::{
    Entrance, Inbox, OpenRoll, Roll, Sleeper, Started, TaskRef, Token, Woken, memory, switch,
};
use crate::runtime::wait::reactor::Sources;
use crate::stack::{self, StackSize};
#[cfg(feature = "io-uring")]
use crate::sys::outbox::Outbox;
use crate::sys::poll::{PollWaker, Poller};
use crate::sys::process;
use crate::sys::process::PerProcess;
use crate::sys::report;
use crate::sys::time;
use crate::util::ring::Ring;
use crate::util::static_pool::StaticPool;
use crossbeam_deque::{Injector, Worker};
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many operations a green thread may do without waiting before the others get their turn.
const BUDGET: u32 = 128;
/// For how many tasks together memory is prefetched.
const PREFETCH: usize = 8;
/// Among so few tasks prefetching is not worth while.
const FEW: usize = 5;
/// How many new tasks may be started in a row. It is a number and not a time, so that a current-thread runtime has a fixed order.
const START_AT_MOST: usize = 4;
/// After how many resumes those that stand back are recalled. It is a number for the same reason.
const STAND_BACK: usize = 32;

/// The part of a hub that every thread may touch. It is never freed, as a late waker may still look at it.
#[derive(Debug)]
pub(crate) struct HubShared {
    /// Tasks of this hub that other threads have woken.
    pub(crate) inbox: Inbox,
    /// New tasks placed here because this hub has clearly less load (rule B); every hub may take them.
    pub(crate) placed: Injector<TaskRef>,
    /// New tasks that must start here, from other threads.
    pub(in crate::runtime) pinned: Injector<TaskRef>,
    pub(crate) sources: Sources,
    /// Tasks that the hub has scheduled.
    pub(in crate::runtime) roll: Roll,
    /// Tasks that OS threads outside of the runtime have scheduled; the first hub of a scheduler has them all.
    pub(in crate::runtime) from_outside: OpenRoll,
    /// Tasks that are to start later.
    pub(in crate::runtime) delayed: Mutex<DelayedList>,
    own: Own,
    held: Held,
    /// The system's number of its OS thread.
    thread: AtomicI32,
    /// [`AWAKE`], [`ASLEEP`] or [`SENT_TO_SEARCH`]. The hub sets ASLEEP before it sleeps, the one who wakes it replaces that,
    /// and the hub sets AWAKE when its sleep is over.
    sleep: AtomicU8,
    /// Whether a green thread was given up here. It may still be woken, so this is never used for another hub.
    spoiled: AtomicBool,
    /// Whether, when the hub went to sleep, none of its green threads waited for a time or for readiness.
    stuck: AtomicBool,
    /// How many waits for its sources belong to futures: these may wake its green threads.
    pub(in crate::runtime) watching: AtomicUsize,
    #[cfg(feature = "watchdog")]
    pub(in crate::runtime) watched: Watched,
    /// The process whose hub it is: a forked child leaves its parent's alone.
    generation: u32,
    waker: Mutex<Option<PollWaker>>,
}

/// What the hub writes all the time and others read now and then; in cache lines of its own, apart from what others write.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Own {
    /// How many tasks have started here and not ended.
    live: AtomicUsize,
    /// For what part of the last time the hub was not asleep: so many of [`BUSY`].
    busy: AtomicUsize,
    /// Goes up with each turn of the worker's loop.
    turns: AtomicU64,
    /// The address of the green thread that runs, or zero.
    running: AtomicUsize,
}

/// The value of [`HubShared::busy`] for a hub that has not slept lately.
pub(in crate::runtime) const BUSY: usize = 256;
/// Over how many ticks of the processor's counter that is measured; some ten milliseconds.
const BUSY_WINDOW: u64 = 1 << 25;

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
/// Woken by somebody who has counted the hub as searching. It is a state of the same word, so that the hub cannot miss it.
const SENT_TO_SEARCH: u8 = 2;

static POOL: PerProcess<StaticPool<HubShared>> = PerProcess::new();

impl HubShared {
    /// Takes one that nobody uses, or makes one.
    pub(crate) fn take() -> &'static Self {
        POOL.get(StaticPool::new).take(|| Self {
            inbox: Inbox::new(),
            placed: Injector::new(),
            pinned: Injector::new(),
            sources: Sources::new(),
            roll: Roll::default(),
            from_outside: OpenRoll::default(),
            delayed: Mutex::default(),
            own: Own::default(),
            held: Held::default(),
            thread: AtomicI32::new(0),
            sleep: AtomicU8::new(AWAKE),
            spoiled: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
            watching: AtomicUsize::new(0),
            #[cfg(feature = "watchdog")]
            watched: Watched::default(),
            generation: process::generation(),
            waker: Mutex::new(None),
        })
    }

    /// Makes it ready for a hub: returns a poller whose wait other threads can end.
    pub(crate) fn open(&self) -> io::Result<Poller> {
        let poller = Poller::new()?;
        let (waker, registry) = (poller.waker()?, poller.registry()?);
        *self.waker.lock() = Some(waker);
        self.sources.open(registry);
        Ok(poller)
    }

    /// Undoes [`open`](Self::open). Its sources are registered with another hub when somebody next waits for them.
    pub(crate) fn close(&self) {
        self.sources.close(self);
        self.waker.lock().take();
    }

    /// Gives back one that was never opened, or that is closed and has no task left anywhere. No scheduler has it any more.
    pub(crate) fn give(&'static self) {
        if !self.spoiled.load(Ordering::Relaxed) && !self.is_parents() {
            POOL.get(StaticPool::new).give(self);
        }
    }

    /// Whether it belongs to the process that this one was forked from.
    pub(crate) fn is_parents(&self) -> bool {
        self.generation != process::generation()
    }

    #[inline]
    pub(crate) fn live(&self) -> usize {
        self.own.live.load(Ordering::Relaxed)
    }

    /// For what part of the last time the hub was not asleep: so many of [`BUSY`].
    #[inline]
    pub(in crate::runtime) fn busy(&self) -> usize {
        if self.is_sleeping() { 0 } else { self.own.busy.load(Ordering::Relaxed) }
    }

    /// How many turns the worker's loop has made.
    pub(in crate::runtime) fn turns(&self) -> u64 {
        self.own.turns.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(in crate::runtime) fn set_turns(&self, turns: u64) {
        self.own.turns.store(turns, Ordering::Relaxed);
    }

    /// A number for what the hub does now, another one with each turn of its loop and each green thread; `None` if it runs no
    /// green thread.
    pub(in crate::runtime) fn doing(&self) -> Option<u64> {
        let running = self.own.running.load(Ordering::Relaxed) as u64;
        let turns = self.own.turns.load(Ordering::Relaxed);
        (running != 0 && !self.is_sleeping()).then_some((turns << 32) ^ running)
    }

    /// The [address](Started::address) of the green thread that it runs.
    pub(in crate::runtime) fn running(&self) -> usize {
        self.own.running.load(Ordering::Relaxed)
    }

    /// The system's number of its OS thread.
    pub(in crate::runtime) fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// For how long it has been seen to run one and the same green thread, which computes or blocks the OS thread.
    pub(in crate::runtime) fn held_for(&self) -> Duration {
        let look = |doing| self.held.look(doing, self.thread.load(Ordering::Relaxed));
        self.doing().map_or(Duration::ZERO, look)
    }

    /// How many of the tasks that are queued here others may take now, because the hub is held up.
    pub(in crate::runtime) fn to_be_rescued(&self) -> usize {
        let held = self.held_for();
        if held.is_zero() { 0 } else { self.held.rescue(held) }
    }

    /// Whether, when the hub went to sleep, only other threads could wake its green threads.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::SeqCst)
    }

    pub(in crate::runtime) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn is_sleeping(&self) -> bool {
        self.sleep.load(Ordering::Relaxed) == ASLEEP
    }

    /// Ends the hub's sleep, if it sleeps, and returns whether it did. The caller has put something where the hub will find it.
    pub(crate) fn wake(&self) -> bool {
        self.wake_as(AWAKE)
    }

    /// As [`wake`](Self::wake), for a hub that the caller has counted as searching. If it did not sleep this returns `false`, and
    /// the caller takes the count back.
    pub(crate) fn wake_to_search(&self) -> bool {
        self.wake_as(SENT_TO_SEARCH)
    }

    fn wake_as(&self, state: u8) -> bool {
        if self.sleep.load(Ordering::SeqCst) != ASLEEP
            || self
                .sleep
                .compare_exchange(ASLEEP, state, Ordering::SeqCst, Ordering::Relaxed)
                .is_err()
            || self.is_parents()
        {
            return false;
        }
        if let Some(waker) = &*self.waker.lock() {
            // Writing to the eventfd fails only if it is closed, and it is ours.
            let _ = waker.wake();
        }
        true
    }
}

/// What a timer is for.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime) enum Due {
    Wake(Sleeper, Token),
    /// A task is to start: the one with this place among the delayed ones.
    Start(u32),
    /// Tasks that wait for a stack are to look whether there is one by now.
    Stacks,
}

/// The part of a hub that only its own OS thread touches.
#[derive(Debug)]
pub(crate) struct Hub {
    shared: &'static HubShared,
    pub(crate) scheduler: Arc<Scheduler>,
    /// Started tasks that are ready to run.
    ready: Ring<Started>,
    /// Started tasks that are ready too, but stand back: they let the others go first.
    back: Ring<Started>,
    /// After how many resumes those that stand back are recalled; zero while there are none.
    recall_in: Cell<usize>,
    /// New tasks; other workers steal from here.
    pub(crate) fresh: Worker<TaskRef>,
    /// New tasks that must not be stolen.
    local: RefCell<VecDeque<TaskRef>>,
    /// Whether all tasks have been killed, and new ones are killed when their turn comes.
    pub(in crate::runtime) winds_down: Cell<bool>,
    pub(in crate::runtime) roster: RefCell<Roster>,
    entrance: Entrance,
    pub(in crate::runtime) timers: RefCell<Wheel<Due>>,
    /// Tasks whose turn has come and that wait for a stack.
    pub(in crate::runtime) stackless: RefCell<Stackless>,
    /// Whether the spare stack for them is missing: it is in use, or there never was one.
    pub(in crate::runtime) lacks_spare: Cell<bool>,
    poller: RefCell<Poller>,
    /// Short writes of its green threads, which are sent together.
    #[cfg(feature = "io-uring")]
    pub(in crate::runtime) outbox: Outbox,
    /// The green thread that is running.
    current: Cell<Option<Started>>,
    budget: Cell<u32>,
    /// The context of the OS thread, from which green threads are resumed.
    root: Root,
    stack_size: StackSize,
    /// When the present measurement of how busy it is began, and for how many ticks since it has slept.
    measured: Cell<(u64, u64)>,
    /// How many of its green threads wait for readiness.
    for_readiness: Cell<usize>,
    /// What was polled last waits for readiness.
    awaits_readiness: Cell<bool>,
    pub(in crate::runtime) watch: deadlock::Watch,
    /// Whether tasks of other executors were woken where their wakers could not be used.
    pub(in crate::runtime) has_foreign: Cell<bool>,
    /// Set in a forked child when the green thread that forked has ended there: the status with which the child is to end.
    child_status: Cell<Option<i32>>,
}

impl Hub {
    /// Makes the hub of the calling OS thread.
    pub(crate) fn new(
        shared: &'static HubShared,
        scheduler: Arc<Scheduler>,
        fresh: Worker<TaskRef>,
        poller: Poller,
        stack_size: StackSize,
    ) -> Self {
        #[cfg(feature = "watchdog")]
        shared.watched.set_thread(crate::sys::look::this_thread());
        shared.thread.store(process::this_thread(), Ordering::Relaxed);
        let stackless = Stackless::new(stack_size);
        Self {
            shared,
            scheduler,
            ready: Ring::with_capacity(256),
            back: Ring::with_capacity(0),
            recall_in: Cell::new(0),
            fresh,
            local: RefCell::default(),
            winds_down: Cell::new(false),
            roster: RefCell::default(),
            entrance: Entrance::default(),
            timers: RefCell::new(Wheel::new(time::now())),
            lacks_spare: Cell::new(!stackless.has_spare()),
            stackless: RefCell::new(stackless),
            poller: RefCell::new(poller),
            #[cfg(feature = "io-uring")]
            outbox: Outbox::new(),
            current: Cell::new(None),
            budget: Cell::new(0),
            root: Root::of_this_thread(),
            stack_size,
            measured: Cell::new((time::ticks(), 0)),
            for_readiness: Cell::new(0),
            awaits_readiness: Cell::new(false),
            watch: deadlock::Watch::new(),
            has_foreign: Cell::new(false),
            child_status: Cell::new(None),
        }
    }

    /// Whether the hub belongs to the process that this one was forked from. Then nothing is run on it any more.
    #[inline(always)]
    pub(crate) fn is_parents(&self) -> bool {
        self.child_status.get().is_some()
    }

    /// The status with which a forked child ends when nothing is left to run in it: that of a `main` that has returned or
    /// panicked.
    pub(crate) fn child_status(&self) -> Option<i32> {
        self.child_status.get()
    }

    #[inline(always)]
    pub(crate) fn shared(&self) -> &'static HubShared {
        self.shared
    }

    /// The green thread that is running, if one is.
    #[inline(always)]
    pub(crate) fn current(&self) -> Option<Started> {
        self.current.get()
    }

    #[inline(always)]
    pub(crate) fn root(&self) -> Root {
        self.root
    }

    /// Queues a started task of this hub that is suspended, or about to suspend itself.
    #[inline(always)]
    pub(crate) fn push_ready(&self, started: Started) {
        self.ready.push(started);
    }

    /// Queues a task that is about to suspend itself, to run when nothing else is ready or the others have had a few turns.
    pub(crate) fn stand_back(&self, started: Started) {
        self.back.push(started);
        if self.recall_in.get() == 0 {
            self.recall_in.set(STAND_BACK);
        }
    }

    /// Has those that stand back recalled at the next look.
    pub(crate) fn recall_soon(&self) {
        if self.recall_in.get() != 0 {
            self.recall_in.set(1);
        }
    }

    /// A number that hardly any other hub has, and that is not zero.
    #[inline]
    pub(crate) fn place(&self) -> u16 {
        let apart = std::ptr::from_ref(self.shared).addr() / align_of::<HubShared>();
        (apart as u16).max(1)
    }

    /// Recalls those that stand back, if it is time to. `ran` is how many tasks have been resumed since the last look.
    #[inline(always)]
    pub(crate) fn recall(&self, ran: usize) {
        let left = self.recall_in.get();
        if left != 0 {
            self.count_down(left.saturating_sub(ran));
        }
    }

    #[inline(never)]
    fn count_down(&self, left: usize) {
        let left = if self.has_ready() { left } else { 0 };
        self.recall_in.set(left);
        if left == 0 {
            while let Some(started) = self.back.pop() {
                self.ready.push(started);
            }
        }
    }

    /// Takes in a task of this hub whose wait has ended.
    #[inline]
    pub(crate) fn woken(&self, woken: Woken) {
        match woken {
            Woken::Started(started) => {
                // Among few tasks `run_ready` does not prefetch, and this one, unlike the others, has not run just now.
                if self.ready.len() < FEW {
                    switch::prefetch(started);
                }
                self.ready.push(started);
            }
            Woken::Delayed(place) => self.end_delay(place),
        }
    }

    /// Puts a task that is about to be scheduled on the roll.
    #[inline]
    pub(crate) fn enroll(&self, task: &TaskRef) {
        self.entrance.enter(&self.shared.roll, task);
    }

    /// Queues a new task of the hub's own scheduler, made or taken in on this OS thread.
    #[inline]
    pub(crate) fn push_new(&self, task: TaskRef) {
        if task.is_local() { self.push_local(task) } else { self.scheduler.push_from(self, task) }
    }

    /// Queues a new task that must start here.
    pub(crate) fn push_local(&self, task: TaskRef) {
        if self.scheduler.has_thieves() {
            self.local.borrow_mut().push_back(task);
        } else {
            self.fresh.push(task);
        }
    }

    /// Whether the hub has tasks to start that no other hub may take.
    pub(crate) fn has_local(&self) -> bool {
        !self.local.borrow().is_empty()
    }

    pub(crate) fn stack_size(&self) -> StackSize {
        self.stack_size
    }

    pub(crate) fn add_timer(&self, started: Started, token: Token, at: Instant) -> TimerId {
        self.timers.borrow_mut().insert(time::nanos(at), Due::Wake(started.sleeper(), token))
    }

    pub(crate) fn cancel_timer(&self, timer: TimerId) {
        self.timers.borrow_mut().cancel(timer);
    }

    /// Counts an operation that did not wait; returns `true` when it is time to let the others run.
    #[inline]
    pub(crate) fn spend_budget(&self) -> bool {
        let left = self.budget.get();
        if left > 1 {
            self.budget.set(left - 1);
            return false;
        }
        self.budget.set(BUDGET);
        self.current.get().is_some()
    }

    // --- running ------------------------------------------------------------------------------------------------

    /// Runs a task until it waits, yields or ends; returns whether it has ended. The caller ends a series of these with
    /// [`outside`](Self::outside).
    #[inline(always)]
    fn run(&self, started: Started) -> bool {
        self.current.set(Some(started));
        self.budget.set(BUDGET);
        self.shared.own.running.store(started.address(), Ordering::Relaxed);
        #[cfg(feature = "watchdog")]
        self.shared.watched.begin(started);
        // What follows the end of a task may run code of users (of a waker, say), and is not part of the green thread.
        let ended = switch::resume(started, self.root, || self.outside());
        #[cfg(feature = "watchdog")]
        self.shared.watched.end();
        match ended {
            None => false,
            Some(task) => {
                self.task_ended(&task);
                self.look_whether_forked(&task);
                true
            }
        }
    }

    /// Looks whether the task, which has just ended, did so in a forked child. There a green thread that forked goes on without
    /// ever being suspended.
    #[inline(always)]
    pub(in crate::runtime) fn look_whether_forked(&self, ended: &TaskRef) {
        if self.shared.is_parents() {
            self.disown(ended);
        }
    }

    /// Leaves all other green threads, which are the parent's: nothing of them may run here.
    #[cold]
    fn disown(&self, ended: &TaskRef) {
        self.child_status.set(Some(process::status(!ended.has_failed())));
        while self.ready.pop().or_else(|| self.back.pop()).is_some() {}
        while let Some(task) = self.fresh.pop() {
            std::mem::forget(task);
        }
        while let Some(task) = self.stackless.borrow_mut().pop() {
            std::mem::forget(task);
        }
    }

    #[inline(always)]
    fn outside(&self) {
        self.current.set(None);
        self.shared.own.running.store(0, Ordering::Relaxed);
        self.root.leave();
    }

    #[inline(always)]
    fn task_ended(&self, task: &TaskRef) {
        self.roster.borrow_mut().remove(task);
        self.count_live(-1);
        self.entrance.leave(&self.shared.roll, task);
        task.complete();
    }

    #[inline(always)]
    fn count_live(&self, change: isize) {
        let live = self.shared.own.live.load(Ordering::Relaxed).wrapping_add_signed(change);
        self.shared.own.live.store(live, Ordering::Relaxed);
    }

    /// Prefetches the memory of the next ready tasks, of several at once: every stack takes an address translation of its own, and
    /// the processor does a few of these at a time.
    #[inline]
    fn prefetch_ready(&self) {
        (0..PREFETCH).map_while(|at| self.ready.peek(at)).for_each(switch::prefetch);
    }

    /// Runs up to `most` ready tasks; returns how many it ran.
    #[inline(always)]
    pub(crate) fn run_ready(&self, most: usize) -> usize {
        self.send_outgoing();
        let count = self.ready.len().min(most);
        let mut left = count;
        while left > 0 {
            // If they are few, each has most likely run just now.
            if left > FEW {
                self.prefetch_ready();
            }
            let batch = left.min(PREFETCH);
            left -= batch;
            for _ in 0..batch {
                let Some(started) = self.ready.pop() else { break };
                self.run(started);
            }
        }
        if count != 0 {
            self.outside();
        }
        count
    }

    /// Sends what the green threads have put into the outbox. Always called before one of them runs again.
    #[inline(always)]
    pub(crate) fn send_outgoing(&self) {
        #[cfg(feature = "io-uring")]
        if !self.outbox.is_empty() && !self.is_parents() {
            self.outbox.flush();
        }
    }

    /// Starts new tasks of the hub's own queue: one, and more while they end at once or there are no thieves (rule A). Returns how
    /// many.
    ///
    /// A task that has ended without waiting leaves no work to share out, so to go on takes nothing from the thieves; and
    /// whoever joins a series of short tasks is not woken for each of them. `start_one` returns whether its task has ended.
    #[inline(always)]
    pub(crate) fn start_fresh(&self, start_one: impl Fn(&Self, TaskRef) -> bool) -> usize {
        let mut count = 0;
        let thieves = self.scheduler.has_thieves();
        if thieves {
            let local = self.local.borrow_mut().pop_front();
            if let Some(task) = local {
                count += 1;
                start_one(self, task);
            }
        }
        while let Some(task) = self.fresh.pop() {
            count += 1;
            if thieves && let Some(other) = self.scheduler.lighter_than(self) {
                self.scheduler.place(other, task);
                break;
            }
            let ended = start_one(self, task);
            if (!ended && thieves) || count == START_AT_MOST {
                break;
            }
        }
        count
    }

    /// Starts a new task; returns whether it has ended. If there is no memory for its stack, it waits for that, or ends.
    #[inline(always)]
    pub(crate) fn start(&self, task: TaskRef) -> bool {
        let mut size = self.stack_size;
        if let Some(meta) = task.meta() {
            if let Some(at) = meta.start_at
                && !task.is_killed()
                && at > Instant::now()
            {
                self.delay(task, at);
                return true;
            }
            size = meta.stack_size.unwrap_or(size);
        }
        match switch::start(task, self.shared, size) {
            Ok(started) => self.begin(started),
            Err((task, error)) => self.got_no_stack(task, size, error),
        }
    }

    /// Runs a task that has just been given a stack; returns whether it has ended.
    #[inline(always)]
    pub(in crate::runtime) fn begin(&self, started: Started) -> bool {
        self.roster.borrow_mut().add(started);
        self.count_live(1);
        let ended = self.run(started);
        if !ended {
            self.outside();
        }
        ended
    }

    /// Takes in the tasks that other threads have woken.
    #[inline(always)]
    pub(crate) fn drain_inbox(&self) {
        if !self.shared.inbox.is_empty() {
            self.shared.inbox.drain(|woken| self.woken(woken));
        }
    }

    /// Wakes tasks of other executors whose wake-up was put off; returns whether there were any.
    #[inline(always)]
    pub(crate) fn wake_foreign(&self) -> bool {
        let any = self.has_foreign.replace(false);
        if any {
            foreign::wake_later();
        }
        any
    }

    #[inline(always)]
    pub(crate) fn has_ready(&self) -> bool {
        self.ready.len() > 0
    }

    /// Fires the timers whose time has come.
    pub(crate) fn fire_timers(&self) {
        let mut timers = self.timers.borrow_mut();
        if timers.is_empty() {
            return;
        }
        let (mut to_start, mut stacks) = (Vec::new(), false);
        let soon = |due: &Due| {
            if let Due::Wake(sleeper, _) = due {
                sleeper.prefetch();
            }
        };
        let roster = self.roster.borrow();
        let next = |due: &Due| {
            if let Due::Wake(sleeper, _) = due {
                sleeper.prefetch_stack();
                roster.prefetch(sleeper.roster());
            }
        };
        let now = time::now();
        timers.advance(now, soon, next, |due| match due {
            Due::Wake(sleeper, token) => {
                if let Some(started) = sleeper.expire(token) {
                    self.ready.push(started);
                }
            }
            Due::Start(place) => {
                // It does not if it has been killed: then it is in the inbox.
                if self.shared.delayed.lock().expire(place, now) {
                    to_start.push(place);
                }
            }
            Due::Stacks => stacks = true,
        });
        drop((timers, roster));
        to_start.into_iter().for_each(|place| self.end_delay(place));
        if stacks {
            self.retry_stackless();
        }
    }

    /// Looks for readiness without waiting, if there is anything that could become ready.
    pub(crate) fn poll_now(&self) {
        // A task that was just started may have forked: the child leaves the parent's readiness alone.
        if !self.shared.sources.is_empty() && !self.is_parents() {
            self.poll(Some(Duration::ZERO));
        }
    }

    /// Asks the kernel what has become ready, and waits for it as long as `timeout` says; returns whether anything has.
    fn poll(&self, timeout: Option<Duration>) -> bool {
        let mut poller = self.poller.borrow_mut();
        match poller.wait(timeout) {
            Ok(any) => {
                self.shared.sources.dispatch(self.shared, poller.events());
                any
            }
            // Only EBADF, EFAULT and EINVAL are left, which do not come for our own descriptor. If they come all the same, the
            // worker goes on with what does not need readiness, rather than spin.
            Err(error) => {
                report(format_args!("waiting for readiness failed: {error}"));
                drop(poller);
                std::thread::sleep(Duration::from_millis(10));
                true
            }
        }
    }

    /// Announces that the hub is about to sleep. Whoever gives it something to do from here on wakes it.
    pub(crate) fn announce_sleep(&self) {
        self.shared.sleep.store(ASLEEP, Ordering::SeqCst);
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    /// Takes the announcement back; returns whether the hub was sent to search for new tasks meanwhile.
    pub(crate) fn end_sleep(&self) -> bool {
        let sent = self.shared.sleep.swap(AWAKE, Ordering::SeqCst) == SENT_TO_SEARCH;
        lookout::awake();
        sent
    }

    /// Sleeps until a source is ready, a timer is due, another thread wakes the hub, or `at_most` is over. Returns whether
    /// `at_most` ended the sleep.
    pub(crate) fn sleep(&self, at_most: Option<Duration>) -> bool {
        let next = self.timers.borrow().next_wake();
        let until_timer = next.map(|at| Duration::from_nanos(at.saturating_sub(time::now())));
        let timeout = match (until_timer, at_most) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let begun = time::ticks();
        let undisturbed = !self.poll(timeout);
        let ended = time::ticks();
        let (since, slept) = self.measured.get();
        self.measured.set((since, slept + ended.saturating_sub(begun)));
        self.measure(ended);
        undisturbed && at_most.is_some() && timeout == at_most
    }

    /// Publishes how busy the hub has been, if it is time to.
    pub(crate) fn measure(&self, now: u64) {
        let (since, slept) = self.measured.get();
        let all = now.saturating_sub(since);
        if all < BUSY_WINDOW {
            return;
        }
        self.measured.set((now, 0));
        let share = BUSY - (u128::from(slept.min(all)) * BUSY as u128 / u128::from(all)) as usize;
        let before = self.shared.own.busy.load(Ordering::Relaxed);
        self.shared.own.busy.store(usize::midpoint(before, share), Ordering::Relaxed);
    }

    /// Gives memory back that is not needed any more.
    #[cold]
    pub(crate) fn trim(&self) {
        stack::trim();
        memory::trim();
        self.timers.borrow_mut().trim();
    }

    // --- whether anything moves -----------------------------------------------------------------------------------

    /// Counts the calling green thread, which begins or ends a wait for readiness.
    #[inline]
    pub(crate) fn count_for_readiness(&self, change: isize) {
        self.for_readiness.set(self.for_readiness.get().wrapping_add_signed(change));
    }

    /// A future begins to wait for readiness, if `hub` is this one; says whether it is.
    #[inline]
    pub(in crate::runtime) fn await_readiness(&self, hub: &HubShared) -> bool {
        let is_own = std::ptr::eq(self.shared, hub);
        self.awaits_readiness.set(is_own);
        is_own
    }

    /// Whether one has since this was asked last.
    #[inline(always)]
    pub(in crate::runtime) fn awaited_readiness(&self) -> bool {
        self.awaits_readiness.replace(false)
    }

    /// Whether none of its green threads waits for a time or for readiness.
    pub(in crate::runtime) fn is_stuck(&self) -> bool {
        self.for_readiness.get() == 0
            && self.shared.watching.load(Ordering::SeqCst) == 0
            && self.timers.borrow().is_empty()
    }

    /// Whether it belongs to a runtime with workers, rather than to a current-thread runtime.
    pub(in crate::runtime) fn has_workers(&self) -> bool {
        self.scheduler.has_workers()
    }

    /// Whether any of its green threads waits for what somebody is to do.
    pub(in crate::runtime) fn has_blocked(&self) -> bool {
        let waits = |started: Started| started.with(TaskRef::reason) != Reason::Task;
        self.roster.borrow().iter().any(waits)
    }

    /// What `f` returns for each started task.
    pub(in crate::runtime) fn map_live<T>(&self, f: impl FnMut(Started) -> T) -> Vec<T> {
        self.roster.borrow().iter().map(f).collect()
    }

    // --- the end ------------------------------------------------------------------------------------------------

    pub(crate) fn live(&self) -> usize {
        self.roster.borrow().len()
    }

    /// Kills every green thread of the hub.
    pub(crate) fn kill_all(&self) {
        self.winds_down.set(true);
        let mut all: Vec<TaskRef> = self.roster.borrow().iter().map(Started::task).collect();
        all.extend(self.shared.delayed.lock().tasks().cloned());
        all.extend(self.stackless.borrow().tasks().cloned());
        for task in all {
            task.end();
        }
    }

    /// Whether it has neither green threads nor new tasks.
    pub(crate) fn is_empty(&self) -> bool {
        self.live() == 0
            && self.fresh.is_empty()
            && !self.has_local()
            && !self.shared.has_delayed()
            && self.stackless.borrow().is_empty()
    }

    /// Takes a new task that nobody else will start.
    pub(crate) fn pop_leftover(&self) -> Option<TaskRef> {
        let local = || self.local.borrow_mut().pop_front();
        self.fresh.pop().or_else(local).or_else(|| self.stackless.borrow_mut().pop())
    }

    /// Gives up the green threads that did not end: they stay where they are for ever. Returns their tasks, which do not count as
    /// done yet.
    pub(crate) fn leak_all(&self) -> Vec<TaskRef> {
        let all: Vec<Started> = self.roster.borrow().iter().collect();
        *self.roster.borrow_mut() = Roster::default();
        if !all.is_empty() {
            self.shared.spoiled.store(true, Ordering::Relaxed);
        }
        // They may have been woken, and must not run.
        while self.ready.pop().or_else(|| self.back.pop()).is_some() {}
        all.into_iter()
            .map(|started| {
                self.count_live(-1);
                switch::leak(started)
            })
            .collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.is_parents() {
            return;
        }
        self.entrance.close(&self.shared.roll);
        self.shared.close();
        let delayed = std::mem::take(&mut *self.shared.delayed.lock());
        // Dropped after the lock has been given back, with all that the tasks hold.
        drop(delayed);
    }
}
