//! Doing something again and again at fixed times.
#![forbid(unsafe_code)]

use super::Deadline;
use crate::sys::clock;
use crate::sys::time::deadline_after;
use std::time::{Duration, Instant};

/// What happens to ticks that are missed because [`Interval::tick`] is called too late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissedTicks {
    /// They are left out; the next tick comes at the next multiple of the period. (Go's ticker, tokio's `Skip`.)
    #[default]
    Skip,
    /// They all come at once, until the ticks are on time again. (tokio's default, `Burst`.)
    Burst,
    /// The next tick comes a whole period after the late one, and all later ticks are moved with it. (tokio's `Delay`.)
    Delay,
}

/// Ticks once in each period, whatever time is spent between the ticks; with a [`sleep`](crate::sleep) in a loop that time
/// would be added to the period. (Go's `time.Ticker`, `tokio::time::interval`.)
///
/// It holds nothing but the time of the next tick, so it need not be stopped. In a [`select!`](crate::select), ticks are those of
/// [`mpmc::tick`](crate::sync::mpmc::tick).
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
///
/// // The first tick at once, and none left out.
/// use greenthread::thread::MissedTicks;
/// let mut interval = Interval::new(Duration::from_millis(1))
///     .starting_at(begin)
///     .missed_ticks(MissedTicks::Burst);
/// assert_eq!(interval.tick(), begin);
/// assert_eq!(interval.tick(), begin + interval.period());
/// ```
#[doc(alias("Ticker", "Tick"))]
#[derive(Clone, Debug)]
pub struct Interval {
    period: Duration,
    /// When the next tick comes; `None` if the clock does not reach so far, which means never.
    next: Option<Instant>,
    missed: MissedTicks,
}

impl Interval {
    /// An interval whose first tick is one `period` from now, as with Go's ticker. [Missed ticks](MissedTicks) are skipped.
    ///
    /// # Panics
    /// If `period` is zero.
    ///
    /// # Examples
    /// ```
    /// use greenthread::thread::Interval;
    /// use std::time::Duration;
    ///
    /// let mut samples = Vec::new();
    /// let mut interval = Interval::new(Duration::from_millis(1));
    /// while samples.len() < 3 {
    ///     // The time that a sample takes does not delay the next one.
    ///     samples.push(interval.tick());
    /// }
    /// assert!(samples[1] - samples[0] >= interval.period());
    /// ```
    #[must_use]
    pub fn new(period: Duration) -> Self {
        assert!(!period.is_zero(), "an interval needs a period above zero");
        Self { period, next: deadline_after(period), missed: MissedTicks::default() }
    }

    /// Sets when the next tick is due. With [`Instant::now`] it comes at once, as the first tick of tokio's interval does.
    ///
    /// # Examples
    /// The first tick at once:
    /// ```
    /// use greenthread::thread::Interval;
    /// use std::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// let mut hourly = Interval::new(Duration::from_secs(3600)).starting_at(now);
    /// assert_eq!(hourly.tick(), now);
    /// ```
    #[doc(alias = "interval_at")]
    #[must_use]
    pub fn starting_at(mut self, first: Instant) -> Self {
        self.next = Some(first);
        self
    }

    /// Sets what becomes of missed ticks; unless this is called they are [skipped](MissedTicks::Skip).
    ///
    /// # Examples
    /// ```
    /// use greenthread::thread::{Interval, MissedTicks};
    /// use std::time::{Duration, Instant};
    ///
    /// let second = Duration::from_secs(1);
    /// let begin = Instant::now() - 10 * second;
    /// // Ten seconds late. One counts all of them, the other goes on from here.
    /// let mut bursts = Interval::new(second).starting_at(begin).missed_ticks(MissedTicks::Burst);
    /// let mut skips = Interval::new(second).starting_at(begin);
    /// assert_eq!((bursts.tick(), bursts.tick()), (begin, begin + second));
    /// assert_eq!(skips.tick(), begin);
    /// ```
    #[doc(alias = "set_missed_tick_behavior")]
    #[must_use]
    pub fn missed_ticks(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// The time between ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Waits for the next tick, or returns at once if its time has passed; returns the time at which the tick was due. Suspends
    /// a green thread, blocks an OS thread. If a kill or a timeout ends the wait, the tick is not used up.
    ///
    /// # Examples
    /// It returns the time for which it was due, not the one at which it came:
    /// ```
    /// use greenthread::thread::Interval;
    /// use std::time::{Duration, Instant};
    ///
    /// let begin = Instant::now();
    /// let period = Duration::from_millis(1);
    /// let mut interval = Interval::new(period).starting_at(begin + period);
    /// assert_eq!(interval.tick(), begin + period);
    /// assert!(Instant::now() >= begin + period);
    /// ```
    pub fn tick(&mut self) -> Instant {
        let due = loop {
            Deadline::wait(self.next.map_or(Deadline::NEVER, Deadline::at));
            if let Some(due) = self.next {
                break due;
            }
        };
        self.next = self.after(due, clock::now());
        due
    }

    /// When the next tick comes after the one that was due at `due` and has been taken at `now`.
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

    /// Moves the next tick to a whole period from now, and all later ticks with it. (Go's `Ticker.Reset`.)
    ///
    /// # Examples
    /// A heartbeat is needed only where nothing else has been sent for a while:
    /// ```
    /// use greenthread::thread::Interval;
    /// use std::time::{Duration, Instant};
    ///
    /// let mut heartbeat = Interval::new(Duration::from_millis(2));
    /// let sent = Instant::now(); // something else
    /// heartbeat.reset();
    /// assert!(heartbeat.tick() >= sent + Duration::from_millis(2));
    /// ```
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
