//! Whether a hub is held up: by a green thread that computes, or that blocks the OS thread, for long.
//!
//! A hub that is just not given a processor by the system looks the same from outside, as long as one looks at its turns
//! only: it will go on by itself, and is not helped by taking its work away. So where it has not moved for a while, the
//! system is asked what its OS thread has been doing.
#![forbid(unsafe_code)]

use crate::sys::process;
use crate::sys::time;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// About a millisecond in ticks: before that nothing is asked, and not more often.
const SUSPICIOUS: u64 = 1 << 21;
/// Processor time that a green thread may take in a row before it counts as one that computes.
const SHORT: Duration = Duration::from_millis(1);

/// For so long, and others begin to take what is queued there. Not sooner: on a machine with more to do than processors a
/// lock that is held by somebody who was suspended takes about as long.
const RESCUE_AFTER: Duration = Duration::from_millis(20);
/// One for each such time at first, twice as many from each further [`RESCUE_AFTER`] on.
const RESCUE_EVERY: Duration = Duration::from_millis(1);
const RESCUE_AT_MOST: usize = 32;

/// What others have seen of one hub.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// What it was at, when somebody last looked, and in ticks since when.
    at: AtomicU64,
    since: AtomicU64,
    inquiry: Mutex<Inquiry>,
}

#[derive(Debug, Default)]
struct Inquiry {
    at: u64,
    /// In nanoseconds.
    begun: u64,
    /// In ticks.
    asked: u64,
    /// The processor time that its OS thread had used then.
    used: Duration,
    held: Duration,
    /// How long it had been held when some of its tasks were last taken.
    rescued: Duration,
}

impl Held {
    /// For how long the hub has been held up for certain. `at` is what it does now: another number with each turn and
    /// each green thread.
    pub(super) fn look(&self, at: u64, thread: i32) -> Duration {
        let now = time::ticks();
        if self.at.load(Ordering::Acquire) != at {
            self.since.store(now, Ordering::Relaxed);
            self.at.store(at, Ordering::Release);
            return Duration::ZERO;
        }
        // The counters of two processors may be a little apart.
        let since = self.since.load(Ordering::Relaxed);
        if now.saturating_sub(since) < SUSPICIOUS {
            return Duration::ZERO;
        }
        self.ask(at, thread, now)
    }

    #[cold]
    fn ask(&self, at: u64, thread: i32, ticks: u64) -> Duration {
        // Who holds it is about to find out the same.
        let Some(mut inquiry) = self.inquiry.try_lock() else { return Duration::ZERO };
        let Some(used) = process::time_of_thread(thread) else { return Duration::ZERO };
        if inquiry.at != at {
            *inquiry = Inquiry { at, begun: time::now(), asked: ticks, used, ..Inquiry::default() };
        } else if ticks.saturating_sub(inquiry.asked) >= SUSPICIOUS / 2 {
            inquiry.asked = ticks;
            let computed = used.saturating_sub(inquiry.used);
            inquiry.held = if computed >= SHORT {
                computed
            } else if process::thread_sleeps(thread) {
                Duration::from_nanos(time::now().saturating_sub(inquiry.begun))
            } else {
                Duration::ZERO
            };
        }
        inquiry.held
    }

    /// How many of its tasks may be taken now, where it has been held up for so long.
    #[cold]
    pub(super) fn rescue(&self, held: Duration) -> usize {
        let Some(mut inquiry) = self.inquiry.try_lock() else { return 0 };
        if held < RESCUE_AFTER || held.saturating_sub(inquiry.rescued) < RESCUE_EVERY {
            return 0;
        }
        inquiry.rescued = held;
        let doublings = held.as_nanos() / RESCUE_AFTER.as_nanos() - 1;
        RESCUE_AT_MOST.min(1 << doublings.min(16))
    }
}
