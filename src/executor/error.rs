//! The errors of tasks, and of handing them in.
#![forbid(unsafe_code)]

use crate::runtime::task::is_interruption;
use crate::sys::process;
use crate::util::dropping::Held;
use crate::util::lock::Mutex;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;

/// Why a task has no value: it panicked, was cancelled or killed, or its executor could not run it.
///
/// Clones are handles to one error: everybody who asks the same [`Future`](super::Future) gets the same answer.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor};
/// let executor = GreenExecutor::new();
/// let future = executor.submit(|| -> u32 { panic!("no luck") })?;
/// let error = future.result().unwrap_err();
/// assert!(error.is_panic() && !error.is_cancelled());
/// assert_eq!(error.to_string(), "the task panicked: no luck");
/// # Ok::<(), greenthread::executor::SubmitError>(())
/// ```
#[derive(Clone)]
pub struct ExecutionError(Arc<ExecutionCause>);

pub(super) enum ExecutionCause {
    Panic {
        text: String,
        payload: Mutex<Held<Option<Box<dyn Any + Send>>>>,
    },
    Cancelled,
    Killed,
    TimedOut,
    Broken(String),
    /// The process that ran it has ended.
    #[allow(dead_code, reason = "other processes alone end so")]
    Died(ExitStatus),
    /// Its argument or its result could not be passed between processes.
    #[allow(dead_code, reason = "other processes alone end so")]
    NotPassed(String),
    Io(io::Error),
}

impl ExecutionError {
    pub(super) fn new(cause: ExecutionCause) -> Self {
        Self(Arc::new(cause))
    }

    pub(super) fn cancelled() -> Self {
        Self::new(ExecutionCause::Cancelled)
    }

    pub(super) fn killed() -> Self {
        Self::new(ExecutionCause::Killed)
    }

    pub(super) fn timed_out() -> Self {
        Self::new(ExecutionCause::TimedOut)
    }

    pub(super) fn broken(reason: &str) -> Self {
        Self::new(ExecutionCause::Broken(reason.into()))
    }

    pub(super) fn io(error: io::Error) -> Self {
        Self::new(ExecutionCause::Io(error))
    }

    /// The error of a task that belongs to the process from which this one was forked.
    pub(super) fn forked() -> Self {
        Self::io(process::belongs_to_parent("the task"))
    }

    /// The error of a task that has unwound, by a panic or by a kill.
    pub(super) fn from_payload(payload: Box<dyn Any + Send>) -> Self {
        if is_interruption(&*payload) {
            return Self::killed();
        }
        let text = panic_text(&*payload);
        Self::new(ExecutionCause::Panic { text, payload: Mutex::new(Held::new(Some(payload))) })
    }

    /// Whether the task panicked.
    ///
    /// # Examples
    /// Each of these tells of one reason: [`is_cancelled`](Self::is_cancelled), [`is_killed`](Self::is_killed),
    /// [`is_timeout`](Self::is_timeout), [`is_broken`](Self::is_broken), [`exit_status`](Self::exit_status),
    /// [`is_not_passed`](Self::is_not_passed) and [`io_error`](Self::io_error).
    /// ```
    /// use greenthread::executor::{ExecutionError, Executor, GreenExecutor};
    ///
    /// fn why(error: &ExecutionError) -> &'static str {
    ///     match () {
    ///         () if error.is_panic() => "it panicked",
    ///         () if error.is_cancelled() || error.is_killed() => "it was called off",
    ///         () if error.is_timeout() => "it took too long",
    ///         () if error.io_error().is_some() => "the system had no room for it",
    ///         () => "something else",
    ///     }
    /// }
    /// let future = GreenExecutor::new().submit(|| panic!("no luck"))?;
    /// assert_eq!(why(&future.result().unwrap_err()), "it panicked");
    /// # Ok::<(), greenthread::executor::SubmitError>(())
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(*self.0, ExecutionCause::Panic { .. })
    }

    /// Whether the task was cancelled before it began, by [`Future::cancel`](super::Future::cancel) or by the
    /// [shutdown](super::Executor::shutdown) of its executor.
    ///
    /// # Examples
    /// To tell what was called off from what went wrong:
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    ///
    /// let one_at_a_time = GreenExecutor::builder().max_workers(1).build()?;
    /// let first = one_at_a_time.submit(greenthread::thread::park)?;
    /// let second = one_at_a_time.submit(|| ())?;
    /// one_at_a_time.shutdown(false, true);
    /// let error = second.result().unwrap_err();
    /// assert!(error.is_cancelled() && !error.is_killed() && !error.is_panic());
    /// # first.kill();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.0, ExecutionCause::Cancelled)
    }

    /// Whether the task was killed while it ran, by [`Future::kill`](super::Future::kill) or by the end of the runtime that
    /// ran it.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        matches!(*self.0, ExecutionCause::Killed)
    }

    /// Whether the time of a [`map`](super::Map::timeout) ran out. The task may still run.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(*self.0, ExecutionCause::TimedOut)
    }

    /// Whether the executor is broken, as an initializer has failed. As Python's `BrokenExecutor`.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(*self.0, ExecutionCause::Broken(_))
    }

    /// How the process ended that ran the task, if that is why there is no value: it was killed, it crashed, or it
    /// called `exit`.
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        match *self.0 {
            ExecutionCause::Died(status) => Some(status),
            _ => None,
        }
    }

    /// Whether the argument could not be passed to another process, or the result not back: it cannot be encoded or
    /// decoded, or it is too large.
    #[must_use]
    pub fn is_not_passed(&self) -> bool {
        matches!(*self.0, ExecutionCause::NotPassed(_))
    }

    /// The system's error, if that is why the task did not run: for example, there was no room for a stack or a thread.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        match &*self.0 {
            ExecutionCause::Io(error) => Some(error),
            _ => None,
        }
    }

    /// The payload of the panic, for [`std::panic::resume_unwind`]. There is one payload, so only the first call gets
    /// it, by whatever clone. A panic in another process has none.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    /// let future = GreenExecutor::new().submit(|| panic!("no luck"))?;
    /// let payload = future.result().unwrap_err().take_panic().unwrap();
    /// assert_eq!(*payload.downcast::<&str>().unwrap(), "no luck");
    /// assert!(future.result().unwrap_err().take_panic().is_none());
    /// # Ok::<(), greenthread::executor::SubmitError>(())
    /// ```
    pub fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        match &*self.0 {
            ExecutionCause::Panic { payload, .. } => payload.lock().take(),
            _ => None,
        }
    }
}

/// The message of a panic, if it was text.
pub(super) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("Box<dyn Any>")
        .into()
}

impl fmt::Display for ExecutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            ExecutionCause::Panic { text, .. } => write!(f, "the task panicked: {text}"),
            ExecutionCause::Cancelled => f.write_str("the task was cancelled before it began"),
            ExecutionCause::Killed => f.write_str("the task was killed"),
            ExecutionCause::TimedOut => f.write_str("the task did not end in time"),
            ExecutionCause::Broken(reason) => write!(f, "the executor is broken: {reason}"),
            ExecutionCause::Died(status) => {
                write!(f, "the process that ran the task ended before its result: {status}")
            }
            ExecutionCause::NotPassed(why) => f.write_str(why),
            ExecutionCause::Io(error) => write!(f, "the task could not be run: {error}"),
        }
    }
}

impl fmt::Debug for ExecutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExecutionError({:?})", self.to_string())
    }
}

impl Error for ExecutionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.io_error().map(|error| error as _)
    }
}

impl From<ExecutionError> for io::Error {
    fn from(error: ExecutionError) -> Self {
        let kind = match &*error.0 {
            ExecutionCause::TimedOut => io::ErrorKind::TimedOut,
            ExecutionCause::Io(error) => error.kind(),
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl From<SubmitError> for ExecutionError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::ShutDown => Self::cancelled(),
            SubmitError::Broken(reason) => Self::broken(&reason),
            SubmitError::Io(error) => Self::io(error),
        }
    }
}

/// Why an executor did not take a task.
#[derive(Debug)]
#[non_exhaustive]
pub enum SubmitError {
    /// The executor has been [shut down](super::Executor::shutdown).
    ShutDown,
    /// An initializer has failed, for this reason.
    Broken(String),
    /// The system has no room for another thread; or the executor belongs to the process from which this one was
    /// forked.
    Io(io::Error),
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ShutDown => {
                f.write_str("the executor has been shut down and takes no more tasks")
            }
            Self::Broken(reason) => write!(f, "the executor is broken: {reason}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for SubmitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SubmitError> for io::Error {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Io(error) => error,
            other => Self::other(other),
        }
    }
}
