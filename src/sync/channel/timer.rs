//! The receiving ends that no sender feeds: `after`, `tick` and `never`.
#![forbid(unsafe_code)]

use super::Hands;
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::sys::clock;
use crate::util::lock::Mutex;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// The messages that a timer gives at certain times.
#[derive(Debug)]
pub(crate) struct TimedMessages<T> {
    /// When the next message is due; `None` if there is none.
    next: Mutex<Option<Instant>>,
    period: Option<Duration>,
    message: fn(Instant) -> T,
    /// How many messages may be there at once: one, or none ever.
    capacity: usize,
    pub(crate) hands: Hands<T>,
}

impl<T> UnwindSafe for TimedMessages<T> {}
impl<T> RefUnwindSafe for TimedMessages<T> {}

impl<T> TimedMessages<T> {
    pub(crate) fn new(
        first: Option<Instant>,
        period: Option<Duration>,
        message: fn(Instant) -> T,
    ) -> Self {
        Self { next: Mutex::new(first), period, message, capacity: 1, hands: Hands::new() }
    }

    pub(crate) fn never() -> Self {
        let message = |_| unreachable!("it is never due");
        Self { next: Mutex::new(None), period: None, message, capacity: 0, hands: Hands::new() }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// When the next message is due, if one is to come.
    pub(crate) fn due(&self) -> Option<Instant> {
        *self.next.lock()
    }

    /// Whether there is a message.
    pub(crate) fn is_due(&self) -> bool {
        self.due().is_some_and(|due| due <= clock::now())
    }

    pub(crate) fn try_recv(&self) -> Option<T> {
        let mut next = self.next.lock();
        let due = next.filter(|due| *due <= clock::now())?;
        // Ticks that nobody took in time are left out: the next one comes a period from now.
        *next = self.period.and_then(|period| clock::now().checked_add(period));
        Some((self.message)(due))
    }

    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        loop {
            if let Some(message) = self.try_recv() {
                return Ok(message);
            }
            if deadline.is_some_and(|at| at <= clock::now()) {
                return Err(RecvTimeoutError::Timeout);
            }
            let until = self.due().into_iter().chain(deadline).min();
            if Parker::new().park(Reason::Receive, until) == Wake::Killed {
                park::raise_kill();
            }
        }
    }
}
