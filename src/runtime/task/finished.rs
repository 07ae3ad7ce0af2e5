//! Where tasks leave their numbers at their end, for a thread that waits for several.
#![forbid(unsafe_code)]

use super::waiter::Waiter;
use crate::util::lock::Mutex;
use std::collections::VecDeque;

/// The numbers that ended tasks have left. Each task got its number from the one thread that waits for them.
#[derive(Debug, Default)]
pub(crate) struct Finished(Mutex<FinishedState>);

#[derive(Debug, Default)]
struct FinishedState {
    numbers: VecDeque<usize>,
    waiter: Option<Waiter>,
}

impl Finished {
    /// Leaves a number.
    pub(crate) fn push(&self, number: usize) {
        let waiter = {
            let mut state = self.0.lock();
            state.numbers.push_back(number);
            state.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }

    pub(crate) fn try_next(&self) -> Option<usize> {
        self.0.lock().numbers.pop_front()
    }

    /// The number that was left first. If there is none, the next one that is left wakes `waiter`.
    pub(in crate::runtime) fn next_or_await(
        &self,
        waiter: impl FnOnce() -> Waiter,
    ) -> Option<usize> {
        let mut state = self.0.lock();
        let number = state.numbers.pop_front();
        if number.is_none() {
            state.waiter = Some(waiter());
        }
        number
    }
}
