//! Who runs what: the hub of one OS thread, the loop of a worker, and what the hubs of one runtime share.
//!
//! Invariant: only tasks that have not started move between hubs.

pub(crate) mod delayed;
pub(crate) mod held;
pub(crate) mod local;
mod paused;
pub(crate) mod scheduler;
pub(crate) mod stackless;
pub(crate) mod worker;
