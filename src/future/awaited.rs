//! The waits of locks and channels as futures. Each is entered as a thread's wait would be, and left when its future is
//! dropped. What was meant for it by then goes on to the next waiter.
#![forbid(unsafe_code)]

use crate::runtime::park::Mark;
use crate::runtime::waker::{FutureParker, GoOn};
use crate::sync::gate::{Gate, Position};
use crate::sync::select::{Arm, Registration};
use crate::thread::Alarm;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A wait for something that could be an arm of a `select!`.
pub(super) struct Awaited<A: Arm> {
    arm: Option<A>,
    wait: Option<(FutureParker, Registration)>,
    /// Wakes the future when the arm becomes ready by itself, if it does.
    alarm: Option<Alarm>,
}

impl<A: Arm> Awaited<A> {
    pub(super) fn new(arm: A) -> Self {
        Self { arm: Some(arm), wait: None, alarm: None }
    }

    /// The arm, when it has been completed.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<A> {
        loop {
            let Some(arm) = &mut self.arm else {
                panic!("the future of a wait was polled after it was ready")
            };
            if let Some((listener, _)) = &self.wait {
                // A nudge leads to one more round, as a notification does.
                ready!(listener.poll_open(context));
            } else if arm.attempt() {
                arm.settle(true);
                return Poll::Ready(self.completed());
            } else {
                let listener = FutureParker::new();
                let with = Registration::new(listener.waiter());
                arm.register(&with, 0);
                let is_ready = arm.is_ready(Some(&with));
                let due = arm.due();
                if with.mark() != Mark::NONE {
                    listener.open(with.mark());
                }
                self.wait = Some((listener, with));
                if !is_ready {
                    self.set_alarm(due);
                    continue;
                }
            }
            if self.leave() {
                return Poll::Ready(self.completed());
            }
        }
    }

    fn completed(&mut self) -> A {
        self.arm.take().unwrap_or_else(|| unreachable!("it was there just now"))
    }

    fn set_alarm(&mut self, due: Option<Instant>) {
        if let (Some(at), Some((listener, _))) = (due, &self.wait) {
            let waiter = listener.waiter();
            let alarm = Alarm::set(at, move || waiter.unpark());
            self.alarm = Some(alarm.expect("failed to spawn a green thread"));
        }
    }

    /// Leaves those who wait. Returns whether the other side has completed the arm.
    fn leave(&mut self) -> bool {
        self.alarm = None;
        let (Some((_, with)), Some(arm)) = (self.wait.take(), &mut self.arm) else { return false };
        let completed = with.close();
        arm.unregister();
        let completed = completed && arm.has_come();
        if completed {
            arm.settle(true);
        }
        completed
    }

    /// Ends the wait. First `take_back` takes back what the other side may have done meanwhile.
    pub(super) fn end(&mut self, take_back: impl FnOnce(&mut A)) {
        let waited = self.wait.is_some();
        if let (Some((_, with)), Some(arm)) = (&self.wait, &mut self.arm) {
            with.close();
            take_back(arm);
        }
        if self.leave() {
            self.arm = None;
        } else if let (true, Some(mut arm)) = (waited, self.arm.take()) {
            arm.settle(false);
        }
    }
}

impl<A: Arm> Drop for Awaited<A> {
    fn drop(&mut self) {
        self.end(|_| ());
    }
}

/// A wait at a gate.
pub(super) struct AtGate<'a> {
    gate: &'a Gate,
    wait: Option<(FutureParker, Position)>,
}

impl<'a> AtGate<'a> {
    pub(super) fn new(gate: &'a Gate) -> Self {
        Self { gate, wait: None }
    }

    /// Ready when it is time to look again.
    pub(super) fn poll(&mut self, context: &Context<'_>, ready: impl FnOnce() -> bool) -> Poll<()> {
        if self.wait.is_none() {
            let listener = FutureParker::new();
            let position = self.gate.enter(listener.waiter());
            listener.open(self.gate.mark());
            self.wait = Some((listener, position));
            if ready() {
                self.leave();
                return Poll::Ready(());
            }
        }
        if let Some((listener, _)) = &self.wait
            && ready!(listener.poll_open(context)) == GoOn::Notified
        {
            // The notification was for this wait.
            self.wait = None;
        }
        Poll::Ready(())
    }

    /// Ends the wait.
    pub(super) fn leave(&mut self) {
        if let Some((_, position)) = self.wait.take() {
            self.gate.give_up(position);
        }
    }
}

impl Drop for AtGate<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
