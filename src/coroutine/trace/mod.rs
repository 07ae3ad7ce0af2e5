//! Has a suspended green thread find out where it is, with the feature `inspect`. It is resumed for that only.
//!
//! Invariant: it looks at its own stack and suspends itself again, and nothing of its body runs. Both twins have the
//! function `answer`, which each resume calls; without the feature it does nothing.

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
