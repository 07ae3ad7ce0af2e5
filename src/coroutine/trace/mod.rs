//! Has a suspended green thread say where it is, with the feature `inspect`: it is resumed for that only.
//!
//! Invariant: it looks at its own stack, suspends itself again, and nothing of its body runs.

#[cfg(not(feature = "inspect"))]
mod disabled;
#[cfg(feature = "inspect")]
mod enabled;
#[cfg(feature = "inspect")]
mod tracer;

#[cfg(not(feature = "inspect"))]
pub(super) use disabled::answer;
#[cfg(feature = "inspect")]
pub(super) use enabled::answer;
#[cfg(feature = "inspect")]
pub(crate) use tracer::{Trace, Tracer};
