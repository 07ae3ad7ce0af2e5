//! What a suspended green thread does that is resumed only to say where it is.

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
