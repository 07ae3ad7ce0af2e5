//! Looking at the workers from outside: whether anything moves, and who keeps a worker from the others.
//!
//! Invariant: nothing below knows it. A worker is handed its observer, and rouses the lookout by a word of its own (`lane/alarm.rs`).

mod blocked;
mod bypass;
pub(crate) mod deadlock;
pub(crate) mod inquiry;
mod knot;
pub(crate) mod lookout;
pub(crate) mod outside;
pub(crate) mod watchdog;
