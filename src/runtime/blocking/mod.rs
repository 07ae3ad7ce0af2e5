//! Code that blocks its OS thread, on pools of OS threads that are there for it.
//!
//! Invariant: a pool's thread runs one job at a time and holds no lock meanwhile; whatever waits for a place in a full
//! pool waits as a green thread of a worker. A job inside a job, of whatever kind, runs at once, where it is, also in a green
//! thread of a runtime that the outer one has made there: so no thread of a pool ever waits for a place in a pool, and no
//! circle of full pools is possible.

mod job;
mod kind;
mod pool;
mod pools;

pub(crate) use kind::Kind;
pub(crate) use pool::idle_threads;
#[cfg(feature = "counters")]
pub(crate) use pools::counts;
#[cfg(feature = "processes")]
pub(crate) use pools::{is_on, run_there};
pub(crate) use pools::{run, would_leave};
