//! A point in time that bounds several operations.
#![forbid(unsafe_code)]

use super::timeout::run_until;
use super::{Elapsed, sleep_until};
use std::time::{Duration, Instant};

/// A point in time by which several operations together are to be over, however long each takes. (Go's
/// `context.WithDeadline`, trio's cancel scopes with a shared deadline.)
///
/// # Examples
/// ```
/// use greenthread::{sleep, thread::Deadline};
/// use std::time::Duration;
/// let deadline = Deadline::after(Duration::from_millis(20));
/// deadline.run(|| sleep(Duration::from_millis(1)))?;
/// assert!(deadline.remaining() <= Duration::from_millis(19));
/// let rest = deadline.run(|| sleep(Duration::from_secs(60)));
/// assert!(rest.is_err() && deadline.has_passed());
/// # Ok::<(), greenthread::Elapsed>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// It never comes.
    pub const NEVER: Self = Self(None);

    /// `duration` from now; [`NEVER`](Self::NEVER) where that is beyond what the clock can tell.
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now().checked_add(duration))
    }

    /// At `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(Some(instant))
    }

    /// When it comes; `None` for never.
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// What is left until then: zero once it has passed, [`Duration::MAX`] for never.
    pub fn remaining(self) -> Duration {
        self.0.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether it has come.
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|at| at <= Instant::now())
    }

    /// Runs `body` until then at most, see [`timeout`](crate::timeout()); where the deadline has passed, to its first wait.
    ///
    /// # Errors
    /// [`Elapsed`] if the deadline came before `body` had finished.
    pub fn run<F, T>(self, body: F) -> Result<T, Elapsed>
    where
        F: FnOnce() -> T,
    {
        run_until(self.0, body)
    }

    /// Suspends the calling green thread until then; blocks an OS thread. For ever, where it never comes.
    pub fn wait(self) {
        match self.0 {
            Some(at) => sleep_until(at),
            None => super::sleep(Duration::MAX),
        }
    }
}

impl From<Instant> for Deadline {
    fn from(instant: Instant) -> Self {
        Self::at(instant)
    }
}
