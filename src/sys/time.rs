//! The monotonic clock as a number of nanoseconds.

use super::clock;
use super::fault::{self, Syscall};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(clock::now)
}

/// Nanoseconds of an instant since the first use of the library; instants before that count as zero and instants
/// more than 500 years ahead as 500 years.
pub(crate) fn nanos(instant: Instant) -> u64 {
    let nanos = instant.saturating_duration_since(origin()).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// Nanoseconds now, on the scale of [`nanos`].
pub(crate) fn now() -> u64 {
    nanos(clock::now())
}

/// Stands for a time that the clock cannot represent: a hundred years. A wait for it still is a wait for a time, so it
/// is never part of a deadlock.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The instant `after` from now, or in a hundred years if the clock cannot represent that. `None` only if it cannot
/// represent that either.
pub(crate) fn deadline_after(after: Duration) -> Option<Instant> {
    let now = clock::now();
    now.checked_add(after).or_else(|| now.checked_add(AGES))
}

/// Has the system end sleeps of the calling OS thread as exactly as it can, and returns the slack that it allowed
/// before, in nanoseconds.
pub(crate) fn sleep_exactly() -> Option<u64> {
    fault::check(Syscall::TimerSlack).ok()?;
    // SAFETY: it takes and changes nothing but a number of the calling thread.
    let before = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK, 0, 0, 0, 0) };
    let before = u64::try_from(before).ok()?;
    set_slack(1);
    Some(before)
}

/// Sets how many nanoseconds late the system may end sleeps of the calling OS thread, which saves wake-ups.
pub(crate) fn set_slack(nanos: u64) {
    // Where it cannot be set, sleeps end as the system likes.
    if fault::check(Syscall::TimerSlack).is_ok() {
        // SAFETY: as above.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanos, 0, 0, 0) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A sleep of a hundred years ends by itself, so it is not part of a deadlock.
    #[test]
    fn what_is_too_far_for_the_clock_is_a_time_all_the_same() {
        assert!(deadline_after(Duration::MAX).is_some_and(|at| at > Instant::now() + AGES / 2));
    }

    #[test]
    fn the_slack_of_a_thread_is_set_and_put_back() {
        let before = sleep_exactly().unwrap();
        assert_eq!(sleep_exactly(), Some(1));
        set_slack(before);
        assert_eq!(sleep_exactly(), Some(before));
        set_slack(before);
        fault::fail(Syscall::TimerSlack, 0, 2, libc::EPERM);
        assert_eq!(sleep_exactly(), None);
        set_slack(before + 1);
        assert_eq!(sleep_exactly(), Some(before), "it stays as it is");
        set_slack(before);
    }
}
