//! Events and the ends of green threads as arms.
#![forbid(unsafe_code)]

use super::{Arm, Registration};
use crate::runtime::park::Waiter;
use crate::runtime::task::TaskRef;
use crate::runtime::wait_list::Key;
use crate::sync::Event;
use crate::thread::{self, JoinHandle};

/// The arm that waits for an event.
pub fn event(event: &Event) -> EventArm<'_> {
    EventArm { event, key: None, sets: 0, woken: false }
}

/// The [`Arm`] that [`event`] makes.
#[derive(Debug)]
pub struct EventArm<'a> {
    event: &'a Event,
    key: Option<Key>,
    /// How often the event had been set when the arm began to watch.
    sets: u64,
    /// Whether a `set` has woken it, which counts even if a `clear` followed.
    woken: bool,
}

impl EventArm<'_> {
    /// Returns nothing: the event was set.
    pub fn finish(self) {}
}

impl Arm for EventArm<'_> {
    fn attempt(&mut self) -> bool {
        self.woken || self.event.is_set()
    }

    fn register(&mut self, with: &Registration, _: usize) {
        self.key = self.event.enter(with.waiter.clone());
    }

    fn is_ready(&self, _: Option<&Registration>) -> bool {
        self.event.is_set()
    }

    fn unregister(&mut self) {
        self.woken |= self.key.take().is_some_and(|key| !self.event.leave(key));
    }

    fn settle(&mut self, _: bool) {}

    fn watch(&mut self) {
        self.sets = self.event.sets();
    }

    fn has_changed(&self) -> bool {
        self.event.sets() != self.sets
    }

    fn unwatch(&mut self) {}
}

/// The arm that waits for the end of a green thread. One that is paused is started.
pub fn join<T>(handle: &JoinHandle<T>) -> JoinArm<'_> {
    thread::start(handle.thread());
    JoinArm { task: handle.thread().task(), waiter: None }
}

/// The [`Arm`] that [`join`] makes.
#[derive(Debug)]
pub struct JoinArm<'a> {
    task: &'a TaskRef,
    waiter: Option<Waiter>,
}

impl JoinArm<'_> {
    /// Returns nothing: the green thread has ended.
    pub fn finish(self) {}
}

impl Arm for JoinArm<'_> {
    fn attempt(&mut self) -> bool {
        thread::is_over(self.task)
    }

    fn register(&mut self, with: &Registration, _: usize) {
        let waiter = with.waiter.clone();
        self.waiter = self.task.add_waiter(waiter.clone()).then_some(waiter);
    }

    fn is_ready(&self, _: Option<&Registration>) -> bool {
        thread::is_over(self.task)
    }

    fn unregister(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.task.remove_waiter(&waiter);
        }
    }

    fn settle(&mut self, _: bool) {}

    fn watch(&mut self) {}

    fn has_changed(&self) -> bool {
        // Once it is over, it stays so.
        thread::is_over(self.task)
    }

    fn unwatch(&mut self) {}
}
