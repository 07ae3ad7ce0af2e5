//! What can go wrong at a switch.
#![forbid(unsafe_code)]

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::rc::Rc;

/// Why a switch or throw did not happen, in the first five cases, which hold the value; or why control came back without a value,
/// in the others. It is neither `Send` nor `Sync`, as greenlets are not.
///
/// # Examples
/// ```
/// use greenthread::greenlet::Greenlet;
/// let once = Greenlet::new(|n: u32| n + 1);
/// assert_eq!(once.switch(1).unwrap(), 2);
/// let error = once.switch(5).unwrap_err();
/// assert!(error.is_dead());
/// assert_eq!(error.into_value(), Some(5), "it was not passed");
/// ```
#[non_exhaustive]
pub enum SwitchError<T> {
    /// The target has finished.
    Dead {
        /// The target's name.
        name: Rc<str>,
        /// What was to be passed.
        value: T,
    },
    /// The target belongs to another green or OS thread, or to one that has ended; or a weak handle's greenlet is gone.
    Foreign {
        /// What was to be passed.
        value: T,
    },
    /// The target waits for a value of another type.
    WrongType {
        /// The type that it waits for.
        expected: &'static str,
        /// What was to be passed.
        value: T,
    },
    /// The caller is being unwound because its last handle was dropped: it cannot switch any more.
    Exiting {
        /// What was to be passed.
        value: T,
    },
    /// The target was suspended while a panic unwound, perhaps in the target itself: throwing into it could abort the process.
    Unwinding {
        /// What was to be passed.
        value: T,
    },
    /// Control came back because a greenlet ended by a [`GreenletExit`], which is a normal end without a
    /// value. A caller that expects `()` gets `Ok(())` instead.
    Exited,
    /// Control came back with a return value of another type than the caller expects.
    Received {
        /// The type of the value, which was dropped.
        got: &'static str,
    },
    /// A greenlet ended by a panic, which is not raised again in the caller, its parent, as that may be unwinding itself.
    Panicked(Box<dyn Any + Send>),
}

impl<T> SwitchError<T> {
    /// The value that was not passed; `None` if the switch happened.
    ///
    /// # Examples
    /// What could not be passed can be passed to somebody else; [`is_dead`](Self::is_dead) and its like tell why:
    /// ```
    /// use greenthread::greenlet::Greenlet;
    ///
    /// let [first, second] = [(); 2].map(|()| Greenlet::new(|text: String| text.len()));
    /// first.switch("used up".into()).unwrap();
    /// let refused = first.switch("hello".into()).unwrap_err();
    /// assert!(refused.is_dead() && !refused.is_wrong_type() && !refused.is_foreign());
    /// assert_eq!(second.switch(refused.into_value().unwrap()).unwrap(), 5);
    /// ```
    pub fn into_value(self) -> Option<T> {
        match self {
            Self::Dead { value, .. }
            | Self::Foreign { value }
            | Self::WrongType { value, .. }
            | Self::Exiting { value }
            | Self::Unwinding { value } => Some(value),
            Self::Exited | Self::Received { .. } | Self::Panicked(_) => None,
        }
    }

    /// Whether the target has finished.
    pub fn is_dead(&self) -> bool {
        matches!(self, Self::Dead { .. })
    }

    /// Whether the target belongs to another green or OS thread.
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign { .. })
    }

    /// Whether a value had the wrong type.
    pub fn is_wrong_type(&self) -> bool {
        matches!(self, Self::WrongType { .. } | Self::Received { .. })
    }

    /// Whether a greenlet ended by a `GreenletExit`.
    pub fn is_exited(&self) -> bool {
        matches!(self, Self::Exited)
    }
}

impl<T> fmt::Display for SwitchError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead { name, .. } => write!(f, "the greenlet '{name}' has finished"),
            Self::Foreign { .. } => {
                f.write_str("the greenlet belongs to another green or OS thread, or is gone")
            }
            Self::WrongType { expected, .. } => {
                write!(f, "the greenlet waits for a value of type {expected}")
            }
            Self::Exiting { .. } => {
                f.write_str("a greenlet that is being dropped cannot switch to another")
            }
            Self::Unwinding { .. } => f.write_str("the greenlet may be unwinding already"),
            Self::Exited => f.write_str("a greenlet exited without a value"),
            Self::Received { got } => write!(f, "a greenlet passed a value of type {got}"),
            Self::Panicked(_) => f.write_str("a greenlet panicked"),
        }
    }
}

impl<T> fmt::Debug for SwitchError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SwitchError({self})")
    }
}

impl<T> Error for SwitchError<T> {}

/// Why [`set_parent`](super::AnyGreenlet::set_parent) did not change the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParentError {
    /// The new parent is the greenlet itself or one of its descendants.
    Cycle,
    /// One of the two belongs to another green or OS thread.
    Foreign,
    /// The main greenlet has no parent.
    Main,
}

impl fmt::Display for ParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cycle => "a greenlet cannot be its own ancestor",
            Self::Foreign => "the greenlet belongs to another green or OS thread",
            Self::Main => "the main greenlet has no parent",
        })
    }
}

impl Error for ParentError {}

/// The payload that is thrown into a greenlet to end it; to its parent that is a normal end. (greenlet's `GreenletExit`.)
///
/// # Examples
/// To end all of a deep call from its inside:
/// ```
/// use greenthread::greenlet::{Greenlet, GreenletExit};
///
/// fn dive(depth: u32) -> u32 {
///     if depth == 0 {
///         std::panic::panic_any(GreenletExit);
///     }
///     dive(depth - 1) + 1
/// }
/// let diver = Greenlet::new(dive);
/// assert!(diver.switch(10).unwrap_err().is_exited());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GreenletExit;
