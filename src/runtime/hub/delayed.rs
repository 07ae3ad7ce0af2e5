//! The tasks of one hub that are to start at a later time. They have no stacks yet.
//!
//! If the hub is held up, `runtime/observe/lookout.rs` takes these tasks from it and has other hubs start them.
#![forbid(unsafe_code)]

use super::local::Hub;
use super::shared::HubShared;
use crate::runtime::lane::alarm;
use crate::runtime::lane::local::Due;
use crate::runtime::lane::timer::TimerId;
use crate::runtime::task::{TaskRef, Token};
use crate::sys::clock;
use crate::sys::time;
use crate::util::holey_vec::HoleyVec;
use std::time::Instant;

/// A task that is to start later. It waits by its park word, as everything does.
#[derive(Debug)]
pub(crate) struct Delayed {
    pub(crate) task: TaskRef,
    pub(crate) token: Token,
    pub(crate) timer: TimerId,
    /// When it is to start, in nanoseconds.
    pub(crate) at: u64,
}

/// The list. Each task knows its place in it.
#[derive(Debug, Default)]
pub(crate) struct DelayedList(HoleyVec<Delayed>);

impl DelayedList {
    /// The place that the next task will have.
    pub(crate) fn next_place(&self) -> u32 {
        self.0.next()
    }

    /// Adds a task, at [`next_place`](Self::next_place).
    pub(crate) fn add(&mut self, delayed: Delayed) {
        self.0.add(delayed);
    }

    /// Ends the wait of the task at `place`, if there is one, its time has come, and it has not been killed. The timer
    /// may have been set for another task, which had the place before and was taken away.
    pub(crate) fn expire(&self, place: u32, now: u64) -> bool {
        self.0.get(place).is_some_and(|it| it.at <= now && it.task.park_word().expire(it.token))
    }

    /// Takes out the tasks that any hub may start. The caller queues them elsewhere.
    fn take_movable(&mut self) -> Vec<TaskRef> {
        let is_movable = |it: &Delayed| !it.task.is_local() && it.task.park_word().expire(it.token);
        // Tasks that have been killed are already on their way to the hub, which will look for them here.
        let places = self.0.iter_from(0).filter(|(_, it)| is_movable(it));
        let places: Vec<_> = places.map(|(place, _)| place as u32).collect();
        let mut all: Vec<_> = places.into_iter().filter_map(|place| self.take(place)).collect();
        all.sort_by_key(|it| it.at);
        all.into_iter().map(|it| it.task).collect()
    }

    pub(crate) fn take(&mut self, place: u32) -> Option<Delayed> {
        let delayed = self.0.take(place)?;
        if self.is_empty() {
            // A burst is over, so its memory is given back.
            *self = Self::default();
        }
        Some(delayed)
    }

    /// How many of them should have started by now.
    pub(in crate::runtime) fn due(&self, now: u64) -> usize {
        self.0.iter().filter(|it| it.at <= now).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &TaskRef> {
        self.0.iter().map(|delayed| &delayed.task)
    }
}

impl HubShared {
    /// Whether it has tasks that are to start later.
    pub(in crate::runtime) fn has_delayed(&self) -> bool {
        !self.delayed.lock().is_empty()
    }

    /// Takes out the tasks that any hub may start, even if their times have not come. The caller queues them elsewhere.
    pub(super) fn take_delayed(&self) -> Vec<TaskRef> {
        self.delayed.lock().take_movable()
    }
}

impl Hub {
    /// Queues a new task that may be meant to start later. If no other hub could start it, it waits here until its time
    /// comes; otherwise it is queued as any new task.
    pub(crate) fn push_later(&self, task: TaskRef) {
        let at = task.meta().and_then(|meta| meta.start_at);
        match at.filter(|at| *at > clock::now()) {
            Some(at) if !self.scheduler.has_thieves() && !self.winds_down.get() => {
                self.delay(task, at);
            }
            _ => self.push_new(task),
        }
    }

    /// Keeps a new task until its time comes or it is killed.
    #[cold]
    pub(super) fn delay(&self, task: TaskRef, at: Instant) {
        let mut delayed = self.shared().delayed.lock();
        let is_first = delayed.is_empty();
        let place = delayed.next_place();
        let at = time::nanos(at);
        let timer = self.lane().timers.borrow_mut().insert(at, Due::Start(place));
        task.set_delayed(&self.shared().lane.mailbox, place);
        let token = task.park_word().prepare();
        let kept = task.clone();
        delayed.add(Delayed { task, token, timer, at });
        // As in every wait, a kill that came too early to end it is noticed here. Nobody takes the task away before
        // that.
        let parked = kept.park_word().park(token, true);
        drop(delayed);
        if is_first && self.scheduler.has_thieves() {
            alarm::attend();
        }
        if !parked || (kept.is_killed() && kept.park_word().interrupt()) {
            self.end_delay(place);
        }
    }

    /// Queues a delayed task, as its time has come or it has been killed.
    #[cold]
    pub(super) fn end_delay(&self, place: u32) {
        let delayed = self.shared().delayed.lock().take(place);
        if let Some(Delayed { task, timer, .. }) = delayed {
            self.lane().timers.borrow_mut().cancel(timer);
            self.push_new(task);
        }
    }
}
