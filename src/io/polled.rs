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

/// One direction of one descriptor, as one future or one after the other waits for it. Whoever has it calls
/// [`leave`](Self::leave) before the descriptor is closed.
#[derive(Debug, Default)]
pub(crate) struct Polled {
    watching: Watching,
    again: Option<Again>,
}

/// What looks again where the system may give no sign.
#[derive(Debug)]
struct Again {
    at: Instant,
    pause: Duration,
    waker: Waker,
    alarm: Alarm,
}

impl Polled {
    /// Whether it is time to try, whatever is known.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.again.as_ref().is_some_and(|again| again.at <= clock::now())
    }

    /// Whether an operation is worth trying. Called after one that was not.
    #[inline]
    pub(super) fn poll(
        &mut self,
        source: &Arc<Source>,
        direction: Direction,
        context: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.watching.poll(source, direction, context)
    }

    /// Has whoever polls woken after a pause, which grows from one to the next.
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
        // Where there is none to be had, the signs that there are must do.
        let alarm = Alarm::set(now + pause, move || rung.wake());
        self.again = alarm.ok().map(|alarm| Again { at: now + pause, pause, waker, alarm });
    }

    /// An operation that may have been tried without a sign has ended.
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
