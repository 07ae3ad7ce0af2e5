//! The tasks of one hub that are to start at a later time. They have no stack yet.
#![forbid(unsafe_code)]

use super::hub::{Due, Hub};
use super::task::{TaskRef, Token};
use super::timer::TimerId;
use crate::sys::time;
use std::time::Instant;

/// A task that waits, by its park word, to be started.
#[derive(Debug)]
pub(crate) struct Delayed {
    pub(crate) task: TaskRef,
    pub(crate) token: Token,
    pub(crate) timer: TimerId,
}

/// A list with holes; each task knows its place.
#[derive(Debug, Default)]
pub(crate) struct DelayedList {
    places: Vec<Option<Delayed>>,
    free: Vec<u32>,
}

impl DelayedList {
    /// The place that the next task will have.
    pub(crate) fn next_place(&self) -> u32 {
        self.free.last().copied().unwrap_or(self.places.len() as u32)
    }

    /// Adds at [`next_place`](Self::next_place).
    pub(crate) fn add(&mut self, delayed: Delayed) {
        match self.free.pop() {
            Some(place) => self.places[place as usize] = Some(delayed),
            None => self.places.push(Some(delayed)),
        }
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Delayed> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(crate) fn take(&mut self, place: u32) -> Option<Delayed> {
        let delayed = self.places.get_mut(place as usize)?.take()?;
        self.free.push(place);
        if self.is_empty() {
            // A burst is over: give its memory back.
            *self = Self::default();
        }
        Some(delayed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &TaskRef> {
        self.places.iter().flatten().map(|delayed| &delayed.task)
    }
}

impl Hub {
    /// Queues a new task that may have a time to start at. Where nobody else would start it, that begins to count at once,
    /// so that those that are late start in the order of their times.
    pub(crate) fn push_later(&self, task: TaskRef) {
        let at = task.meta().and_then(|meta| meta.start_at);
        match at.filter(|at| *at > Instant::now()) {
            Some(at) if !self.scheduler.has_thieves() && !self.winds_down.get() => {
                self.delay(task, at);
            }
            _ => self.push_new(task),
        }
    }

    /// Keeps a new task until its time comes or it is killed.
    #[cold]
    pub(super) fn delay(&self, task: TaskRef, at: Instant) {
        let mut delayed = self.delayed.borrow_mut();
        let place = delayed.next_place();
        let timer = self.timers.borrow_mut().insert(time::nanos(at), Due::Start(place));
        task.set_delayed(self.shared(), place);
        let token = task.park_word().prepare();
        let kept = task.clone();
        delayed.add(Delayed { task, token, timer });
        drop(delayed);
        // As in a wait: a kill that came too early to end this one is seen here.
        if !kept.park_word().park(token, true) || (kept.is_killed() && kept.park_word().interrupt())
        {
            self.end_delay(place);
        }
    }

    /// Queues a delayed task: its time has come, or it has been killed.
    #[cold]
    pub(super) fn end_delay(&self, place: u32) {
        let delayed = self.delayed.borrow_mut().take(place);
        if let Some(Delayed { task, timer, .. }) = delayed {
            self.timers.borrow_mut().cancel(timer);
            self.push_new(task);
        }
    }
}
