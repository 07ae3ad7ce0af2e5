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
//! they do not keep each other for ever. A greenlet keeps its parent too, which is the one that made it unless it was set: one that is
//! suspended while the handles of those that it made lie in its frames ends with its green thread only.

// Invariant: in each green thread, and in each OS thread outside of green threads, one greenlet runs. Every other one
// is suspended in a switch, has not begun, or has ended.
#![forbid(unsafe_code)]

mod any;
mod context;
mod current;
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
pub(crate) use current::were_used;
pub use current::{current, switch_to_parent};
pub(crate) use ending::{close_green_thread, end_of_green_thread};
pub use error::{GreenletExit, ParentError, SwitchError};
pub use greenlet::Greenlet;
pub use trace::{TraceEvent, TraceHook, TraceKind, set_trace, trace};
pub use weak::WeakGreenlet;

#[cfg(test)]
mod tests;
