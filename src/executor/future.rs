//! A task that was handed in, and its outcome.
#![forbid(unsafe_code)]

use super::error::ExecutionError;
use super::shared::{SharedTask, TaskPhase, call_back};
use crate::runtime::park;
use crate::sys::time::deadline_after;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A task that was handed to an [`Executor`](super::Executor), and its outcome when it has one. As Python's
/// `concurrent.futures.Future`; it has nothing to do with [`std::future::Future`].
///
/// The outcome can be asked for again and again, by several threads at once. Methods that wait suspend a green thread
/// and block an OS thread. Dropping the future lets the task run on. If the task panics then, the panic hook prints it
/// as usual, and nobody else is told.
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
#[doc(alias = "promise")]
#[doc(alias = "AsyncResult")]
pub struct Future<T> {
    shared: Arc<SharedTask<T>>,
}

impl<T> Future<T> {
    pub(super) fn new(shared: Arc<SharedTask<T>>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Arc<SharedTask<T>> {
        &self.shared
    }

    /// Waits for the end of the task and returns its value. Suspends a green thread, blocks an OS thread.
    ///
    /// If this is called by a task, for a later one of the same executor, and all workers do the same, they wait for
    /// ever.
    ///
    /// # Errors
    /// There is no value: the task panicked, was cancelled or killed, or could not run. [`ExecutionError`] tells which.
    ///
    /// # Examples
    /// It can be asked by several threads, and again:
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    ///
    /// let future = GreenExecutor::new().submit(|| "a page".to_string())?;
    /// let lengths = greenthread::scope(|s| {
    ///     let readers = [(); 2].map(|()| s.spawn(|| future.result().map(String::len)));
    ///     readers.map(|reader| reader.join().unwrap().unwrap())
    /// });
    /// assert_eq!(lengths, [6, 6]);
    /// # Ok::<(), greenthread::executor::SubmitError>(())
    /// ```
    #[doc(alias = "get")]
    pub fn result(&self) -> Result<&T, ExecutionError> {
        match self.shared.wait_outcome(None) {
            Some(outcome) => outcome,
            // This never happens, as without a deadline the wait ends with an outcome.
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

    /// As [`result_timeout`](Self::result_timeout), until a point in time.
    pub fn result_deadline(&self, deadline: Instant) -> Option<Result<&T, ExecutionError>> {
        self.shared.wait_outcome(Some(deadline))
    }

    /// As [`result`](Self::result), if the task has ended; else `None`. Does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor, ReturnWhen, wait};
    /// let future = GreenExecutor::new().submit(|| 6 * 7)?;
    /// // `None` for as long as the task has not ended; here it has.
    /// wait([&future], ReturnWhen::AllCompleted);
    /// assert_eq!(future.try_result().unwrap().unwrap(), &42);
    /// # Ok::<(), greenthread::executor::SubmitError>(())
    /// ```
    pub fn try_result(&self) -> Option<Result<&T, ExecutionError>> {
        let outcome = self.shared.outcome()?;
        Some(outcome.as_ref().map_err(ExecutionError::clone))
    }

    /// As [`result`](Self::result), but returns the value itself. Also waits for callbacks, since they may be looking
    /// at the value.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    ///
    /// // A value that cannot be cloned is taken out.
    /// let future = GreenExecutor::new().submit(|| vec![1, 2, 3].into_boxed_slice())?;
    /// let numbers: Box<[i32]> = future.into_result()?;
    /// assert_eq!(*numbers, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_result(self) -> Result<T, ExecutionError> {
        self.result()?;
        let mut shared = self.shared;
        let mut is_released = false;
        loop {
            if let Some(own) = Arc::get_mut(&mut shared) {
                return own.take_outcome().unwrap_or_else(|| Err(ExecutionError::forked()));
            }
            // In a forked child, the reference of the one that ran it in the parent is never dropped.
            if shared.is_parents() {
                return Err(ExecutionError::forked());
            }
            if is_released {
                // The one that ran it has looked for the last time, and is about to drop its reference.
                park::give_way();
            } else {
                shared.wait_released();
                is_released = true;
            }
        }
    }

    /// Waits for the end of the task; returns the reason why it has no value, or `None` if it has one. As Python's
    /// `exception`. Suspends a green thread, blocks an OS thread.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    /// let executor = GreenExecutor::new();
    /// assert!(executor.submit(|| "a value")?.exception().is_none());
    /// assert!(executor.submit(|| panic!("no luck"))?.exception().unwrap().is_panic());
    /// # Ok::<(), greenthread::executor::SubmitError>(())
    /// ```
    #[must_use]
    pub fn exception(&self) -> Option<ExecutionError> {
        self.result().err()
    }

    /// As [`exception`](Self::exception), for at most `timeout`; the outer `None` means that the task has not ended by
    /// then.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    /// use std::time::Duration;
    ///
    /// let executor = GreenExecutor::new();
    /// let endless = executor.submit(greenthread::thread::park)?;
    /// assert!(endless.exception_timeout(Duration::from_millis(1)).is_none());
    /// let fine = executor.submit(|| ())?;
    /// assert!(fine.exception_timeout(Duration::from_secs(60)).unwrap().is_none());
    /// # endless.kill();
    /// # Ok::<(), greenthread::executor::SubmitError>(())
    /// ```
    #[must_use]
    pub fn exception_timeout(&self, timeout: Duration) -> Option<Option<ExecutionError>> {
        Some(self.result_timeout(timeout)?.err())
    }

    /// Whether the task has ended, or was cancelled. Does not suspend.
    ///
    /// # Examples
    /// See also [`running`](Self::running) and [`cancelled`](Self::cancelled).
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    ///
    /// let one_at_a_time = GreenExecutor::builder().max_workers(1).build()?;
    /// let first = one_at_a_time.submit(greenthread::thread::park)?;
    /// let second = one_at_a_time.submit(|| ())?;
    /// assert!(!second.done() && !second.running() && !second.cancelled());
    /// second.cancel();
    /// assert!(second.done() && second.cancelled());
    /// # first.kill();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn done(&self) -> bool {
        self.shared.outcome().is_some()
    }

    /// Whether the task is running at this moment. Does not suspend.
    #[must_use]
    pub fn running(&self) -> bool {
        self.shared.phase() == Some(TaskPhase::Running)
    }

    /// Whether the task was cancelled before it began. Does not suspend.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        matches!(self.shared.outcome(), Some(Err(error)) if error.is_cancelled())
    }

    /// Cancels the task if it has not begun. Returns whether it is cancelled, by this call or an earlier one. A task
    /// that runs goes on; see [`kill`](Self::kill). Does not suspend, except for callbacks, which run in the caller.
    ///
    /// The closure of the task is dropped later, when a worker comes to it.
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
    #[doc(alias = "abort")]
    pub fn cancel(&self) -> bool {
        self.shared.cancel() || self.cancelled()
    }

    /// Ends the task even if it runs: on a green thread as [`JoinHandle::kill`](crate::JoinHandle::kill) does, in a
    /// process by a signal. Returns whether there was something to end: `false` if the task has ended, or if an OS
    /// thread runs it, which nothing can end from outside. Does not wait for the end.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    /// use greenthread::sync::mpsc::channel;
    ///
    /// let (begun, has_begun) = channel();
    /// let future = GreenExecutor::new().submit(move || {
    ///     begun.send(()).unwrap();
    ///     greenthread::thread::park()
    /// })?;
    /// has_begun.recv().unwrap();
    /// assert!(future.kill());
    /// assert!(future.result().unwrap_err().is_killed());
    /// assert!(!future.kill(), "it has ended");
    /// # Ok::<(), greenthread::executor::SubmitError>(())
    /// ```
    #[doc(alias = "abort")]
    pub fn kill(&self) -> bool {
        self.shared.kill()
    }

    /// Has `f` called with this future when the task has ended, whatever its outcome; at once, in the caller, if it has
    /// ended already. As Python's `add_done_callback`.
    ///
    /// Callbacks run in the order in which they were added, on the thread that has run the task, when
    /// [`result`](Self::result) has its value. If one panics, the others run all the same; its panic goes to the
    /// [uncaught hook](crate::thread::set_uncaught_hook).
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
    #[doc(alias = "then")]
    #[doc(alias = "link")]
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
            (None, Some(TaskPhase::Running)) => f.write_str("Future(running)"),
            (None, Some(_)) => f.write_str("Future(pending)"),
            (None, None) => f.write_str("Future(of the parent process)"),
        }
    }
}
