//! Reports of green threads that keep their workers from others, with the feature `watchdog`.

#[cfg(not(feature = "watchdog"))]
mod disabled;
#[cfg(feature = "watchdog")]
mod enabled;

#[cfg(not(feature = "watchdog"))]
pub(crate) use disabled::{Watchdog, given, threads};
#[cfg(feature = "inspect")]
pub(crate) use enabled::after_each_report;
#[cfg(feature = "inspect")]
pub(in crate::runtime) use enabled::look_at;
#[cfg(feature = "watchdog")]
pub(crate) use enabled::{Watchdog, given, threads};
