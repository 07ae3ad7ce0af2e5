//! The one would-block loop that every descriptor goes through.
//!
//! Invariant: try first, then wait; a registration ends before its descriptor does.

mod handle;

pub(crate) use handle::Io;
