//! Whether a hub is held up for long, by a green thread that computes or blocks the OS thread.
//!
//! A hub that the system gives no processor looks the same from outside, if one looks only at its turns. But it will go
//! on by itself, and taking its work away does not help. So if a hub has not moved for a while, the system is asked
//! what its OS thread has been doing.
#![forbid(unsafe_code)]

use crate::sys::process;
use crate::sys::{clock, time};
use crate::util::lock::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// About a millisecond, in ticks. The system is asked neither earlier nor more often.
const SUSPICIOUS: u64 = 1 << 21;
/// A green thread that takes more processor time than this without a pause counts as one that computes.
const SHORT: Duration = Duration::from_millis(1);

/// When a hub has been held up for this long, others begin to take what is queued there. It is not less, since on a
/// machine that has more to do than processors, waiting for a lock whose holder the system has suspended takes about as
/// long.
const RESCUE_AFTER: Duration = Duration::from_millis(20);
/// In each such period one task may be taken at first, and twice as many after each further [`RESCUE_AFTER`].
const RESCUE_EVERY: Duration = Duration::from_millis(1);
const RESCUE_AT_MOST: usize = 32;

/// What others have observed of one hub.
#[derive(Debug, Default)]
pub(super) struct HeldUp {
    /// The number of what the hub did when somebody last looked, and since when, in ticks.
    at: AtomicU64,
    since: AtomicU64,
    inquiry: Mutex<HoldInquiry>,
}

#[derive(Debug, Default)]
struct HoldInquiry {
    at: u64,
    /// When the present stretch began, in nanoseconds.
    begun: u64,
    /// When the system was last asked, in ticks.
    asked: u64,
    /// The processor time that its OS thread had used at that moment.
    used: Duration,
    held: Duration,
    /// For how long it had been held up when some of its tasks were last taken.
    rescued: Duration,
}

impl HeldUp {
    /// For how long the hub has certainly been held up. `at` is a number for what it does now, which changes with each
    /// turn and each green thread.
    pub(super) fn look(&self, at: u64, thread: i32) -> Duration {
        let now = clock::ticks();
        if self.at.load(Ordering::Acquire) != at {
            self.since.store(now, Ordering::Relaxed);
            self.at.store(at, Ordering::Release);
            return Duration::ZERO;
        }
        // The counters of two processors may differ a little.
        let since = self.since.load(Ordering::Relaxed);
        if now.saturating_sub(since) < SUSPICIOUS {
            return Duration::ZERO;
        }
        self.ask(at, thread, now)
    }

    #[cold]
    fn ask(&self, at: u64, thread: i32, ticks: u64) -> Duration {
        // The thread that has the lock is about to find out the same.
        let Some(mut inquiry) = self.inquiry.try_lock() else { return Duration::ZERO };
        let Some(used) = process::time_of_thread(thread) else { return Duration::ZERO };
        if inquiry.at != at {
            *inquiry = HoldInquiry {
                at,
                begun: time::now(),
                asked: ticks,
                used,
                ..HoldInquiry::default()
            };
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

    /// How many of its tasks may be taken now, if it has been held up for so long.
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
