//! Blocking code as a future.
#![forbid(unsafe_code)]

use super::join::Joining;
use crate::runtime::task::{Cause, Who};
use crate::thread::{Builder, JoinError, JoinHandle};
use crate::util::dropping::Held;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs straight-line code on a green thread of its own, for `async` code to await.
///
/// As with an `async` block, nothing happens before the first poll, and dropping the future before it is ready ends the code: the green
/// thread is killed, without waiting for its end. (A plain [`spawn`](crate::spawn), whose handle can be awaited too, goes on
/// regardless.) The code runs on the runtime of the green thread that polls first, or on the global one if the poll is elsewhere; the
/// executor's OS thread goes on meanwhile. It is used as `tokio::task::spawn_blocking` is, without an OS thread for each call.
///
/// # Errors
/// The output is that of [`join`](JoinHandle::join): an error if the code panics or is killed, or could not run.
///
/// # Examples
/// ```
/// use greenthread::future::{block_on, green};
/// use std::time::Duration;
///
/// let answer = async {
///     let slept = green(|| {
///         greenthread::sleep(Duration::from_millis(1));
///         6
///     });
///     slept.await.unwrap() * 7
/// };
/// assert_eq!(block_on(answer), 42);
/// ```
pub fn green<F, T>(code: F) -> Green<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Green(GreenState::New(Held::new(Some(code))))
}

/// The future of [`green`].
#[must_use = "it does nothing unless it is awaited"]
pub struct Green<F, T>(GreenState<F, T>);

enum GreenState<F, T> {
    New(Held<Option<F>>),
    Running(Joining<JoinHandle<T>>),
}

// None of its contents is pinned.
impl<F, T> Unpin for Green<F, T> {}

impl<F, T> Future for Green<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = Result<T, JoinError>;

    /// # Panics
    /// If it has been ready before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let GreenState::New(code) = &mut self.0 {
            let Some(code) = code.take() else {
                panic!("a future of `green` was polled after it was ready")
            };
            match Builder::new().spawn(code) {
                Ok(handle) => self.0 = GreenState::Running(handle.into_future().kill_on_drop()),
                Err(error) => {
                    return Poll::Ready(Err(JoinError::new(Cause::Io(error), Who::Unknown)));
                }
            }
        }
        match &mut self.0 {
            GreenState::Running(joining) => Pin::new(joining).poll(context),
            GreenState::New(_) => unreachable!("it has begun"),
        }
    }
}

impl<F, T> fmt::Debug for Green<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Green").finish_non_exhaustive()
    }
}
