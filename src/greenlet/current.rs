//! The greenlet that runs.
#![forbid(unsafe_code)]

use super::home::Home;
use super::{AnyGreenlet, SwitchError};
use crate::coroutine;

/// The greenlet that runs: the main one, unless the caller runs inside another. (greenlet's `getcurrent`.)
///
/// # Examples
/// ```
/// use greenthread::greenlet::{self, Greenlet};
/// let main = greenlet::current();
/// assert_eq!(main.parent(), None);
/// let child = Greenlet::new(|()| greenlet::current());
/// assert_eq!(child.switch(()).unwrap(), *child.any());
/// ```
///
/// # Panics
/// In a destructor that runs at the end of the green thread, after its own values have been destroyed, and while the OS thread
/// destroys its thread-locals.
#[doc(alias("getcurrent"))]
pub fn current() -> AnyGreenlet {
    let home = Home::here();
    let current = home.current();
    home.handle_to(&current)
}

/// Switches to the parent of the current greenlet with `value`; returns what is passed to the caller when control comes back.
/// [`AnyGreenlet::switch`] says more.
///
/// # Examples
/// ```
/// use greenthread::greenlet::{Greenlet, switch_to_parent};
/// let child = Greenlet::new(|()| switch_to_parent::<_, ()>(1).map(|()| 2).unwrap());
/// assert_eq!((child.switch(()).unwrap(), child.switch(()).unwrap()), (1, 2));
/// ```
///
/// # Errors
/// Those of [`AnyGreenlet::switch`].
///
/// # Panics
/// For the reasons that [`AnyGreenlet::switch`] gives; and in the main greenlet, which has no parent.
#[inline(always)]
pub fn switch_to_parent<T: 'static, U: 'static>(value: T) -> Result<U, SwitchError<T>> {
    Home::switch_to_parent(value)
}

/// Whether the calling green thread has used greenlets.
#[inline(always)]
pub(crate) fn were_used() -> bool {
    !coroutine::identity().is_null()
}
