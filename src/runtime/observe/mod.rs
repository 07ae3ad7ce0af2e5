//! Looking at the workers from outside: whether anything moves, and who keeps a worker from the others.
//!
//! Invariant: nothing below knows it. A worker is handed its observer, and rouses the lookout by a word of its own (`lane/alarm.rs`).

mod blocked;
mod bypass;
mod census;
pub(crate) mod deadlock;
pub(crate) mod holders;
pub(crate) mod inquiry;
mod knot;
pub(crate) mod lookout;
pub(crate) mod outside;
#[cfg(feature = "console")]
pub(crate) mod pulse;
#[cfg(feature = "inspect")]
pub(crate) mod sight;
pub(crate) mod watchdog;
