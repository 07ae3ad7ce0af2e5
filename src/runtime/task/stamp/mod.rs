//! When another thread last woke a task, for the worker that runs it, with the feature `counters`.
//!
//! Invariant: the twins have the same functions, which the rest of the runtime calls without asking for the feature.
//! Without it a task has no field more, and a wake-up takes no time.

#[cfg(not(feature = "counters"))]
mod disabled;
#[cfg(feature = "counters")]
mod enabled;

#[cfg(not(feature = "counters"))]
pub(crate) use disabled::Stamp;
#[cfg(feature = "counters")]
pub(crate) use enabled::Stamp;
