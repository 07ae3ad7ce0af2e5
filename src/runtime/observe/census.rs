//! Asking each hub of a runtime, and putting together what they say.
#![forbid(unsafe_code)]

use crate::runtime::hub::local::Hub;
use crate::runtime::hub::questions::Step;
use crate::runtime::hub::shared::HubShared;
#[cfg(feature = "inspect")]
use crate::runtime::wait::park::{Parker, Reason, Wake};
#[cfg(feature = "inspect")]
use crate::sys::clock;
use crate::util::lock::Mutex;
use std::fmt;
use std::sync::Arc;
#[cfg(feature = "inspect")]
use std::time::Duration;

/// What the hubs have said so far.
pub(in crate::runtime) struct Census<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    missing: usize,
    /// How many steps of answers there have been.
    steps: u64,
    /// By the numbers of the hubs; `None` of one that has not answered, or not all of it.
    answers: Vec<Option<Vec<T>>>,
    done: Option<Done<T>>,
}

/// What the last one calls that answers, or that cannot any more.
type Done<T> = Box<dyn FnOnce(&Census<T>) + Send>;

impl<T> fmt::Debug for Census<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Census").finish_non_exhaustive()
    }
}

/// The duty to answer for one hub.
struct Duty<T> {
    census: Arc<Census<T>>,
    hub: usize,
    found: Vec<T>,
}

impl<T> Duty<T> {
    fn answer(&mut self) {
        let found = std::mem::take(&mut self.found);
        self.census.state.lock().answers[self.hub] = Some(found);
    }
}

impl<T> Drop for Duty<T> {
    fn drop(&mut self) {
        let done = {
            let mut state = self.census.state.lock();
            state.missing -= 1;
            if state.missing == 0 { state.done.take() } else { None }
        };
        if let Some(done) = done {
            done(&self.census);
        }
    }
}

/// Asks each of the hubs by a copy of `step`, which adds what it finds to the list and says whether that is all.
pub(in crate::runtime) fn ask<T: Send + 'static>(
    hubs: &[&'static HubShared],
    step: impl FnMut(&Hub, &mut Vec<T>) -> Step + Clone + Send + 'static,
) -> Arc<Census<T>> {
    let state = State {
        missing: hubs.len(),
        steps: 0,
        answers: hubs.iter().map(|_| None).collect(),
        done: None,
    };
    let census = Arc::new(Census { state: Mutex::new(state) });
    for (at, hub) in hubs.iter().enumerate() {
        let mut step = step.clone();
        let mut duty = Duty { census: Arc::clone(&census), hub: at, found: Vec::new() };
        hub.ask(Box::new(move |hub| {
            let taken = step(hub, &mut duty.found);
            duty.census.state.lock().steps += 1;
            if taken == Step::Answered {
                duty.answer();
            }
            taken
        }));
    }
    census
}

impl<T> Census<T> {
    /// Has `done` called when all have answered, or cannot any more: at once if so, otherwise on the OS thread of one of them, where
    /// it must neither wait nor panic. It takes the place of one that was given before.
    pub(in crate::runtime) fn when_done(&self, done: impl FnOnce(&Self) + Send + 'static) {
        {
            let mut state = self.state.lock();
            if state.missing > 0 {
                state.done = Some(Box::new(done));
                return;
            }
        }
        done(self);
    }

    /// Waits until all have answered, but not for one that has not made a step for `patience`. No interruption ends that.
    #[cfg(feature = "inspect")]
    pub(in crate::runtime) fn wait(&self, patience: Duration) {
        loop {
            let steps = self.state.lock().steps;
            let parker = Parker::uninterruptible();
            let waiter = parker.waiter();
            self.when_done(move |_| waiter.unpark());
            let until = Some(clock::now() + patience);
            if parker.park(Reason::Report, until) == Wake::Notified
                || self.state.lock().steps == steps
            {
                return;
            }
        }
    }

    /// Whether all have answered, or cannot any more.
    pub(in crate::runtime) fn is_complete(&self) -> bool {
        self.state.lock().missing == 0
    }

    /// What has been answered so far, by the numbers of the hubs.
    pub(in crate::runtime) fn take(&self) -> Vec<Option<Vec<T>>> {
        self.state.lock().answers.iter_mut().map(Option::take).collect()
    }
}
