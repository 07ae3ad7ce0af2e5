//! How a hub waits for the system, and what it does when it has nothing else to do.
#![forbid(unsafe_code)]

use super::local::Hub;
use super::shared::BUSY;
use crate::runtime::task::memory;
use crate::stack;
use crate::sys::{clock, report, time};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The period over which it is measured how busy a hub is, in ticks of the processor's counter; some ten milliseconds.
const BUSY_WINDOW: u64 = 1 << 25;

impl Hub {
    /// Looks for readiness without waiting, if there is anything that could become ready.
    pub(crate) fn poll_now(&self) {
        // A task that was just started may have forked: the child must not touch the parent's readiness.
        if !self.shared.lane.sources.is_empty() && !self.is_parents() {
            self.poll(Some(Duration::ZERO));
        }
    }

    /// Asks the kernel what has become ready, and waits for it as long as `timeout` says. Returns whether anything has.
    fn poll(&self, timeout: Option<Duration>) -> bool {
        let mut poller = self.poller.borrow_mut();
        match poller.wait(timeout) {
            Ok(any) => {
                let events = poller.events();
                self.lane().tally().polled(|| events.len());
                self.shared.lane.sources.dispatch(self.lane(), events);
                if any {
                    self.lane().probe.follow_last(self.lane().here().ready().len());
                }
                any
            }
            // Only EBADF, EFAULT and EINVAL are left, which do not come for our own descriptor. If one comes all the
            // same, the worker goes on with what does not need readiness, and does not spin.
            Err(error) => {
                report(format_args!("waiting for readiness failed: {error}"));
                drop(poller);
                std::thread::sleep(Duration::from_millis(10));
                true
            }
        }
    }

    /// Sleeps until a source is ready, a timer is due, another thread wakes the hub, or `at_most` is over. Returns
    /// whether `at_most` ended the sleep.
    pub(crate) fn sleep(&self, at_most: Option<Duration>) -> bool {
        self.lane().tally().sleeps();
        let next = self.lane().timers.borrow().next_wake();
        let until_timer = next.map(|at| Duration::from_nanos(at.saturating_sub(time::now())));
        let timeout = match (until_timer, at_most) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let begun = clock::ticks();
        let undisturbed = !self.poll(timeout);
        let ended = clock::ticks();
        let (since, slept) = self.measured.get();
        self.measured.set((since, slept + ended.saturating_sub(begun)));
        self.measure(ended);
        undisturbed && at_most.is_some() && timeout == at_most
    }

    /// Publishes how busy the hub has been, if a period is over.
    pub(crate) fn measure(&self, now: u64) {
        let (since, slept) = self.measured.get();
        let all = now.saturating_sub(since);
        if all < BUSY_WINDOW {
            return;
        }
        self.measured.set((now, 0));
        let share = BUSY - (u128::from(slept.min(all)) * BUSY as u128 / u128::from(all)) as usize;
        let before = self.shared.own.busy.load(Ordering::Relaxed);
        self.shared.own.busy.store(usize::midpoint(before, share), Ordering::Relaxed);
    }

    /// Gives memory back that is not needed any more.
    #[cold]
    pub(crate) fn trim(&self) {
        stack::trim();
        self.local.borrow_mut().shrink_to(64);
        memory::trim();
        self.lane().timers.borrow_mut().trim();
    }
}
