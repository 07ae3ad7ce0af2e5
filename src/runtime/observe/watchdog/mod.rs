//! Reports of green threads that hold up their workers, with the feature `watchdog`.
//!
//! Invariant: the twins have the same functions for starting a runtime and counting threads. Without the feature there
//! is no thread and no report; functions that only the feature `inspect` needs are in the enabled twin alone.

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
