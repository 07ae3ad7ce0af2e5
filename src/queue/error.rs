//! What can go wrong with a queue.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;

/// The error of [`put`](super::Queue::put): the queue has been shut down. It holds the item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PutError<T>(pub T);

/// Why an item was not put, with the item. Python's `queue.Full` and `queue.ShutDown`.
///
/// # Examples
/// ```
/// use greenthread::queue::{Queue, TryPutError};
/// let queue = Queue::with_capacity(1);
/// queue.put("first").unwrap();
/// assert_eq!(queue.try_put("second"), Err(TryPutError::Full("second")));
/// queue.shutdown();
/// let error = queue.try_put("second").unwrap_err();
/// assert_eq!(error, TryPutError::ShutDown("second"));
/// assert_eq!(error.into_inner(), "second");
/// ```
#[doc(alias("queue.Full"))]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryPutError<T> {
    /// The queue is full; or, for a wait with a limit, was full all the time.
    Full(T),
    /// The queue has been shut down.
    ShutDown(T),
}

/// The error of [`get`](super::Queue::get): the queue has been shut down, and nothing is left in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetError;

/// Why no item was taken. Python's `queue.Empty` and `queue.ShutDown`.
#[doc(alias("queue.Empty"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryGetError {
    /// The queue is empty; or, for a wait with a limit, was empty all the time.
    Empty,
    /// The queue has been shut down, and nothing is left in it.
    ShutDown,
}

/// The error of [`task_done`](super::Queue::task_done): it was called more often than items were put. Python's `ValueError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskDoneError;

impl<T> TryPutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::ShutDown(item) => item,
        }
    }
}

const SHUT_DOWN: &str = "the queue has been shut down";

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PutError(..)")
    }
}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::ShutDown(_) => "ShutDown(..)",
        })
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl<T> fmt::Display for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full",
            Self::ShutDown(_) => SHUT_DOWN,
        })
    }
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl fmt::Display for TryGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the queue is empty",
            Self::ShutDown => SHUT_DOWN,
        })
    }
}

impl fmt::Display for TaskDoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done called more often than items were put")
    }
}

impl<T> Error for PutError<T> {}
impl<T> Error for TryPutError<T> {}
impl Error for GetError {}
impl Error for TryGetError {}
impl Error for TaskDoneError {}
