//! Who runs what: the hub of one OS thread, the loop of a worker, and what the hubs of one runtime share.
//!
//! Invariant: only tasks that have not started move between hubs.

pub(in crate::runtime) mod behind;
pub(crate) mod current;
mod delayed;
mod ending;
mod foreign;
mod held;
pub(in crate::runtime) mod life;
mod loads;
pub(crate) mod local;
#[cfg(feature = "counters")]
mod metrics;
pub(crate) mod observer;
mod paused;
pub(crate) mod questions;
mod rest;
mod running;
pub(crate) mod scheduler;
mod searchers;
pub(crate) mod shared;
mod sleeping;
mod stackless;
pub(crate) mod worker;
