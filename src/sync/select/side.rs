//! One side of a channel, for arms that wait for it.
#![forbid(unsafe_code)]

use super::Registration;
use crate::sync::channel::{Chan, Rendezvous, TimedMessages};
use crate::sync::gate::Gate;
use std::time::Instant;

/// One side of a channel or queue: where items come from, or where they go to.
pub(crate) trait Side {
    /// Whether the operation would not wait. `with` is the registration of the `select!` that asks, if it is
    /// registered.
    fn is_ready(&self, with: Option<&Registration>) -> bool;

    /// The gate that tells those who wait that the side may be ready; `None` for timers. At a rendezvous only those
    /// wait there that merely look.
    fn gate(&self) -> Option<&Gate>;

    /// Values that change whenever the side may have become ready, where the gate does not say so: at a rendezvous when
    /// somebody begins to wait on the other side, at a queue with each item, and at both when they are closed.
    fn arrivals(&self) -> Option<(u64, bool)>;

    /// When the side will be ready by itself.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Begins to watch: until [`unwatch`](Self::unwatch), [`has_changed`](Self::has_changed) tells whether the side was
    /// ever ready.
    fn watch(&self) -> WatchedSide {
        match (self.arrivals(), self.gate()) {
            (Some(arrivals), _) => WatchedSide::Arrivals(arrivals),
            (None, Some(gate)) => WatchedSide::Gate(gate.watch()),
            (None, None) => WatchedSide::Due(self.due()),
        }
    }

    fn has_changed(&self, watched: &WatchedSide) -> bool {
        match (watched, self.gate()) {
            (WatchedSide::Arrivals(before), _) => self.arrivals() != Some(*before),
            (WatchedSide::Gate(since), Some(gate)) => gate.has_changed(*since),
            (WatchedSide::Due(before), None) => self.due() != *before || self.is_ready(None),
            _ => true,
        }
    }

    fn unwatch(&self, watched: Option<WatchedSide>) {
        if let (Some(WatchedSide::Gate(_)), Some(gate)) = (watched, self.gate()) {
            gate.unwatch();
        }
    }
}

/// The state of a side when it began to be watched.
#[derive(Debug)]
pub(crate) enum WatchedSide {
    Gate(u64),
    Arrivals((u64, bool)),
    Due(Option<Instant>),
}

/// The side of the receivers.
pub(super) enum From<'a, T> {
    Chan(&'a Chan<T>),
    Timer(&'a TimedMessages<T>),
}

impl<T> Clone for From<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for From<'_, T> {}

impl<'a, T> From<'a, T> {
    /// The rendezvous, if the channel is one.
    pub(super) fn rendezvous(self) -> Option<Rendezvous<'a, T>> {
        match self {
            Self::Chan(chan) => chan.rendezvous(),
            Self::Timer(_) => None,
        }
    }
}

impl<T> Side for From<'_, T> {
    fn is_ready(&self, with: Option<&Registration>) -> bool {
        match self {
            Self::Chan(chan) => match chan.rendezvous() {
                Some(rendezvous) => rendezvous.may_recv(with.map(|with| &with.ticket)),
                None => chan.may_recv(),
            },
            Self::Timer(timer) => timer.is_due(),
        }
    }

    fn gate(&self) -> Option<&Gate> {
        match self {
            Self::Chan(chan) => Some(chan.items()),
            Self::Timer(_) => None,
        }
    }

    fn arrivals(&self) -> Option<(u64, bool)> {
        match self {
            Self::Chan(chan) => chan.rendezvous().map(|rendezvous| rendezvous.offered()),
            Self::Timer(_) => None,
        }
    }

    fn due(&self) -> Option<Instant> {
        match self {
            Self::Chan(_) => None,
            Self::Timer(timer) => timer.due(),
        }
    }
}

/// The side of the senders.
pub(super) struct To<'a, T>(pub(super) &'a Chan<T>);

impl<T> Side for To<'_, T> {
    fn is_ready(&self, with: Option<&Registration>) -> bool {
        match self.0.rendezvous() {
            Some(rendezvous) => rendezvous.may_send(with.map(|with| &with.ticket)),
            None => self.0.may_send(),
        }
    }

    fn gate(&self) -> Option<&Gate> {
        Some(self.0.room())
    }

    fn arrivals(&self) -> Option<(u64, bool)> {
        self.0.rendezvous().map(|rendezvous| rendezvous.wanted())
    }
}
