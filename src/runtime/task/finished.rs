//! Waiting for several tasks at once.
#![forbid(unsafe_code)]

use crate::runtime::wait::park::{self, Parker, Reason, Waiter, Wake};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::Instant;

/// Where tasks that end leave the numbers that they were given by the one thread that waits for them.
#[derive(Debug, Default)]
pub(crate) struct Finished(Mutex<State>);

#[derive(Debug, Default)]
struct State {
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

    /// The number that was left first; waits for one until the deadline. A kill ends the wait by unwinding.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Option<usize> {
        loop {
            let parker = Parker::new();
            {
                let mut state = self.0.lock();
                if let Some(number) = state.numbers.pop_front() {
                    return Some(number);
                }
                state.waiter = Some(parker.waiter());
            }
            match parker.park(Reason::Join, deadline) {
                Wake::Notified => {}
                Wake::TimedOut => return self.try_next(),
                Wake::Killed => park::raise_kill(),
            }
        }
    }
}
