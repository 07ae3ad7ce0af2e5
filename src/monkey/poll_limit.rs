//! How long `poll`, `select` and `epoll_wait` wait, and with which signals, in the forms in which callers say it.
//!
//! Invariant: a time that a caller gives is turned into a point in time once, before the first look.

use crate::sys::clock;
use crate::sys::time::deadline_after;
use libc::{c_int, c_long, timespec};
use std::time::{Duration, Instant};

/// The size of the kernel's signal sets, in bytes.
pub(super) const SIGNALS: c_long = 8;

/// How long a call may wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum PollLimit {
    Not,
    ForEver,
    Until(Instant),
}

impl PollLimit {
    pub(super) fn after(duration: Option<Duration>) -> Self {
        match duration {
            Some(Duration::ZERO) => Self::Not,
            // A time beyond what the clock can represent is for ever.
            Some(duration) => deadline_after(duration).map_or(Self::ForEver, Self::Until),
            None => Self::ForEver,
        }
    }

    pub(super) fn of_millis(millis: c_int) -> Self {
        Self::after(u64::try_from(millis).ok().map(Duration::from_millis))
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::Not | Self::ForEver => None,
        }
    }

    pub(super) fn left(self) -> Duration {
        self.deadline().map_or(Duration::ZERO, |at| at.saturating_duration_since(clock::now()))
    }
}

pub(super) fn duration_of(time: &timespec) -> Duration {
    Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.clamp(0, 999_999_999) as u32)
}

/// # Safety
/// `time` is null or valid.
pub(super) unsafe fn limit_of(time: *const timespec) -> PollLimit {
    // SAFETY: the caller's pointer is null or valid.
    PollLimit::after(unsafe { time.as_ref() }.map(duration_of))
}
