//! Where a task comes from and what it has done so far, for who looks at it, with the feature `inspect`.

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
