//! Asking each hub of a runtime, and collecting the answers.
#![forbid(unsafe_code)]

use crate::runtime::hub::local::Hub;
use crate::runtime::hub::questions::Step;
use crate::runtime::hub::shared::HubShared;
use crate::runtime::wait::park::{Parker, Reason, Wake};
use crate::sys::clock;
use crate::util::lock::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many times within the patience it is checked who is held up.
const LOOKS: u32 = 8;

/// The answers of the hubs so far.
pub(in crate::runtime) struct Census<T> {
    state: Mutex<CensusState<T>>,
}

struct CensusState<T> {
    missing: usize,
    /// When the last step of an answer came, or if there was none, when the question was asked.
    last_step: Instant,
    /// The answers by the numbers of the hubs; `None` for a hub that has not answered completely.
    answers: Vec<Option<Vec<T>>>,
    /// For each hub, whether there was nobody to ask, as it had not begun or had ended. Such a hub had no green
    /// threads.
    empty: Vec<bool>,
    done: Option<Done<T>>,
}

/// The function that is called when the last hub has answered, or cannot any more.
type Done<T> = Box<dyn FnOnce(&Census<T>) + Send>;

impl<T> fmt::Debug for Census<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Census").finish_non_exhaustive()
    }
}

/// The duty to answer for one hub.
struct AnswerDuty<T> {
    census: Arc<Census<T>>,
    hub: usize,
    found: Vec<T>,
}

impl<T> AnswerDuty<T> {
    fn answer(&mut self) {
        let found = std::mem::take(&mut self.found);
        self.census.state.lock().answers[self.hub] = Some(found);
    }
}

impl<T> Drop for AnswerDuty<T> {
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

/// Asks each of the hubs by a copy of `step`, which adds what it finds to the list and returns whether that is all.
pub(in crate::runtime) fn ask<T: Send + 'static>(
    hubs: &[&'static HubShared],
    step: impl FnMut(&Hub, &mut Vec<T>) -> Step + Clone + Send + 'static,
) -> Arc<Census<T>> {
    let state = CensusState {
        missing: hubs.len(),
        last_step: clock::now(),
        answers: hubs.iter().map(|_| None).collect(),
        empty: vec![false; hubs.len()],
        done: None,
    };
    let census = Arc::new(Census { state: Mutex::new(state) });
    for (at, hub) in hubs.iter().enumerate() {
        let mut step = step.clone();
        let mut duty = AnswerDuty { census: Arc::clone(&census), hub: at, found: Vec::new() };
        let step = move |hub: &Hub| {
            let taken = step(hub, &mut duty.found);
            duty.census.note_step();
            if taken == Step::Answered {
                duty.answer();
            }
            taken
        };
        if !hub.ask(Box::new(step)) {
            census.note_empty(at);
        }
    }
    census
}

impl<T> Census<T> {
    fn note_step(&self) {
        self.state.lock().last_step = clock::now();
    }

    fn note_empty(&self, hub: usize) {
        self.state.lock().empty[hub] = true;
    }

    /// Has `done` called when all have answered, or cannot any more: at once if they have, otherwise on the OS thread
    /// of one of them, where it must neither wait nor panic. It replaces a function that was given before.
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

    /// Waits until all have answered, but no longer than `patience` after the last step of an answer. It does not wait
    /// on if all that have not answered are held up: `is_held` is asked that now and then, with the number of a hub. No
    /// interruption ends the wait.
    #[allow(dead_code, reason = "reports alone wait")]
    pub(in crate::runtime) fn wait(
        &self,
        patience: Duration,
        mut is_held: impl FnMut(usize) -> bool,
    ) {
        loop {
            let parker = Parker::uninterruptible();
            let waiter = parker.waiter();
            self.when_done(move |_| waiter.unpark());
            let at_latest = self.state.lock().last_step + patience;
            let until = at_latest.min(clock::now() + patience / LOOKS);
            if parker.park(Reason::Report, Some(until)) == Wake::Notified {
                return;
            }
            let state = self.state.lock();
            let missing = state
                .answers
                .iter()
                .enumerate()
                .filter(|(hub, it)| it.is_none() && !state.empty[*hub]);
            // Each hub is asked about, as `is_held` counts from the first time that it is asked.
            let held = missing.fold(true, |all, (hub, _)| is_held(hub) && all);
            if held || state.last_step + patience <= clock::now() {
                return;
            }
        }
    }

    /// Whether all have answered, or cannot any more.
    pub(in crate::runtime) fn is_complete(&self) -> bool {
        self.state.lock().missing == 0
    }

    /// Like [`take`](Self::take), but a hub for which there was nobody to ask counts as one that has answered with
    /// nothing.
    #[allow(dead_code, reason = "reports alone ask")]
    pub(in crate::runtime) fn take_with_empty(&self) -> Vec<Option<Vec<T>>> {
        let answers = self.take().into_iter();
        let empty = &self.state.lock().empty;
        let or_none = |(answer, empty): (Option<_>, &bool)| answer.or(empty.then(Vec::new));
        answers.zip(empty).map(or_none).collect()
    }

    /// What has been answered so far, by the numbers of the hubs.
    pub(in crate::runtime) fn take(&self) -> Vec<Option<Vec<T>>> {
        self.state.lock().answers.iter_mut().map(Option::take).collect()
    }
}
