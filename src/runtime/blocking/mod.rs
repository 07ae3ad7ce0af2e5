//! Running code that blocks its OS thread, on pools of OS threads.
//!
//! Invariant: a pool's thread runs one job at a time and holds no lock meanwhile; whoever waits for a place in a full
//! pool is a green thread of a worker. A job that is started inside a job, of whatever kind, runs at once where it is.
//! That holds also in a green thread of a runtime that the outer job has made there. So no thread of a pool ever waits
//! for a place in a pool, and full pools cannot wait for one another in a circle.

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
