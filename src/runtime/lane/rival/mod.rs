//! Sources that share a descriptor, and sources whose descriptor has been closed behind their back. There are such only
//! with the feature `monkey`.
//!
//! Invariant: of the sources of one descriptor at most one is registered with a hub, and one that is retired is never
//! registered again. The twins have the same functions for [`Source`](super::source::Source); without the feature these
//! never refuse anything.

#[cfg(not(feature = "monkey"))]
mod disabled;
#[cfg(feature = "monkey")]
mod enabled;

#[cfg(not(feature = "monkey"))]
pub(super) use disabled::{check, lets_go};
#[cfg(feature = "monkey")]
pub(crate) use enabled::let_go_by;
#[cfg(feature = "monkey")]
pub(super) use enabled::{check, lets_go};
