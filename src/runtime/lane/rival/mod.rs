//! With the feature `monkey`: several sources of one descriptor, and sources whose descriptor has been closed behind their back.
//!
//! Invariant: of the sources of one descriptor at most one is registered with a hub; one that is retired is never registered again.

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
