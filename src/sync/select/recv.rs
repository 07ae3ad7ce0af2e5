//! Receiving as an arm.
#![forbid(unsafe_code)]

use super::{Arm, Registration};
use crate::runtime::wait_list::Key;
use crate::sync::channel::{Chan, Flavor, Place, Timer};
use crate::sync::mpmc::Source;
use crate::sync::{mpmc, mpsc};
use crate::util::sync::mutated;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvError, TryRecvError};
use std::time::Instant;

/// A receiver of either kind.
pub trait RecvFrom {
    /// What it receives.
    type Item;

    /// The arm that receives from it. The name is what the compiler says of receivers of other libraries: these block the OS
    /// thread, and cannot be waited for together with others.
    fn use_a_receiver_of_greenthread_sync(&self) -> RecvArm<'_, Self::Item>;
}

impl<T> RecvFrom for mpsc::Receiver<T> {
    type Item = T;

    fn use_a_receiver_of_greenthread_sync(&self) -> RecvArm<'_, T> {
        RecvArm::new(From::Chan(self.chan()))
    }
}

impl<T> RecvFrom for mpmc::Receiver<T> {
    type Item = T;

    fn use_a_receiver_of_greenthread_sync(&self) -> RecvArm<'_, T> {
        RecvArm::new(match &self.source {
            Source::Chan(chan) => From::Chan(chan),
            Source::Timer(timer) => From::Timer(timer),
        })
    }
}

enum From<'a, T> {
    Chan(&'a Chan<T>),
    Timer(&'a Timer<T>),
}

impl<T> Clone for From<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for From<'_, T> {}

/// See [`Arm`].
pub struct RecvArm<'a, T> {
    from: From<'a, T>,
    outcome: Option<Result<T, RecvError>>,
    key: Option<Key>,
    place: Option<Place>,
    notified: bool,
    watched: Option<Watched>,
}

/// What a source was like when the arm began to watch it.
#[derive(Debug, PartialEq, Eq)]
enum Watched {
    Gate(u64),
    Offers((u64, bool)),
    Due(Option<Instant>),
}

impl<'a, T> RecvArm<'a, T> {
    fn new(from: From<'a, T>) -> Self {
        Self { from, outcome: None, key: None, place: None, notified: false, watched: None }
    }

    /// What came from hand to hand, and is not wanted any more, goes to another receiver.
    pub(crate) fn put_back(&mut self) {
        if let (From::Chan(chan), Some(Ok(item))) = (self.from, self.outcome.take())
            && let Flavor::Zero(zero) = &chan.flavor
        {
            zero.put_back(item);
        }
    }

    /// What was received by the arm that won.
    pub fn finish(self) -> Result<T, RecvError> {
        match self.outcome {
            Some(outcome) => outcome,
            None => unreachable!("the arm that won has received"),
        }
    }
}

impl<T> Arm for RecvArm<'_, T> {
    fn attempt(&mut self) -> bool {
        self.outcome = match self.from {
            From::Chan(chan) => match chan.attempt_recv() {
                Ok(item) => Some(Ok(item)),
                Err(TryRecvError::Disconnected) => Some(Err(RecvError)),
                Err(TryRecvError::Empty) => None,
            },
            From::Timer(timer) => timer.try_recv().map(Ok),
        };
        self.outcome.is_some()
    }

    fn register(&mut self, with: &Registration, index: usize) {
        let From::Chan(chan) = self.from else { return };
        let waiter = with.waiter.clone();
        match &chan.flavor {
            Flavor::Zero(zero) => {
                self.place = zero.enter_recv(waiter, (Arc::clone(&with.ticket), index));
            }
            _ => self.key = Some(chan.items.enter(waiter)),
        }
    }

    fn is_ready(&self, with: Option<&Registration>) -> bool {
        match self.from {
            From::Chan(chan) => match &chan.flavor {
                Flavor::Zero(zero) => zero.may_recv(with.map(|with| &with.ticket)),
                _ => chan.may_recv(),
            },
            From::Timer(timer) => timer.is_due(),
        }
    }

    fn unregister(&mut self) {
        let From::Chan(chan) = self.from else { return };
        if let Some(key) = self.key.take() {
            self.notified = !chan.items.leave(key);
        }
        if let (Some(place), Flavor::Zero(zero)) = (self.place.take(), &chan.flavor)
            && let Some(item) = zero.leave(place)
        {
            self.outcome = Some(Ok(item));
        }
    }

    fn settle(&mut self, won: bool) {
        if let (true, false, From::Chan(chan)) = (self.notified, won, &self.from)
            && !mutated("an arm that lost keeps its notification")
        {
            chan.items.notify_one();
        }
    }

    fn watch(&mut self) {
        self.watched = Some(match self.from {
            From::Chan(chan) => match &chan.flavor {
                Flavor::Zero(zero) => Watched::Offers(zero.offered()),
                _ => Watched::Gate(chan.items.watch()),
            },
            From::Timer(timer) => Watched::Due(timer.due()),
        });
    }

    fn has_changed(&self) -> bool {
        match (self.from, &self.watched) {
            (From::Chan(chan), Some(Watched::Gate(since))) => chan.items.has_changed(*since),
            (From::Chan(chan), Some(Watched::Offers(before))) => match &chan.flavor {
                Flavor::Zero(zero) => zero.offered() != *before,
                _ => true,
            },
            (From::Timer(timer), Some(Watched::Due(before))) => {
                timer.due() != *before || timer.is_due()
            }
            _ => true,
        }
    }

    fn unwatch(&mut self) {
        if let (From::Chan(chan), Some(Watched::Gate(_))) = (self.from, self.watched.take()) {
            chan.items.unwatch();
        }
    }

    fn due(&self) -> Option<Instant> {
        match self.from {
            From::Chan(_) => None,
            From::Timer(timer) => timer.due(),
        }
    }
}

impl<T> fmt::Debug for RecvArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvArm").finish_non_exhaustive()
    }
}
