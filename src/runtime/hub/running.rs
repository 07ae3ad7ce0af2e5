//! How a hub runs its green threads, and starts new ones.
#![forbid(unsafe_code)]

use super::local::Hub;
use crate::runtime::lane::local::Due;
use crate::runtime::task::here::FEW;
use crate::runtime::task::{Ready, ReadyTask, Started, TaskRef, switch};
use crate::sys::{clock, process, time};
use std::sync::atomic::Ordering;

/// For how many tasks memory is prefetched together.
const PREFETCH: usize = 8;
/// This many tasks before the turn of a resting one its header is in the cache, and what its body has left is
/// prefetched.
pub(super) const AHEAD: usize = 2;
/// How many new tasks may be started in a row. It is a number and not a time, so that the order on a current-thread
/// runtime is fixed.
pub(super) const START_AT_MOST: usize = 16;

impl Hub {
    /// Runs a task until it waits, yields or ends. Returns whether it has ended. The caller ends a series of these with
    /// [`outside`](Self::outside).
    #[inline(always)]
    pub(super) fn run(&self, started: Started) -> bool {
        self.lane().begin(started);
        self.shared.own.running.store(started.address(), Ordering::Relaxed);
        self.shared.watched.begin(started);
        // What follows the end of a task may run code of users, for example a waker, and is not part of the green
        // thread.
        let ended = switch::resume(started, self.lane().root(), || self.outside());
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

    /// Checks whether the task, which has just ended, ended in a forked child. There the green thread that forked goes
    /// on without ever being suspended.
    #[inline(always)]
    pub(super) fn look_whether_forked(&self, ended: &TaskRef) {
        if self.shared.is_parents() {
            self.disown(ended);
        }
    }

    /// Leaves all other green threads, which belong to the parent: none of them may run here.
    #[cold]
    fn disown(&self, ended: &TaskRef) {
        self.child_status.set(Some(process::status(!ended.has_failed())));
        self.lane().forget_ready();
        while let Some(task) = self.fresh.pop().or_else(|| self.pop_local()) {
            std::mem::forget(task);
        }
        while let Some(task) = self.stackless.borrow_mut().pop() {
            std::mem::forget(task);
        }
    }

    #[inline(always)]
    fn outside(&self) {
        self.lane().here().set_current(None);
        self.shared.own.running.store(0, Ordering::Relaxed);
        self.lane().root().leave();
    }

    #[inline(always)]
    fn task_ended(&self, task: &TaskRef) {
        self.lane().roster.borrow_mut().remove(task);
        self.count_live(-1);
        self.lane().tally().ended(|| task.has_failed());
        self.entrance.leave(&self.shared.roll, task);
        task.complete();
    }

    #[inline(always)]
    pub(super) fn count_live(&self, change: isize) {
        let live = self.shared.own.live.load(Ordering::Relaxed).wrapping_add_signed(change);
        self.shared.own.live.store(live, Ordering::Relaxed);
    }

    /// Prefetches the memory of the next ready tasks, of several at once: every stack needs an address translation of
    /// its own, and the processor makes a few of these at a time.
    #[inline]
    fn prefetch_ready(&self) {
        let next = AHEAD..AHEAD + PREFETCH;
        next.map_while(|at| self.lane().here().ready().peek(at)).for_each(Ready::prefetch);
    }

    /// Runs up to `most` ready tasks; returns how many it ran.
    #[inline(always)]
    pub(crate) fn run_ready(&self, most: usize) -> usize {
        let count = self.lane().here().ready().len().min(most);
        let mut left = count;
        while left > 0 {
            if self.lane().outbox.is_due() {
                self.send_outgoing();
            }
            // If there are only a few, each has most likely run just now.
            if left > FEW {
                self.prefetch_ready();
            }
            let batch = self.lane().probe.next(self.lane().tally(), left.min(PREFETCH));
            left -= batch;
            for _ in 0..batch {
                let Some(task) = self.lane().here().ready().pop() else { break };
                match task.turn() {
                    ReadyTask::Started(started) => drop(self.run(started)),
                    ReadyTask::Resting(resting) => self.wake_from_rest(resting),
                }
            }
        }
        if count != 0 {
            self.outside();
        }
        count
    }

    /// Sends what the green threads have put into the outbox. The first of these that runs again does so too; the hub does it if
    /// that takes long, and before it stops running them.
    #[inline(always)]
    pub(crate) fn send_outgoing(&self) {
        let outbox = &self.lane().outbox;
        if !outbox.is_empty() && !self.is_parents() {
            outbox.flush();
        }
    }

    /// Starts new tasks of the hub's own queue: one, and more while they end at once or if there are no thieves (rule
    /// A). Returns how many it started.
    ///
    /// A task that has ended without waiting leaves no work to share, so going on takes nothing from the thieves; and
    /// whoever joins a series of short tasks is not woken for each of them. `start_one` returns whether its task has
    /// ended.
    #[inline(always)]
    pub(crate) fn start_fresh(&self, start_one: impl Fn(&Self, TaskRef) -> bool) -> usize {
        let mut count = 0;
        let thieves = self.scheduler.has_thieves();
        if thieves && let Some(task) = self.pop_local() {
            count += 1;
            start_one(self, task);
        }
        while let Some(task) = if thieves { self.fresh.pop() } else { self.pop_local() } {
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

    /// Starts a new task. Returns whether it has ended. If there is no memory for its stack, it waits for that, or
    /// ends.
    #[inline(always)]
    pub(crate) fn start(&self, task: TaskRef) -> bool {
        let mut size = self.stack_size;
        if let Some(meta) = task.meta() {
            if let Some(at) = meta.start_at
                && !task.is_killed()
                && at > clock::now()
            {
                self.delay(task, at);
                return true;
            }
            size = meta.stack_size.unwrap_or(size);
        }
        match switch::start(task, &self.shared.lane.mailbox, size) {
            Ok(started) => self.begin(started),
            Err((task, error)) => self.got_no_stack(task, size, error),
        }
    }

    /// Runs a task that has just been given a stack. Returns whether it has ended.
    #[inline(always)]
    pub(super) fn begin(&self, started: Started) -> bool {
        self.lane().roster.borrow_mut().add(started);
        self.count_live(1);
        self.lane().tally().started();
        let ended = self.run(started);
        if !ended {
            self.outside();
        }
        ended
    }

    /// Fires the timers that are due.
    #[inline(always)]
    pub(crate) fn fire_timers(&self) {
        if !self.lane().timers.borrow().is_empty() {
            self.fire_due();
        }
    }

    fn fire_due(&self) {
        let mut timers = self.lane().timers.borrow_mut();
        let (mut to_start, mut stacks) = (Vec::new(), false);
        let soon = |due: &Due| {
            if let Due::Wake(sleeper, _) = due {
                sleeper.prefetch();
            }
        };
        let roster = self.lane().roster.borrow();
        let next = |due: &Due| {
            if let Due::Wake(sleeper, _) = due {
                sleeper.prefetch_stack();
                roster.prefetch(sleeper.roster());
            }
        };
        let now = time::now();
        timers.advance(now, soon, next, |due| match due {
            Due::Wake(sleeper, token) => {
                self.lane().tally().fired();
                if let Some(started) = sleeper.expire(token) {
                    self.lane().push_ready(started);
                }
            }
            Due::Start(place) => {
                // A task that has been killed is not queued here, as it is already in the inbox.
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
}
