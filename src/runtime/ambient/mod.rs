//! The context of another runtime, in which the futures of a green thread are polled.
//!
//! Such a context is a guard that belongs to the OS thread, and the guards of one OS thread must be dropped in the
//! reverse order of their making.
//!
//! Invariant: at most one context is entered on an OS thread at any time. It is entered around a poll, and left
//! whenever a green thread is suspended in the middle of a poll, until that green thread goes on. The twins have the
//! same functions; without the feature `tokio` they add nothing to a poll or a suspension.

#[cfg(not(feature = "tokio"))]
mod disabled;
#[cfg(feature = "tokio")]
mod enabled;

#[cfg(not(feature = "tokio"))]
use disabled as twin;
#[cfg(feature = "tokio")]
use enabled as twin;

#[cfg(feature = "tokio")]
pub(crate) use twin::set;
pub(crate) use twin::{outside, within};
