//! Around every switch: see `sys/look.rs`, of which only the watchdog makes use.

#[cfg(not(feature = "watchdog"))]
mod disabled;
#[cfg(feature = "watchdog")]
mod enabled;

#[cfg(not(feature = "watchdog"))]
pub(super) use disabled::set_switching;
#[cfg(feature = "watchdog")]
pub(super) use enabled::set_switching;
