//! The part that is common to all arms that wait at a gate.
#![forbid(unsafe_code)]

use super::Registration;
use super::side::{Side, WatchedSide};
use crate::sync::gate::Position;
use crate::util::sync::mutated;

/// One side of a channel or queue, and an arm's place among those who wait for it.
#[derive(Debug)]
pub(crate) struct Waiting<S> {
    side: S,
    position: Option<Position>,
    /// The place of the arm when a notification reached it.
    notified: Option<Position>,
    watched: Option<WatchedSide>,
}

impl<S: Side> Waiting<S> {
    pub(crate) fn new(side: S) -> Self {
        Self { side, position: None, notified: None, watched: None }
    }

    pub(crate) fn side(&self) -> &S {
        &self.side
    }

    pub(crate) fn enter(&mut self, with: &Registration) {
        self.position = self.side.gate().map(|gate| {
            with.add_mark(gate.mark());
            gate.enter(with.waiter())
        });
    }

    pub(crate) fn leave(&mut self) {
        if let (Some(position), Some(gate)) = (self.position.take(), self.side.gate()) {
            self.notified = (!gate.leave(position)).then_some(position);
        }
    }

    /// Passes on a notification that reached the arm, if it did not win.
    pub(crate) fn settle(&mut self, won: bool) {
        if let (Some(position), false, Some(gate)) = (self.notified.take(), won, self.side.gate())
            && !mutated("an arm that lost keeps its notification")
        {
            gate.pass_on(position);
        }
    }

    pub(crate) fn watch(&mut self) {
        self.watched = Some(self.side.watch());
    }

    /// Whether the side was ever ready since it is watched; `false` if it is not watched.
    pub(crate) fn has_changed(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| self.side.has_changed(watched))
    }

    pub(crate) fn unwatch(&mut self) {
        self.side.unwatch(self.watched.take());
    }
}
