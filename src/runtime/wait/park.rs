//! The one way to wait: everything that blocks goes through a [`Parker`], on green threads and OS threads alike.
//!
//! A wait has three steps. [`Parker::new`] begins it. The [`Waiter`] that it gives is put where a waker will find it. Then
//! [`Parker::park`] sleeps until that waiter is unparked, the deadline passes, or a kill arrives. Nothing is lost between the
//! first and the last step: a wake-up that comes early makes `park` return at once, and one that comes after the wait has ended
//! in another way does nothing.
#![forbid(unsafe_code)]

use crate::coroutine;
use crate::runtime::lane::local::Lane;
use crate::runtime::lane::{current, panic_hook};
use crate::runtime::task::{
    self, Blocker, Interruption, Outcome, Started, TaskRef, Token, new_os_thread, sleep_os_thread,
    switch,
};
use crate::sys::{fault, process, thread_end, time};
use crate::util::sync;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(crate) use crate::runtime::task::{Reason, Waiter};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    /// Its waiter was unparked.
    Notified,
    /// The deadline passed first.
    TimedOut,
    /// The green thread has been killed, or a timeout that it is inside of has expired. The caller takes its waiter back
    /// from where it put it, then calls [`raise_kill`].
    Killed,
}

/// One wait of the calling thread.
#[derive(Debug)]
pub(crate) struct Parker {
    sleeper: Sleeper,
    token: Token,
    interruptible: bool,
    /// How many unwinds are under way around the wait; `None` if that is not known.
    unwinds: Option<usize>,
    not_send: PhantomData<*mut ()>,
}

/// Who waits. A green thread is borrowed from its hub: counting a reference at each wait is not cheap.
#[derive(Debug)]
pub(in crate::runtime) enum Sleeper {
    Green(Started),
    Os(TaskRef),
}

impl Sleeper {
    /// The calling thread.
    #[inline]
    pub(in crate::runtime) fn current() -> Self {
        current_green().map_or_else(|| Self::Os(os_thread()), Self::Green)
    }

    /// As [`current`](Self::current), but it may give a green thread that may not be suspended here: the caller asks
    /// [`is_current`](Self::is_current) before it suspends it.
    #[inline]
    pub(in crate::runtime) fn probably_current() -> Self {
        let green = current::running();
        green.map_or_else(|| Self::Os(os_thread()), Self::Green)
    }

    /// Whether the calling thread still waits as this one. A green thread does not in a forked child.
    pub(in crate::runtime) fn is_current(&self) -> bool {
        match self {
            Self::Green(started) => current_green() == Some(*started),
            Self::Os(_) => true,
        }
    }

    /// Whether one of its wakers has been used since their count was `seen`.
    #[inline(always)]
    pub(in crate::runtime) fn has_woken(&self, seen: u64) -> bool {
        self.with(TaskRef::wakes) != seen
    }

    /// See [`let_others_run`].
    #[inline(always)]
    pub(in crate::runtime) fn lets_others_run(&self) -> bool {
        match self {
            Self::Green(started) => let_others_run(*started),
            Self::Os(_) => false,
        }
    }

    #[inline(always)]
    pub(in crate::runtime) fn with<R>(&self, f: impl FnOnce(&TaskRef) -> R) -> R {
        match self {
            Self::Green(started) => started.with(f),
            Self::Os(task) => f(task),
        }
    }
}

/// What an OS thread waits with, until its thread-locals are destroyed.
struct OsThread(TaskRef);

impl Drop for OsThread {
    fn drop(&mut self) {
        #[cfg(not(loom))]
        keep_late(self.0.clone());
    }
}

sync::thread_local! {
    static OS_THREAD: OsThread = OsThread(new_os_thread());
}

/// What the calling OS thread itself waits with: the same for its whole life, since destructors of thread-locals that are older than
/// ours may wait too, may have taken locks before, and may be inside of timeouts.
pub(crate) fn os_thread() -> TaskRef {
    OS_THREAD.try_with(|own| own.0.clone()).unwrap_or_else(|_| late_os_thread())
}

std::thread_local! {
    /// What an OS thread waits with after the destructor of its `OS_THREAD` has run. This one has no destructor.
    static LATE: ManuallyDrop<Cell<Option<TaskRef>>> = const { ManuallyDrop::new(Cell::new(None)) };
}

#[cold]
fn late_os_thread() -> TaskRef {
    let kept = LATE.with(|late| late.take());
    let task = kept.unwrap_or_else(new_os_thread);
    keep_late(task.clone());
    task
}

/// Keeps the task until all thread-locals of the calling OS thread have been destroyed.
fn keep_late(task: TaskRef) {
    LATE.with(|late| late.set(Some(task)));
    thread_end::call(|| drop(LATE.with(|late| late.take())));
}

/// The green thread that the calling OS thread runs, if it may be suspended here.
///
/// It may not be suspended inside the panic hook: std holds a lock of the OS thread around that, for which a neighbour that sets a
/// hook would wait. Nor may it be while the OS thread runs the exit handlers of the process. There, waiting blocks the OS thread.
#[inline]
fn current_green() -> Option<Started> {
    let green = current::with_lane(|lane| lane.current()).flatten()?;
    if must_block() { None } else { Some(green) }
}

#[inline(always)]
fn must_block() -> bool {
    process::is_exiting() || (coroutine::any_unwinds() && panic_hook::is_running())
}

/// Whether the caller is a green thread that may be suspended here.
#[inline]
pub(crate) fn is_green() -> bool {
    current_green().is_some()
}

/// Whether the calling OS thread runs green threads, be it one just now or none.
#[cfg(feature = "monkey")]
pub(crate) fn is_worker() -> bool {
    current::with_lane(|_| ()).is_some()
}

impl Parker {
    /// Begins a wait that a kill may end.
    #[inline]
    pub(crate) fn new() -> Self {
        Self::begin(true)
    }

    /// Begins a wait that a kill may end, if the caller is a green thread that may be suspended here.
    #[inline]
    pub(crate) fn of_green_thread() -> Option<Self> {
        current_green().map(|green| Self::begin_as(Sleeper::Green(green), true))
    }

    /// Begins a wait that only its waker ends.
    pub(crate) fn uninterruptible() -> Self {
        Self::begin(false)
    }

    /// Begins a wait of `sleeper`, which is the calling thread; a kill may end it.
    pub(in crate::runtime) fn of(sleeper: &Sleeper) -> Self {
        let sleeper = match sleeper {
            Sleeper::Green(started) => Sleeper::Green(*started),
            Sleeper::Os(task) => Sleeper::Os(task.clone()),
        };
        Self::begin_as(sleeper, true)
    }

    #[inline]
    fn begin(interruptible: bool) -> Self {
        Self::begin_as(Sleeper::current(), interruptible)
    }

    #[inline(always)]
    fn begin_as(sleeper: Sleeper, interruptible: bool) -> Self {
        let unwinds = coroutine::unwinds();
        let (token, may_be_ended) = sleeper.with(|task| {
            task.note_calm();
            let may_be_ended = match unwinds {
                Some(0) => true,
                Some(unwinds) => task.may_be_interrupted(unwinds),
                // The interruption stays pending: a late one is better than a second unwind, which would end the process.
                None => false,
            };
            (task.park_word().prepare(), may_be_ended && !task.is_shielded())
        });
        let interruptible = interruptible && may_be_ended && cfg!(panic = "unwind");
        Self { sleeper, token, interruptible, unwinds, not_send: PhantomData }
    }

    /// Gives what ends this wait.
    #[inline]
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter::new(self.sleeper.with(TaskRef::clone), self.token)
    }

    /// Whether `waiter` ends this wait.
    #[inline]
    pub(crate) fn made(&self, waiter: &Waiter) -> bool {
        self.sleeper.with(|task| waiter.is_for(task, self.token))
    }

    /// Sleeps until the waiter is unparked, the deadline passes, or the green thread is killed.
    pub(crate) fn park(&self, reason: Reason, deadline: Option<Instant>) -> Wake {
        self.park_by(reason, deadline, |task| {
            task.park_word().park(self.token, self.interruptible) && !self.ends_at_once(task)
        })
    }

    /// As [`park`](Self::park), and every waker of the caller ends it. It does not sleep if one has been used since their
    /// count was `seen`.
    pub(in crate::runtime) fn park_wakeable(&self, seen: u64, deadline: Option<Instant>) -> Wake {
        self.park_by(Reason::Future, deadline, |task| {
            task.sleep_until_woken(self.token, self.interruptible, seen, || self.is_interrupted())
        })
    }

    /// The common part of the waits. `begin` moves the park word to PARKED, and returns whether it still is after a last look
    /// around.
    #[inline(always)]
    fn park_by(
        &self,
        reason: Reason,
        deadline: Option<Instant>,
        begin: impl FnOnce(&TaskRef) -> bool,
    ) -> Wake {
        dawdle();
        let wake = match self.unwinds {
            Some(unwinds) if unwinds > 0 && self.interruptible => {
                self.park_in_destructor(unwinds, reason, deadline, begin)
            }
            _ => self.park_any(reason, deadline, begin),
        };
        dawdle();
        wake
    }

    #[inline(always)]
    fn park_any(
        &self,
        reason: Reason,
        deadline: Option<Instant>,
        begin: impl FnOnce(&TaskRef) -> bool,
    ) -> Wake {
        match &self.sleeper {
            Sleeper::Green(started) => self.park_green(*started, reason, deadline, begin),
            Sleeper::Os(task) => self.park_os_thread(task, deadline, begin),
        }
    }

    /// A wait in a destructor that an unwind runs: only a timeout or a group that began inside of that destructor ends it.
    #[cold]
    #[inline(never)]
    fn park_in_destructor(
        &self,
        unwinds: usize,
        reason: Reason,
        deadline: Option<Instant>,
        begin: impl FnOnce(&TaskRef) -> bool,
    ) -> Wake {
        self.sleeper.with(|task| task.set_unwinds(unwinds));
        let wake = self.park_any(reason, deadline, begin);
        self.sleeper.with(|task| task.set_unwinds(0));
        wake
    }

    /// The second look at the kill flag. It pairs with `kill`, which sets the flag and then looks at the park word.
    #[inline(always)]
    fn ends_at_once(&self, task: &TaskRef) -> bool {
        self.is_interrupted() && task.park_word().interrupt()
    }

    /// As [`park`](Self::park), for a wait of which reports can say what it depends on.
    pub(crate) fn park_on(
        &self,
        reason: Reason,
        deadline: Option<Instant>,
        blocker: Blocker<'_>,
    ) -> Wake {
        match &self.sleeper {
            Sleeper::Green(started) => started.blocked_on(blocker, || self.park(reason, deadline)),
            Sleeper::Os(_) => self.park(reason, deadline),
        }
    }

    #[inline]
    fn park_green(
        &self,
        started: Started,
        reason: Reason,
        deadline: Option<Instant>,
        begin: impl FnOnce(&TaskRef) -> bool,
    ) -> Wake {
        let interruption = self.interruption();
        if interruption.is_due() {
            // The interruption was raised before and caught, or came while we ran: let the others have their turn first.
            requeue_and_suspend(started);
            return Wake::Killed;
        }
        let (until, limited) = cut(interruption, deadline);
        let until = until.map(time::nanos);
        let timer =
            until.and_then(|at| current::with_lane(|lane| lane.add_timer(started, self.token, at)));
        let sleeps = started.with(|task| {
            task.set_wait(reason, until);
            begin(task)
        });
        if sleeps {
            suspend(started);
        }
        let outcome = started.with(|task| task.park_word().outcome());
        if let Some(timer) = timer
            && outcome != Outcome::Expired
        {
            current::with_lane(|lane| lane.cancel_timer(timer));
        }
        match outcome {
            Outcome::Notified => Wake::Notified,
            Outcome::Expired if !limited => Wake::TimedOut,
            Outcome::Expired | Outcome::Interrupted => Wake::Killed,
        }
    }

    fn park_os_thread(
        &self,
        task: &TaskRef,
        deadline: Option<Instant>,
        begin: impl FnOnce(&TaskRef) -> bool,
    ) -> Wake {
        let interruption = self.interruption();
        if interruption.is_due() {
            return Wake::Killed;
        }
        let (until, limited) = cut(interruption, deadline);
        if begin(task) {
            sleep_os_thread(task, self.token, until);
        }
        match task.park_word().outcome() {
            Outcome::Notified => Wake::Notified,
            Outcome::Expired if !limited => Wake::TimedOut,
            Outcome::Expired | Outcome::Interrupted => Wake::Killed,
        }
    }

    #[inline]
    fn is_interrupted(&self) -> bool {
        self.interruptible
            && task::any_interruption()
            && self.sleeper.with(|task| task.is_interrupted(self.unwinds))
    }

    #[inline]
    fn interruption(&self) -> Interruption {
        if self.interruptible && task::any_interruption() {
            self.sleeper.with(|task| task.interruption(self.unwinds))
        } else {
            Interruption::None
        }
    }
}

/// Lets others come in between, where a test has planned that.
#[inline(always)]
pub(crate) fn dawdle() {
    if fault::check(fault::Call::Park).is_err() {
        dawdle_now();
    }
}

#[cold]
fn dawdle_now() {
    static SEED: AtomicU64 = AtomicU64::new(1);
    let random = SEED.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) >> 33;
    match random % 16 {
        0 => std::thread::sleep(Duration::from_micros(random % 100)),
        1..4 => std::thread::yield_now(),
        4..8 if is_green() => give_way(),
        _ => {}
    }
}

/// When a wait ends: at its own deadline or at an interruption, whichever comes first; and whether it is the interruption.
fn cut(interruption: Interruption, deadline: Option<Instant>) -> (Option<Instant>, bool) {
    match (interruption, deadline) {
        (Interruption::At(limit), Some(own)) if own < limit => (deadline, false),
        (Interruption::At(limit), _) => (Some(limit), true),
        _ => (deadline, false),
    }
}

/// The calling thread's task: what is killed, and has timeouts.
pub(crate) fn own_task() -> TaskRef {
    current_green().map_or_else(os_thread, Started::task)
}

/// Whether the calling thread is `task`.
#[inline]
pub(crate) fn is_caller(task: &TaskRef) -> bool {
    current::with_lane(|lane| lane.current().is_some_and(|own| own.with(|own| own == task)))
        .unwrap_or(false)
}

/// Unwinds the calling thread: to its end if it was killed, otherwise out of the timeout that has expired. This poisons no locks,
/// and the panic hook stays silent.
#[cold]
pub(crate) fn raise_kill() -> ! {
    let task = own_task();
    resume_unwind(match task.interruption(coroutine::unwinds()) {
        Interruption::Expired(id) => task.expired_payload(id),
        _ => task.kill_payload(),
    })
}

/// Has the calling OS thread wait in a system call: `wait`, which sleeps at most until the deadline that it is given, and returns
/// whether something came before. An open timeout ends it too; a limit that another thread lets expire is noticed at its end.
pub(crate) fn block_os_thread<E>(
    deadline: Option<Instant>,
    wait: impl FnOnce(Option<Instant>) -> Result<bool, E>,
) -> Result<bool, E> {
    let interruption = Parker::new().interruption();
    if interruption.is_due() {
        raise_kill();
    }
    let (until, limited) = cut(interruption, deadline);
    let in_time = wait(until)?;
    if limited && !in_time {
        raise_kill();
    }
    Ok(in_time)
}

/// Whether the calling thread, which is unwinding, unwinds for a kill or a timeout, or because the generator or greenlet that runs is
/// closed, and not for a panic.
#[cold]
pub(crate) fn is_interrupted() -> bool {
    std::thread::panicking() && (coroutine::is_closed() || own_task().is_raised())
}

/// Whether an unwind that is no panic may be under way anywhere in the process.
#[inline(always)]
pub(crate) fn any_raised() -> bool {
    task::any_raised() || coroutine::any_closing()
}

/// Notes that no unwind is under way in the calling thread except those that run at this moment; see `task/raised.rs`.
#[cold]
#[inline(never)]
pub(crate) fn note_calm() {
    coroutine::note_calm();
    own_task().note_calm();
}

#[inline(always)]
fn suspend(started: Started) {
    let Some(root) = current::with_lane(|lane| lane.root()) else { return };
    switch::suspend(started, root);
}

/// As [`give_way`], but lets the others have several turns, if there are any. Does nothing on a plain OS thread.
pub(crate) fn stand_back() {
    let Some(started) = current_green() else { return };
    current::with_lane(|lane| lane.stand_back(started));
    suspend(started);
}

/// Lets those that stand back on the calling worker run as soon as others have had one turn.
pub(crate) fn recall() {
    current::with_lane(Lane::recall_soon);
}

/// A number for the worker that calls it, or zero. Seldom two workers have the same.
#[inline]
pub(crate) fn place() -> u16 {
    current::with_lane(|lane| lane.place()).unwrap_or(0)
}

/// As [`yield_now`] for `started`, if that is what runs and others are ready. `false` if not, or where it may not be suspended
/// here, or if it has just been put down for readiness, which none of those brings about: then nothing was done.
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
    switch::suspend_calm(started, root);
    if task::any_interruption() {
        raise_if_interrupted(started);
    }
    true
}

/// Has the calling green thread rest until one of its wakers is used, if it was only polling and keeps nothing that lives on its stack:
/// then its body returns to the hub at once. `false` if it must keep its stack.
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

fn requeue_and_suspend(started: Started) {
    current::with_lane(|lane| lane.push_ready(started));
    suspend(started);
}

/// Calls `prepare`, and if that returns `true` lets every other ready green thread run first, without looking for kills and
/// timeouts. Returns `false` if `prepare` did, or if the caller may not be suspended here and nothing was called.
#[cfg(feature = "io-uring")]
#[inline]
pub(crate) fn give_way_after(prepare: impl FnOnce(&Lane) -> bool) -> bool {
    let queued = current::with_lane(|lane| {
        let started = lane.current()?;
        if process::is_exiting() || std::thread::panicking() || !prepare(lane) {
            return None;
        }
        lane.push_ready(started);
        Some((started, lane.root()))
    });
    let Some((started, root)) = queued.flatten() else { return false };
    switch::suspend_calm(started, root);
    true
}

/// Lets every other ready green thread of the worker run first; on a plain OS thread, yields that.
///
/// Inlined into the user's code on purpose, see [`switch::suspend`].
#[inline(always)]
pub(crate) fn yield_now() {
    let queued = current::with_lane(|lane| {
        let started = lane.current()?;
        if process::is_exiting() || std::thread::panicking() {
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

/// The yield of plain OS threads, and of destructors that an unwind runs.
#[cold]
#[inline(never)]
fn yield_slowly() {
    give_way();
    if task::any_interruption() && is_due(&own_task()) {
        raise_kill();
    }
}

/// As [`yield_now`], for callers that must not unwind here: a kill or an expired timeout stays pending.
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

/// Counts one operation that did not have to wait; after a number of them the green thread lets the others run.
#[inline(always)]
pub(crate) fn spend_budget() {
    if current::spend_budget() {
        yield_now();
    }
}

/// As [`spend_budget`], for callers that hold what they have got: a kill stays pending, so that this is not lost.
#[inline(always)]
pub(crate) fn spend_budget_holding() {
    if current::spend_budget() {
        give_way();
    }
}
