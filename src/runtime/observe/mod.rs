//! Looking at the workers from outside: whether anything moves, and who keeps a worker from the others.
//!
//! Invariant: nothing here is needed for green threads to run; where it fails, only a report is missing.

pub(crate) mod deadlock;
pub(crate) mod lookout;
pub(crate) mod outside;
pub(crate) mod watchdog;
