//! What an executor gives for a task.
#![forbid(unsafe_code)]

use super::error::ExecutionError;
use super::shared::{Phase, Shared, call_back};
use crate::runtime::park;
use crate::sys::time::deadline_after;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A task that was handed to an [`Executor`](super::Executor), and its outcome when it has one. As Python's
/// `concurrent.futures.Future`; it has nothing to do with [`std::future::Future`].
///
/// The outcome can be asked for again and again, by several threads at once. What waits suspends a green thread and blocks
/// an OS thread. Dropping the future lets the task run on its own; a panic of it has been printed by the panic hook then, and
/// nobody else hears of it.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, ThreadPool};
/// let pool = ThreadPool::new(2)?;
/// let future = pool.submit(|| (1..=10u64).product::<u64>())?;
/// assert_eq!(future.result()?, &3_628_800);
/// assert!(future.done());
/// assert_eq!(future.into_result()?, 3_628_800);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Future<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Future<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Arc<Shared<T>> {
        &self.shared
    }

    /// Waits for the end of the task and returns its value. Suspends a green thread, blocks an OS thread.
    ///
    /// A task that waits for a later one of the same executor, all of whose workers do so, waits for ever.
    ///
    /// # Errors
    /// Where there is no value: the task panicked, was cancelled or killed, or could not run.
    pub fn result(&self) -> Result<&T, ExecutionError> {
        match self.shared.wait_outcome(None) {
            Some(outcome) => outcome,
            // Without a deadline a wait ends with an outcome.
            None => Err(ExecutionError::timed_out()),
        }
    }

    /// As [`result`](Self::result), for at most `timeout`; `None` if the task has not ended by then.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    /// use std::time::Duration;
    /// let future = GreenExecutor::new().submit(greenthread::thread::park)?;
    /// assert!(future.result_timeout(Duration::from_millis(1)).is_none());
    /// // One that has not begun would be cancelled, not killed.
    /// while !future.running() {
    ///     std::thread::yield_now();
    /// }
    /// future.kill();
    /// assert!(future.result_timeout(Duration::from_secs(60)).unwrap().unwrap_err().is_killed());
    /// # Ok::<(), greenthread::executor::SubmitError>(())
    /// ```
    pub fn result_timeout(&self, timeout: Duration) -> Option<Result<&T, ExecutionError>> {
        self.shared.wait_outcome(deadline_after(timeout))
    }

    /// As [`result_timeout`](Self::result_timeout), to a point in time.
    pub fn result_deadline(&self, deadline: Instant) -> Option<Result<&T, ExecutionError>> {
        self.shared.wait_outcome(Some(deadline))
    }

    /// As [`result`](Self::result), if the task has ended. Does not suspend.
    pub fn try_result(&self) -> Option<Result<&T, ExecutionError>> {
        let outcome = self.shared.outcome()?;
        Some(outcome.as_ref().map_err(ExecutionError::clone))
    }

    /// As [`result`](Self::result), for who wants to have the value. Waits for callbacks too, since they may be looking at it.
    ///
    /// # Errors
    /// As for [`result`](Self::result).
    pub fn into_result(self) -> Result<T, ExecutionError> {
        self.result()?;
        let mut shared = self.shared;
        let mut is_released = false;
        loop {
            if let Some(own) = Arc::get_mut(&mut shared) {
                return own.take_outcome().unwrap_or_else(|| Err(ExecutionError::forked()));
            }
            // A copy of who ran it in the parent never lets go here.
            if shared.is_parents() {
                return Err(ExecutionError::forked());
            }
            if is_released {
                // Who ran it is between its last look and its letting go.
                park::give_way();
            } else {
                shared.wait_released();
                is_released = true;
            }
        }
    }

    /// As [`into_result`](Self::into_result), up to `deadline` if there is one.
    pub(super) fn into_result_until(
        self,
        deadline: Option<Instant>,
    ) -> Result<Result<T, ExecutionError>, Self> {
        match self.shared.wait_outcome(deadline) {
            Some(_) => Ok(self.into_result()),
            None => Err(self),
        }
    }

    /// Waits for the end of the task and returns why there is no value, if there is none. (Python's `exception`.)
    pub fn exception(&self) -> Option<ExecutionError> {
        self.result().err()
    }

    /// As [`exception`](Self::exception), for at most `timeout`; `None` if the task has not ended by then.
    pub fn exception_timeout(&self, timeout: Duration) -> Option<Option<ExecutionError>> {
        Some(self.result_timeout(timeout)?.err())
    }

    /// Whether the task has ended, or was cancelled. Does not suspend.
    pub fn done(&self) -> bool {
        self.shared.outcome().is_some()
    }

    /// Whether the task runs at this moment.
    pub fn running(&self) -> bool {
        self.shared.phase() == Some(Phase::Running)
    }

    /// Whether the task was cancelled before it began.
    pub fn cancelled(&self) -> bool {
        matches!(self.shared.outcome(), Some(Err(error)) if error.is_cancelled())
    }

    /// Cancels the task if it has not begun; says whether it did, or had been cancelled before. One that runs goes on, see
    /// [`kill`](Self::kill). Callbacks run here, in the caller.
    ///
    /// What the task would have used is dropped when a worker comes to it.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{executor::{Executor, GreenExecutor}, sync::{Arc, Event}};
    /// let one_at_a_time = GreenExecutor::builder().max_workers(1).build()?;
    /// let go = Arc::new(Event::new());
    /// let first = one_at_a_time.submit({ let go = go.clone(); move || go.wait() })?;
    /// let second = one_at_a_time.submit(|| unreachable!())?;
    /// assert!(second.cancel() && second.cancelled());
    /// go.set();
    /// first.result()?;
    /// assert!(!first.cancel(), "it has ended");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.shared.cancel() || self.cancelled()
    }

    /// Ends the task also where it runs: a green thread as [`JoinHandle::kill`](crate::JoinHandle::kill) does, a process by a
    /// signal. `false`, with nothing done, where it has ended, and where an OS thread runs it, which nothing can end from
    /// outside. Does not wait for the end.
    pub fn kill(&self) -> bool {
        self.shared.kill()
    }

    /// Has `f` called with this future when the task has ended, however that comes about; at once, in the caller, if it has.
    /// As Python's `add_done_callback`.
    ///
    /// Callbacks run in the order in which they were added, where the task has run, when [`result`](Self::result) is there. One that panics keeps no
    /// other from running; what it panicked with goes to the [uncaught hook](crate::thread::set_uncaught_hook).
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, ThreadPool};
    /// use std::sync::mpsc::channel;
    /// let (send, receive) = channel();
    /// let pool = ThreadPool::new(1)?;
    /// let future = pool.submit(|| 6 * 7)?;
    /// future.add_done_callback(move |future| send.send(*future.result().unwrap()).unwrap());
    /// assert_eq!(receive.recv(), Ok(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_done_callback(&self, f: impl FnOnce(&Self) + Send + 'static) {
        if let Some(callback) = self.shared.add_callback(Box::new(f)) {
            call_back(callback, self);
        }
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.shared.outcome(), self.shared.phase()) {
            (Some(Ok(_)), _) => f.write_str("Future(finished: a value)"),
            (Some(Err(error)), _) if error.is_cancelled() => f.write_str("Future(cancelled)"),
            (Some(Err(error)), _) => write!(f, "Future(finished: {error})"),
            (None, Some(Phase::Running)) => f.write_str("Future(running)"),
            (None, Some(_)) => f.write_str("Future(pending)"),
            (None, None) => f.write_str("Future(of the parent process)"),
        }
    }
}
