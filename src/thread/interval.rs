//! Doing something again and again at fixed times.
#![forbid(unsafe_code)]

use super::Deadline;
use crate::sys::time::deadline_after;
use std::time::{Duration, Instant};

/// What becomes of the ticks for which nobody came in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissedTicks {
    /// They are left out; the next one comes at the next multiple of the period. (Go's ticker, tokio's `Skip`.)
    #[default]
    Skip,
    /// They come at once, one after the other, until all are made up for. (tokio's default, `Burst`.)
    Burst,
    /// The next one comes a whole period from now, and all later ones are shifted with it. (tokio's `Delay`.)
    Delay,
}

/// Ticks once in each period. What is done between the ticks takes nothing from the period, as it would with a
/// [`sleep`](crate::sleep) in a loop.
///
/// It holds nothing but the time of the next tick, and need not be stopped. (Go's `time.Ticker`, `tokio::time::interval`.)
///
/// # Examples
/// ```
/// use greenthread::thread::Interval;
/// use std::time::{Duration, Instant};
/// let mut interval = Interval::new(Duration::from_millis(2));
/// let begin = Instant::now();
/// for _ in 0..3 {
///     interval.tick();
/// }
/// assert!(begin.elapsed() >= Duration::from_millis(6));
/// ```
#[derive(Clone, Debug)]
pub struct Interval {
    period: Duration,
    /// `None` where the clock does not reach so far: never.
    next: Option<Instant>,
    missed: MissedTicks,
}

impl Interval {
    /// The first tick is one `period` from now, as Go's.
    ///
    /// # Panics
    /// If `period` is zero.
    pub fn new(period: Duration) -> Self {
        assert!(!period.is_zero(), "an interval needs a period above zero");
        Self { period, next: deadline_after(period), missed: MissedTicks::default() }
    }

    /// Sets when the next tick is due. With [`Instant::now`] it comes at once, as tokio's first one.
    #[must_use]
    pub fn starting_at(mut self, first: Instant) -> Self {
        self.next = Some(first);
        self
    }

    /// Sets what becomes of ticks for which nobody came in time; they are [skipped](MissedTicks::Skip) otherwise.
    #[must_use]
    pub fn missed_ticks(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// The time between ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Waits for the next tick and returns the time for which it was due; at once if that has passed. Suspends a green
    /// thread, blocks an OS thread. A tick whose wait a kill or timeout ended is still to come.
    pub fn tick(&mut self) -> Instant {
        let due = loop {
            Deadline::wait(self.next.map_or(Deadline::NEVER, Deadline::at));
            if let Some(due) = self.next {
                break due;
            }
        };
        self.next = self.after(due, Instant::now());
        due
    }

    /// When the tick after the one of `due` comes, which is taken at `now`.
    fn after(&self, due: Instant, now: Instant) -> Option<Instant> {
        let late = now.saturating_duration_since(due);
        match self.missed {
            MissedTicks::Delay if late >= self.period => now.checked_add(self.period),
            MissedTicks::Skip if late >= self.period => {
                let since_last = late.as_nanos() % self.period.as_nanos();
                let since_last =
                    Duration::from_nanos(u64::try_from(since_last).unwrap_or(u64::MAX));
                now.checked_add(self.period - since_last)
            }
            _ => due.checked_add(self.period),
        }
    }

    /// Lets the next tick come a whole period from now.
    pub fn reset(&mut self) {
        self.next = deadline_after(self.period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_missed_ticks() {
        const SECOND: Duration = Duration::from_secs(1);
        let begin = Instant::now();
        let at = |seconds: f64| begin + Duration::from_secs_f64(seconds);
        let next = |missed, now| {
            let interval = Interval::new(SECOND).missed_ticks(missed);
            interval.after(begin, at(now)).unwrap()
        };
        for missed in [MissedTicks::Skip, MissedTicks::Burst, MissedTicks::Delay] {
            assert_eq!(next(missed, 0.0), at(1.0), "{missed:?}");
            assert_eq!(next(missed, 0.75), at(1.0), "late, but none is missed: {missed:?}");
        }
        assert_eq!(next(MissedTicks::Skip, 2.25), at(3.0));
        assert_eq!(next(MissedTicks::Skip, 2.0), at(3.0));
        assert_eq!(next(MissedTicks::Burst, 2.25), at(1.0));
        assert_eq!(next(MissedTicks::Delay, 2.25), at(3.25));
        let huge = Interval::new(Duration::MAX);
        assert!(
            huge.next.is_some_and(|next| next > begin + 1_000_000 * SECOND),
            "a time all the same"
        );
        assert_eq!(huge.after(begin, begin), None);
    }
}
