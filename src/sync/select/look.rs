//! Waiting until an operation would not wait, without performing it.
#![forbid(unsafe_code)]

use super::side::Side;
use super::waiting::Waiting;
use super::{Arm, Registration};
use std::time::Instant;

/// An arm that only looks. As it takes nothing, a notification that reaches it always goes on to the next waiter.
pub(super) struct Look<S>(Waiting<S>);

impl<S: Side> Look<S> {
    pub(super) fn new(side: S) -> Self {
        Self(Waiting::new(side))
    }
}

impl<S: Side> Arm for Look<S> {
    fn attempt(&mut self) -> bool {
        let ready = self.0.side().is_ready(None);
        if let (true, Some(gate)) = (ready, self.0.side().gate()) {
            gate.seen();
        }
        ready
    }

    fn register(&mut self, with: &Registration, _: usize) {
        self.0.enter(with);
    }

    fn is_ready(&self, _: Option<&Registration>) -> bool {
        self.0.side().is_ready(None)
    }

    fn unregister(&mut self) {
        self.0.leave();
    }

    fn settle(&mut self, _: bool) {
        self.0.settle(false);
    }

    fn watch(&mut self) {
        self.0.watch();
    }

    fn has_changed(&self) -> bool {
        self.0.has_changed()
    }

    fn unwatch(&mut self) {
        self.0.unwatch();
    }

    fn due(&self) -> Option<Instant> {
        self.0.side().due()
    }
}
