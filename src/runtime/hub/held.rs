//! Whether a hub is held up: by a green thread that computes, or that blocks the OS thread, for long.
//!
//! A hub to which the system just gives no processor looks the same from outside, if one looks only at its turns. But it will go on
//! by itself, and taking its work away does not help. So if a hub has not moved for a while, the system is asked what its OS thread
//! has been doing.
#![forbid(unsafe_code)]

use crate::sys::process;
use crate::sys::{clock, time};
use crate::util::lock::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// About a millisecond, in ticks: the system is not asked before that, and not more often.
const SUSPICIOUS: u64 = 1 << 21;
/// How much processor time a green thread may take without a pause before it counts as one that computes.
const SHORT: Duration = Duration::from_millis(1);

/// After how long others begin to take what is queued at a hub that is held up. It is not less, since on a machine with more to do than
/// processors, waiting for a lock whose holder the system has suspended takes about as long.
const RESCUE_AFTER: Duration = Duration::from_millis(20);
/// One task is taken in each such time at first, and twice as many after each further [`RESCUE_AFTER`].
const RESCUE_EVERY: Duration = Duration::from_millis(1);
const RESCUE_AT_MOST: usize = 32;

/// What others have seen of one hub.
#[derive(Debug, Default)]
pub(super) struct HeldUp {
    /// What the hub did when somebody last looked; and, in ticks, since when.
    at: AtomicU64,
    since: AtomicU64,
    inquiry: Mutex<HoldInquiry>,
}

#[derive(Debug, Default)]
struct HoldInquiry {
    at: u64,
    /// When that began, in nanoseconds.
    begun: u64,
    /// When the system was last asked, in ticks.
    asked: u64,
    /// The processor time that its OS thread had used then.
    used: Duration,
    held: Duration,
    /// How long it had been held when some of its tasks were last taken.
    rescued: Duration,
}

impl HeldUp {
    /// For how long the hub has certainly been held up. `at` is a number for what it does now, another one with each turn and each
    /// green thread.
    pub(super) fn look(&self, at: u64, thread: i32) -> Duration {
        let now = clock::ticks();
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
        // The one who has the lock is about to find out the same.
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

    /// How many of its tasks may be taken now, given for how long it has been held up.
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
