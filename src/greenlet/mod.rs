//! Greenlets: direct switching between stacks, by those who run on them.
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
//! Nothing is concurrent here: control goes where you say, when you say. For sequences take an iterator or a
//! [generator](crate::generator#which-one-to-use), which has a table of when to use which; for tasks that wait for
//! things take green threads. Greenlets work without any runtime. In a green thread they work too, each green thread
//! with a main greenlet of its own; what a greenlet does there may block (sleep, read a socket), which suspends the
//! whole green thread and leaves that greenlet the current one.
//!
//! # Cycles
//! A handle keeps its greenlet. Greenlets that refer to each other use [`WeakGreenlet`].

// Invariant: in each green thread, and in each OS thread outside of those, one greenlet runs; every other one is
// suspended in a switch, has not begun, or is over.
#![forbid(unsafe_code)]

mod any;
mod context;
mod error;
#[expect(clippy::module_inception, reason = "a file is named after its type")]
mod greenlet;
mod home;
mod parent;
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

/// The greenlet that runs: the main one, unless the caller was switched to. (greenlet's `getcurrent`.)
///
/// ```
/// use greenthread::greenlet::{self, Greenlet};
/// let main = greenlet::current();
/// assert_eq!(main.parent(), None);
/// let child = Greenlet::new(|()| greenlet::current());
/// assert_eq!(child.switch(()).unwrap(), *child.any());
/// ```
///
/// # Panics
/// While the OS thread destroys its thread-locals.
pub fn current() -> AnyGreenlet {
    let home = Home::here();
    let current = home.current();
    home.handle_to(&current)
}

/// Switches to the parent of the current greenlet; see [`AnyGreenlet::switch`].
///
/// ```
/// use greenthread::greenlet::{Greenlet, switch_to_parent};
/// let child = Greenlet::new(|()| switch_to_parent::<_, ()>(1).map(|()| 2).unwrap());
/// assert_eq!((child.switch(()).unwrap(), child.switch(()).unwrap()), (1, 2));
/// ```
///
/// # Errors
/// As there.
///
/// # Panics
/// As there, and in the main greenlet, which has no parent.
#[inline(always)]
pub fn switch_to_parent<T: 'static, U: 'static>(value: T) -> Result<U, SwitchError<T>> {
    Home::switch_to_parent(value)
}

/// Whether the calling green thread has used greenlets.
#[inline(always)]
pub(crate) fn were_used() -> bool {
    !coroutine::identity().is_null()
}

/// Ends the greenlets of a green thread whose body has ended: whatever is suspended is unwound, and the values and hooks that
/// are kept for them are dropped. Says whether there were any: the destructors may have made others. The runtime calls it on
/// the green thread's own stack. It does not unwind.
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

/// From here on the calling green thread, whose greenlets have ended, has none and keeps no values for any.
#[cold]
pub(crate) fn close_green_thread() {
    if let Some(home) = Home::existing() {
        home.close();
    }
    home::drop_payload_of(coroutine::close_local());
}

#[cfg(test)]
mod tests;
