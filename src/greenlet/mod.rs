//! Greenlets: functions with stacks of their own that switch to one another directly, as Python's greenlet. There is no
//! scheduler: each switch names the greenlet that runs next.
//!
//! ```
//! use greenthread::greenlet::{self, Greenlet};
//!
//! let greenlet = Greenlet::new(|name: &'static str| -> String {
//!     let again: &str = greenlet::switch_to_parent(format!("hello {name}")).unwrap();
//!     format!("goodbye {again}")
//! });
//! assert_eq!(greenlet.switch("ann")?, "hello ann");
//! assert_eq!(greenlet.switch("bob")?, "goodbye bob");
//! assert!(greenlet.is_dead());
//! # Ok::<(), greenlet::SwitchError<&str>>(())
//! ```
//!
//! Nothing is concurrent here. For sequences take an iterator or a [generator](crate::generator#which-one-to-use), whose module
//! has a table of when to use which; for tasks that wait for something take green threads. Greenlets work without any runtime,
//! and in green threads too: each green thread has a main greenlet of its own. If a greenlet blocks there (sleeps, reads a
//! socket), that suspends the whole green thread, and the greenlet goes on when the green thread does.
//!
//! # Cycles
//! A greenlet lives as long as there is a handle to it. Of greenlets that refer to each other, use [`WeakGreenlet`]s, so that
//! they do not keep each other for ever.

// Invariant: in each green thread, and in each OS thread outside of those, one greenlet runs; every other one is suspended in a
// switch, has not begun, or is over.
#![forbid(unsafe_code)]

mod any;
mod context;
mod ending;
mod error;
#[expect(clippy::module_inception, reason = "a file is named after its type")]
mod greenlet;
mod home;
mod parent;
mod passing;
mod switching;
mod task;
mod trace;
mod weak;

pub use any::AnyGreenlet;
pub use context::ContextVar;
pub use error::{GreenletExit, ParentError, SwitchError};
pub use greenlet::Greenlet;
pub use trace::{TraceEvent, TraceHook, TraceKind, set_trace, trace};
pub use weak::WeakGreenlet;

use crate::coroutine;
use home::Home;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// Ends the greenlets of a green thread whose body has ended: those that are suspended are unwound, and the values and hooks
/// that are kept for them are dropped. Returns whether there was anything, since destructors may then have made others. The
/// runtime calls it on the green thread's own stack. It does not unwind.
#[cold]
pub(crate) fn end_of_green_thread() -> bool {
    Home::existing().is_some_and(|home| {
        let mut any = false;
        // Each of the users' values is gone before its destructor panics, so this comes to an end.
        while let Err(payload) = catch_unwind(AssertUnwindSafe(|| any |= home.end())) {
            any = true;
            task::drop_payload(payload);
        }
        any
    })
}

/// From here on the calling green thread, whose greenlets have ended, can make none, and keeps no values for them.
#[cold]
pub(crate) fn close_green_thread() {
    if let Some(home) = Home::existing() {
        home.close();
    }
    ending::drop_payload_of(coroutine::close_local());
}

#[cfg(test)]
mod tests;
