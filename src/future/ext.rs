//! Methods for every future.
#![forbid(unsafe_code)]

use super::block_on::{block_on, block_until};
use crate::sys::time::deadline_after;
use crate::thread::Elapsed;
use std::time::{Duration, Instant};

/// Methods that wait, for everything that can be awaited. They suspend a green thread and block an OS thread.
///
/// # Examples
/// ```
/// use greenthread::future::FutureExt as _;
/// use std::time::Duration;
///
/// assert_eq!(async { 6 * 7 }.wait(), 42);
/// let never = std::future::pending::<()>();
/// assert!(never.wait_timeout(Duration::from_millis(5)).is_err());
/// ```
pub trait FutureExt: IntoFuture + Sized {
    /// Waits for the output, as `.await` does in `async` code. [`block_on`] says more.
    #[inline(always)]
    fn wait(self) -> Self::Output {
        block_on(self)
    }

    /// As [`wait`](Self::wait), for at most `timeout`. An output that is there without waiting is never too late.
    ///
    /// Called on a future itself, it drops the future when the time is over. Called on `&mut future`, or on a future that is
    /// [pinned](std::pin::pin), it leaves the future as it is, to be waited for again.
    ///
    /// # Errors
    /// [`Elapsed`] if the time ran out.
    ///
    /// # Examples
    /// ```
    /// use greenthread::future::FutureExt as _;
    /// use std::pin::pin;
    /// use std::task::Poll;
    /// use std::time::Duration;
    ///
    /// let mut polls = 0;
    /// let mut third_time_lucky = pin!(std::future::poll_fn(|context| {
    ///     polls += 1;
    ///     if polls == 2 {
    ///         context.waker().wake_by_ref();
    ///     }
    ///     if polls < 3 { Poll::Pending } else { Poll::Ready("at last") }
    /// }));
    /// assert!(third_time_lucky.as_mut().wait_timeout(Duration::from_millis(1)).is_err());
    /// assert_eq!(third_time_lucky.wait(), "at last");
    /// ```
    fn wait_timeout(self, timeout: Duration) -> Result<Self::Output, Elapsed> {
        block_until(deadline_after(timeout), self).ok_or(Elapsed::OVER)
    }

    /// As [`wait_timeout`](Self::wait_timeout), but up to a point in time.
    ///
    /// # Errors
    /// [`Elapsed`] if the time came first.
    fn wait_deadline(self, deadline: Instant) -> Result<Self::Output, Elapsed> {
        block_until(Some(deadline), self).ok_or(Elapsed::OVER)
    }
}

impl<F: IntoFuture> FutureExt for F {}
