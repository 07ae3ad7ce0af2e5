//! Which task a worker runs now, for the watchdog.
//!
//! Invariant: the twins have the same functions, which a hub calls at each resume without asking for the feature.
//! Without the feature `watchdog` they do nothing, so that a switch takes no longer.

#[cfg(not(feature = "watchdog"))]
mod disabled;
#[cfg(feature = "watchdog")]
mod enabled;

#[cfg(not(feature = "watchdog"))]
pub(crate) use disabled::Watched;
#[cfg(feature = "watchdog")]
pub(crate) use enabled::Watched;
