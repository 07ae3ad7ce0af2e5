//! What the green threads of one OS thread touch: the one that runs and those that are ready, the budget, timers,
//! readiness, and the list of those that have started.
//!
//! Invariant: what is in [`local`] is touched by the lane's own OS thread only, and nothing of it is borrowed across a
//! switch. What others touch is in [`shared`], which is never freed.

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
