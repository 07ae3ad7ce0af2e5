//! Waiting for several tasks at once.
#![forbid(unsafe_code)]

use super::park::{self, Parker, Reason, Wake};
use crate::runtime::task::finished::Finished;
use std::time::Instant;

impl Finished {
    /// The number that was left first. If there is none, waits for one until the deadline. A kill ends the wait by
    /// unwinding.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Option<usize> {
        loop {
            let parker = Parker::new();
            if let Some(number) = self.next_or_await(|| parker.waiter()) {
                return Some(number);
            }
            match parker.park(Reason::Join, deadline) {
                Wake::Notified => {}
                Wake::TimedOut => return self.try_next(),
                Wake::Killed => park::raise_kill(),
            }
        }
    }
}
