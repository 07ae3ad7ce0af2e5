//! The tasks of one hub that are to start at a later time. They have no stack yet.
#![forbid(unsafe_code)]

use super::task::{TaskRef, Token};
use super::timer::TimerId;

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
