//! What a worker has done so far, counted by itself, with the feature `counters`.
//!
//! Invariant: each number has one writer, the worker's own OS thread, which adds to it by a load and a store; others
//! only read. Only the green threads that other threads have spawned are counted by these, with an atomic addition.
//! What is counted for each suspension is counted by the batch where that is possible, so that it costs nothing for the
//! single one. The twins have the same functions, which the runtime calls without asking for the feature; without it
//! they do nothing.

#[cfg(feature = "counters")]
mod counts;
#[cfg(not(feature = "counters"))]
mod disabled;
#[cfg(feature = "counters")]
mod enabled;
#[cfg(feature = "counters")]
mod histogram;
#[cfg(feature = "counters")]
mod probe;

#[cfg(feature = "counters")]
pub use counts::{Stacks, Worker};
#[cfg(not(feature = "counters"))]
pub(crate) use disabled::{Probe, Tally};
#[cfg(feature = "counters")]
pub(crate) use enabled::Tally;
#[cfg(feature = "counters")]
pub use histogram::Histogram;
#[cfg(feature = "counters")]
pub(crate) use probe::Probe;
