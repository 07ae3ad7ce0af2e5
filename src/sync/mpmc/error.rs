//! The error type that std does not have.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::sync::mpsc::SendError;

/// Why [`Sender::send_timeout`](super::Sender::send_timeout) did not send the item, which this gives back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The time ran out: there was no room, or, with a capacity of zero, no receiver waited.
    Timeout(T),
    /// All receivers are gone.
    Disconnected(T),
}

impl<T> SendTimeoutError<T> {
    /// The item.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::mpmc::bounded;
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = bounded(1);
    /// drop(receiver);
    /// let error = sender.send_timeout("lost?", Duration::from_secs(60)).unwrap_err();
    /// assert!(error.is_disconnected() && !error.is_timeout());
    /// assert_eq!(error.into_inner(), "lost?");
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Timeout(item) | Self::Disconnected(item) => item,
        }
    }

    /// Whether the time ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Whether all receivers are gone.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected(_))
    }
}

impl<T> From<SendError<T>> for SendTimeoutError<T> {
    fn from(SendError(item): SendError<T>) -> Self {
        Self::Disconnected(item)
    }
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "Timeout(..)",
            Self::Disconnected(_) => "Disconnected(..)",
        })
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "timed out waiting on send operation",
            Self::Disconnected(_) => "sending on a disconnected channel",
        })
    }
}

impl<T> Error for SendTimeoutError<T> {}
