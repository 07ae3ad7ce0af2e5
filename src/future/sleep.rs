//! Sleeping in `async` code.
#![forbid(unsafe_code)]

use crate::runtime::waker::FutureParker;
use crate::sys::clock;
use crate::sys::time::deadline_after;
use crate::thread::Alarm;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// As [`sleep`](crate::sleep), to be awaited. It uses the timers of the worker on which it is first polled, or, if that is on another
/// thread, those of a worker of the global runtime. Where that runtime ends first, it is polled again and goes on with those of
/// another. As `tokio::time::sleep`, without tokio.
///
/// # Examples
/// ```
/// use greenthread::future;
/// use std::time::{Duration, Instant};
///
/// let begin = Instant::now();
/// future::block_on(future::sleep(Duration::from_millis(2)));
/// assert!(begin.elapsed() >= Duration::from_millis(2));
/// ```
pub fn sleep(duration: Duration) -> Sleeping {
    Sleeping { until: deadline_after(duration), wait: None }
}

/// As [`sleep()`](sleep), but up to a point in time.
///
/// # Examples
/// ```
/// use greenthread::future::{block_on, sleep_until};
/// use std::time::{Duration, Instant};
///
/// let due = Instant::now() + Duration::from_millis(1);
/// block_on(async {
///     sleep_until(due).await;
///     assert!(Instant::now() >= due);
/// });
/// ```
pub fn sleep_until(deadline: Instant) -> Sleeping {
    Sleeping { until: Some(deadline), wait: None }
}

/// The future of [`sleep()`](sleep) and [`sleep_until`].
#[must_use = "it does nothing unless it is awaited"]
pub struct Sleeping {
    /// When it ends; `None` if the clock cannot represent that.
    until: Option<Instant>,
    wait: Option<(FutureParker, Alarm)>,
}

impl Future for Sleeping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.until else { return Poll::Pending };
        loop {
            if let Some((listener, _)) = &self.wait {
                ready!(listener.poll(context));
            }
            // An alarm may ring early.
            self.wait = None;
            if until <= clock::now() {
                return Poll::Ready(());
            }
            let listener = FutureParker::new();
            let waiter = listener.waiter();
            let alarm = Alarm::set(until, move || waiter.unpark());
            let alarm = alarm.expect("failed to spawn a green thread");
            self.wait = Some((listener, alarm));
        }
    }
}

impl fmt::Debug for Sleeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleeping").field("until", &self.until).finish_non_exhaustive()
    }
}
