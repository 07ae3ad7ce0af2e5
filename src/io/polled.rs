//! What a future needs to wait for a descriptor.
#![forbid(unsafe_code)]

use super::handle::LONGEST_PAUSE;
use crate::runtime::reactor::{Direction, Source};
use crate::runtime::watching::Watching;
use crate::sys::clock;
use crate::thread::Alarm;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A wait for one direction of one descriptor, for one future after another. Whoever owns it calls
/// [`leave`](Self::leave) before the descriptor is closed.
#[derive(Debug, Default)]
pub(crate) struct Polled {
    watching: Watching,
    again: Option<Again>,
}

/// The next try without a sign, where the system may give none.
#[derive(Debug)]
struct Again {
    at: Instant,
    pause: Duration,
    waker: Waker,
    alarm: Alarm,
}

impl Polled {
    /// Whether it is time to try, even if the source is not known to be ready.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.again.as_ref().is_some_and(|again| again.at <= clock::now())
    }

    /// Whether an operation is worth trying now. Called after an operation that would block.
    #[inline]
    pub(super) fn poll(
        &mut self,
        source: &Arc<Source>,
        direction: Direction,
        context: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.watching.poll(source, direction, context)
    }

    /// Wakes whoever polls after a pause, which grows each time.
    #[cold]
    pub(super) fn look_again_later(&mut self, context: &Context<'_>) {
        let now = clock::now();
        let pause = match &self.again {
            Some(again)
                if again.at > now
                    && again.waker.will_wake(context.waker())
                    && !again.alarm.has_rung() =>
            {
                return;
            }
            Some(again) if again.at > now => again.pause,
            Some(again) => (again.pause * 2).min(LONGEST_PAUSE),
            None => Duration::from_millis(1),
        };
        let waker = context.waker().clone();
        let rung = waker.clone();
        // Where no alarm can be set, the wait ends only by a sign of the system.
        let alarm = Alarm::set(now + pause, move || rung.wake());
        self.again = alarm.ok().map(|alarm| Again { at: now + pause, pause, waker, alarm });
    }

    /// To be called when an operation has ended that may have been tried without a sign.
    #[inline]
    pub(super) fn done(&mut self, source: &Source, direction: Direction) {
        if self.again.is_some() {
            self.leave(source, direction);
        }
    }

    /// Ends the wait, if there is one.
    pub(super) fn leave(&mut self, source: &Source, direction: Direction) {
        self.again = None;
        self.watching.leave(source, direction);
    }
}
