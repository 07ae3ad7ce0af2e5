//! What a worker runs now, for the watchdog, if there is one.

#[cfg(not(feature = "watchdog"))]
mod disabled;
#[cfg(feature = "watchdog")]
mod enabled;

#[cfg(not(feature = "watchdog"))]
pub(crate) use disabled::Watched;
#[cfg(feature = "watchdog")]
pub(crate) use enabled::Watched;
