//! Waiting until an operation would not wait, without doing it.
#![forbid(unsafe_code)]

use super::side::{Side, Watched};
use super::{Arm, Registration};
use crate::runtime::wait_list::Key;
use std::time::Instant;

/// The arm that only looks. As it takes nothing, a notification that reaches it always goes on to the next waiter.
pub(super) struct Look<S> {
    side: S,
    key: Option<Key>,
    notified: bool,
    watched: Option<Watched>,
}

impl<S> Look<S> {
    pub(super) fn new(side: S) -> Self {
        Self { side, key: None, notified: false, watched: None }
    }
}

impl<S: Side> Arm for Look<S> {
    fn attempt(&mut self) -> bool {
        let ready = self.side.is_ready(None);
        if let (true, Some(gate)) = (ready, self.side.gate()) {
            gate.seen();
        }
        ready
    }

    fn register(&mut self, with: &Registration, _: usize) {
        self.key = self.side.gate().map(|gate| gate.enter(with.waiter.clone()));
    }

    fn is_ready(&self, _: Option<&Registration>) -> bool {
        self.side.is_ready(None)
    }

    fn unregister(&mut self) {
        if let (Some(key), Some(gate)) = (self.key.take(), self.side.gate()) {
            self.notified |= !gate.leave(key);
        }
    }

    fn settle(&mut self, _: bool) {
        if let (true, Some(gate)) = (self.notified, self.side.gate()) {
            gate.notify_one();
        }
    }

    fn watch(&mut self) {
        self.watched = Some(self.side.watch());
    }

    fn has_changed(&self) -> bool {
        self.watched.as_ref().is_none_or(|watched| self.side.has_changed(watched))
    }

    fn unwatch(&mut self) {
        self.side.unwatch(self.watched.take());
    }

    fn due(&self) -> Option<Instant> {
        self.side.due()
    }
}
