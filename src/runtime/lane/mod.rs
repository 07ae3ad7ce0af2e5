//! What the green threads of one OS thread touch: who runs and who is ready, budget, timers, readiness, and those that have started.
//!
//! Invariant: what is in [`local`] is touched by the lane's own OS thread only, and nothing of it is borrowed across a switch; what
//! others touch is in [`shared`], which is never freed.

pub(crate) mod alarm;
pub(crate) mod current;
pub(crate) mod local;
mod outbox;
pub(crate) mod panic_hook;
pub(crate) mod readiness;
pub(crate) mod rival;
pub(crate) mod roster;
pub(crate) mod shared;
pub(crate) mod source;
pub(crate) mod sources;
pub(in crate::runtime) mod tally;
pub(crate) mod timer;
