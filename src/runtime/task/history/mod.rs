//! Where a task comes from and what it has done so far, for those who look at it, with the feature `inspect`.
//!
//! Invariant: the twins have the same functions, which the rest of the runtime calls without asking for the feature.
//! Without it they are empty: a task has no field more, and neither a wait nor a resume an instruction more.

#[cfg(not(feature = "inspect"))]
mod disabled;
#[cfg(feature = "inspect")]
mod enabled;

#[cfg(not(feature = "inspect"))]
pub(super) use disabled::History;
#[cfg(not(feature = "inspect"))]
pub(crate) use disabled::SpawnPlace;
#[cfg(feature = "inspect")]
pub(super) use enabled::History;
#[cfg(feature = "inspect")]
pub(crate) use enabled::SpawnPlace;
#[cfg(feature = "inspect")]
pub(crate) use enabled::Told;
