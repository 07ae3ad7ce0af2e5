//! What can go wrong between a generator and its user.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;

/// The error of [`Generator::send`](super::Generator::send): no `yield_` waits for the value, which is given back.
///
/// # Examples
/// ```
/// use greenthread::generator::{Generator, SendError, Yielder};
/// let mut generator = Generator::new(|y: &Yielder<(), u32>| drop(y.yield_(())));
/// assert_eq!(generator.send(1), Err(SendError::NotStarted(1)));
/// generator.start();
/// assert_eq!(generator.send(2), Ok(None), "the body has ended");
/// assert_eq!(generator.send(3).unwrap_err().into_inner(), 3);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<S> {
    /// The body has not begun, so no `yield_` waits for a value: call `start` or `next` first.
    NotStarted(S),
    /// The body has ended.
    Finished(S),
}

impl<S> SendError<S> {
    /// The value that was not sent.
    pub fn into_inner(self) -> S {
        match self {
            Self::NotStarted(value) | Self::Finished(value) => value,
        }
    }
}

impl<S> fmt::Debug for SendError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted(_) => "NotStarted(..)",
            Self::Finished(_) => "Finished(..)",
        })
    }
}

impl<S> fmt::Display for SendError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted(_) => "sending into a generator that has not started",
            Self::Finished(_) => "sending into a generator that has finished",
        })
    }
}

impl<S> Error for SendError<S> {}

/// The error of [`Generator::close`](super::Generator::close): the body did not end, and its stack is leaked. It caught the
/// unwinding and yielded again, or it was suspended in a destructor that a panic runs, or the program is built with
/// `panic = "abort"`.
///
/// # Examples
/// ```
/// use greenthread::generator::{Generator, Yielder};
/// use std::panic::{AssertUnwindSafe, catch_unwind};
///
/// // A body that does not let itself be ended.
/// let mut stubborn = Generator::new(|y: &Yielder<u32>| {
///     let _ = catch_unwind(AssertUnwindSafe(|| y.yield_(1)));
///     y.yield_(2);
/// });
/// assert_eq!(stubborn.next(), Some(1));
/// assert!(stubborn.close().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseError(pub(super) ());

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the generator did not end when it was closed; its stack is leaked")
    }
}

impl Error for CloseError {}
