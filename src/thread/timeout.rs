//! Bounding how long something may take, and keeping something from being cut short.
#![forbid(unsafe_code)]

use crate::coroutine::{self, enter_no_switch_region};
use crate::runtime::park;
use crate::runtime::task::{Expired, Limit, TaskRef};
use crate::sys::clock;
use std::any::Any;
use std::fmt;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The error of [`timeout`], and of waits with a limit of their own: the time ran out. With `panic = "abort"`, where nothing can
/// be unwound, [`timeout`] refuses with this error to run anything.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// fn ask() -> std::io::Result<u32> {
///     // `?` makes an `io::Error` of it.
///     let answer = greenthread::timeout(Duration::from_millis(1), || {
///         greenthread::thread::park();
///         42
///     })?;
///     Ok(answer)
/// }
/// assert_eq!(ask().unwrap_err().kind(), std::io::ErrorKind::TimedOut);
/// ```
#[doc(alias("TimeoutError", "DeadlineExceeded"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// Whether the time has passed. It has not if `timeout` did not run the body, as it could not end it.
    waited: bool,
}

impl Elapsed {
    /// The error of waits with a limit of their own, which can end without unwinding.
    pub(crate) const OVER: Self = Self { waited: true };
    const OF_TIMEOUT: Self = Self { waited: CAN_END };
}

/// Whether a body that runs can be ended before it returns.
const CAN_END: bool = cfg!(panic = "unwind");

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.waited {
            "the timeout elapsed"
        } else {
            "no timeouts with panic = \"abort\": nothing can be unwound"
        })
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        let kind = if elapsed.waited { ErrorKind::TimedOut } else { ErrorKind::Unsupported };
        Self::new(kind, elapsed)
    }
}

/// Runs `body` for at most `duration`, as `gevent.Timeout`, `asyncio.wait_for` and `tokio::time::timeout`: when the time is
/// over, the wait that the caller is in, or its next one, unwinds out of `body`. Destructors run on the way, locks are not
/// poisoned, and the panic hook stays silent. Suspends only where `body` does.
///
/// Code that does not wait is not interrupted, so `Ok` may also come after the time is over; a `duration` of zero ends `body`
/// at its first wait. Of nested timeouts, the one whose time is over ends, and each returns an error for its own time only.
/// A generator or greenlet that began outside of the call must not be switched to from inside: that panics. It works on a
/// plain OS thread too, for waits of this library.
///
/// # Errors
/// [`Elapsed`] if the time ran out; converted to an `io::Error` its kind is `TimedOut`.
///
/// With `panic = "abort"` nothing can be unwound. Rather than let `body` run for longer than was asked for, `timeout` does not
/// run it at all, and returns an [`Elapsed`] that says why; as an `io::Error` its kind is `Unsupported`. A `duration` that is
/// beyond what the clock can tell, such as [`Duration::MAX`], is no limit, and `body` runs.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// let quick = greenthread::timeout(Duration::from_secs(60), || "done");
/// assert_eq!(quick, Ok("done"));
/// let slow = greenthread::timeout(Duration::from_millis(1), || greenthread::sleep(Duration::from_secs(60)));
/// assert!(slow.is_err());
/// ```
#[doc(alias("wait_for", "with_timeout", "fail_after", "Timeout", "WithTimeout", "move_on_after"))]
pub fn timeout<F, T>(duration: Duration, body: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    // A time beyond what the clock can represent is no limit.
    run_until(clock::now().checked_add(duration), body)
}

/// As [`timeout`](timeout()), up to a point in time; see also [`Deadline`](super::Deadline). (Python's `asyncio.timeout_at`.)
/// Suspends only where `body` does.
///
/// # Errors
/// [`Elapsed`] if the time came before `body` had finished; and with `panic = "abort"`, as [`timeout`](timeout()).
///
/// # Examples
/// ```
/// use std::time::Instant;
/// let result = greenthread::thread::timeout_at(Instant::now(), greenthread::yield_now);
/// assert!(result.is_err());
/// ```
pub fn timeout_at<F, T>(deadline: Instant, body: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    run_until(Some(deadline), body)
}

/// Like [`timeout_at`]; `None` is no limit.
pub(super) fn run_until<F, T>(deadline: Option<Instant>, body: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T,
{
    if deadline.is_none() {
        return Ok(body());
    }
    if !CAN_END {
        return Err(Elapsed::OF_TIMEOUT);
    }
    match run_limited(deadline, new_limit_id(), body) {
        Limited::Done(value) => Ok(value),
        Limited::Expired => Err(Elapsed::OF_TIMEOUT),
        Limited::Unwound(payload) => resume_unwind(payload),
    }
}

/// How a body ended that ran inside a limit.
pub(super) enum Limited<T> {
    Done(T),
    /// This limit has ended it.
    Expired,
    /// A panic, a kill or another limit has ended it.
    Unwound(Box<dyn Any + Send>),
}

/// A number that no other limit has.
pub(super) fn new_limit_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Runs `body` inside a limit.
pub(super) fn run_limited<T>(
    deadline: Option<Instant>,
    id: u64,
    body: impl FnOnce() -> T,
) -> Limited<T> {
    if !CAN_END {
        return Limited::Done(body());
    }
    let task = park::own_task();
    let region = enter_no_switch_region();
    task.push_limit(Limit::new(deadline, id, coroutine::unwinds()));
    let result = catch_unwind(AssertUnwindSafe(body));
    task.pop_limit();
    drop(region);
    match result {
        Ok(value) => Limited::Done(value),
        Err(payload) => match payload.downcast_ref::<Expired>() {
            Some(expired) if expired.id == id => Limited::Expired,
            _ => Limited::Unwound(payload),
        },
    }
}

/// Runs `body` so that neither a kill nor a [`timeout`], not even one inside `body`, nor the failure of a task of a
/// [`group`](super::group()), ends a wait inside it; those that are still open unwind at the first wait after it
/// instead. It is for what must not be cut in two, such as a message that is sent in several writes. As
/// `asyncio.shield` and trio's shielded cancel scopes. Suspends only where `body` does.
///
/// A generator or greenlet that began outside of the call must not be switched to from inside: that panics.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// let result = greenthread::timeout(Duration::from_millis(1), || {
///     greenthread::shield(|| greenthread::sleep(Duration::from_millis(5)));
///     "the time is over, but nothing waited outside the shield"
/// });
/// assert!(result.is_ok());
/// ```
#[doc(alias("uncancellable", "CancelScope"))]
pub fn shield<F, T>(body: F) -> T
where
    F: FnOnce() -> T,
{
    struct Leave(TaskRef);
    impl Drop for Leave {
        fn drop(&mut self) {
            self.0.leave_shield();
        }
    }
    let task = park::own_task();
    let _region = enter_no_switch_region();
    task.enter_shield();
    let _leave = Leave(task);
    body()
}
