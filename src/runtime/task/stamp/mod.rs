//! When another thread woke a task, for the worker that runs it, with the feature `counters`.

#[cfg(not(feature = "counters"))]
mod disabled;
#[cfg(feature = "counters")]
mod enabled;

#[cfg(not(feature = "counters"))]
pub(crate) use disabled::Stamp;
#[cfg(feature = "counters")]
pub(crate) use enabled::Stamp;
