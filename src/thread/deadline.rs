//! A point in time that bounds several operations.
#![forbid(unsafe_code)]

use super::timeout::run_until;
use super::{Elapsed, sleep_until};
use crate::sys::clock;
use std::cmp::Ordering;
use std::time::{Duration, Instant};

/// A point in time that bounds several operations together, however long each of them takes. (Go's `context.WithDeadline`, trio's
/// cancel scopes with a shared deadline.)
///
/// Deadlines are ordered by when they come, so `min` is the one that comes first.
///
/// # Examples
/// ```
/// use greenthread::{sleep, thread::Deadline};
/// use std::time::Duration;
/// let deadline = Deadline::after(Duration::from_secs(60));
/// deadline.run(|| sleep(Duration::from_millis(1)))?;
/// assert!(deadline.remaining() <= Duration::from_millis(59_999));
///
/// let soon = Deadline::after(Duration::from_millis(5));
/// let rest = soon.run(|| sleep(Duration::from_secs(60)));
/// assert!(rest.is_err() && soon.has_passed());
/// assert_eq!(soon.min(Deadline::NEVER), soon);
/// # Ok::<(), greenthread::Elapsed>(())
/// ```
#[doc(alias("WithDeadline", "CancelScope"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// A deadline that never comes.
    pub const NEVER: Self = Self(None);

    /// A deadline `duration` from now; [`NEVER`](Self::NEVER) if that is beyond what the clock can tell.
    ///
    /// # Examples
    /// One limit for all steps together:
    /// ```
    /// use greenthread::{sleep, thread::Deadline};
    /// use std::time::Duration;
    ///
    /// let deadline = Deadline::after(Duration::from_millis(5));
    /// let steps = (0..1000).map(|_| deadline.run(|| sleep(Duration::from_millis(1))));
    /// let done = steps.take_while(|step| step.is_ok()).count();
    /// assert!(done < 1000 && deadline.has_passed());
    /// ```
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(clock::now().checked_add(duration))
    }

    /// A deadline at `instant`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::thread::Deadline;
    /// use std::time::{Duration, Instant};
    ///
    /// let midnight = Instant::now() + Duration::from_secs(3600);
    /// let deadline = Deadline::at(midnight);
    /// assert_eq!(deadline.instant(), Some(midnight));
    /// // Whatever else limits it: the first of them counts.
    /// assert_eq!(deadline.min(Deadline::NEVER), deadline);
    /// ```
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// When the deadline comes; `None` for [`NEVER`](Self::NEVER).
    #[must_use]
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// The time that is left: zero once the deadline has passed, [`Duration::MAX`] for [`NEVER`](Self::NEVER).
    ///
    /// # Examples
    /// For calls that take a duration:
    /// ```
    /// use greenthread::{sync::mpsc::channel, thread::Deadline};
    /// use std::time::Duration;
    ///
    /// let deadline = Deadline::after(Duration::from_millis(2));
    /// let (_sender, receiver) = channel::<u32>();
    /// assert!(receiver.recv_timeout(deadline.remaining()).is_err());
    /// assert_eq!(deadline.remaining(), Duration::ZERO);
    /// assert_eq!(Deadline::NEVER.remaining(), Duration::MAX);
    /// ```
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.map_or(Duration::MAX, |at| at.saturating_duration_since(clock::now()))
    }

    /// Whether the deadline has come.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|at| at <= clock::now())
    }

    /// Runs `body` until the deadline at most, as [`timeout`](crate::timeout()) does; if the deadline has passed, `body` runs up
    /// to its first wait.
    ///
    /// # Errors
    /// [`Elapsed`] if the deadline came before `body` had finished; and with `panic = "abort"`, as
    /// [`timeout`](crate::timeout()).
    ///
    /// # Examples
    /// ```
    /// use greenthread::{sleep, thread::Deadline};
    /// use std::time::Duration;
    ///
    /// assert_eq!(Deadline::after(Duration::from_secs(60)).run(|| "in time"), Ok("in time"));
    /// let soon = Deadline::after(Duration::from_millis(1));
    /// assert!(soon.run(|| sleep(Duration::from_secs(60))).is_err());
    /// ```
    pub fn run<F, T>(self, body: F) -> Result<T, Elapsed>
    where
        F: FnOnce() -> T,
    {
        run_until(self.0, body)
    }

    /// Waits until the deadline comes; for ever, if it never does. Suspends a green thread, blocks an OS thread.
    ///
    /// # Examples
    /// ```
    /// use greenthread::thread::Deadline;
    /// let deadline = Deadline::after(std::time::Duration::from_millis(1));
    /// deadline.wait();
    /// assert!(deadline.has_passed() && deadline.remaining().is_zero());
    /// assert!(!Deadline::NEVER.has_passed());
    /// ```
    pub fn wait(self) {
        match self.0 {
            Some(at) => sleep_until(at),
            None => super::sleep(Duration::MAX),
        }
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Some(one), Some(other)) => one.cmp(&other),
            // A deadline that never comes is the last one.
            (one, other) => other.is_some().cmp(&one.is_some()),
        }
    }
}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Instant> for Deadline {
    fn from(instant: Instant) -> Self {
        Self::at(instant)
    }
}
