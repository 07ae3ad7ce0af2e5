//! Looking at the workers from outside: whether anything goes on, and what holds a worker up.
//!
//! Invariant: the folders below do not know this one. A worker is passed its observer, and wakes the lookout by a word
//! in a folder below (`lane/alarm.rs`).

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
