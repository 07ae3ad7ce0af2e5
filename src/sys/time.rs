//! The monotonic clock as one number.

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

/// What stands for a time that the clock cannot tell: a hundred years. A wait for it is a wait for a time all the same,
/// which no deadlock is.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The instant `after` from now, which is in a hundred years where it is too far ahead for the clock. `None` only where not
/// even that can be told.
pub(crate) fn deadline_after(after: Duration) -> Option<Instant> {
    let now = clock::now();
    now.checked_add(after).or_else(|| now.checked_add(AGES))
}

/// Has the system end sleeps of the calling OS thread as exactly as it can, and says what it did before, in nanoseconds.
pub(crate) fn sleep_exactly() -> Option<u64> {
    fault::check(Syscall::TimerSlack).ok()?;
    // SAFETY: it takes and changes nothing but a number of the calling thread.
    let before = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK, 0, 0, 0, 0) };
    let before = u64::try_from(before).ok()?;
    set_slack(1);
    Some(before)
}

/// How many nanoseconds the system may be late with the ends of sleeps of the calling OS thread, to save wake-ups.
pub(crate) fn set_slack(nanos: u64) {
    // Where it cannot be had, sleeps end as the system likes.
    if fault::check(Syscall::TimerSlack).is_ok() {
        // SAFETY: as above.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanos, 0, 0, 0) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A sleep of ages is none that only others can end.
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
