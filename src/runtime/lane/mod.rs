//! What the green threads of one OS thread touch: the thread-local that leads to it, their timers, the list of those that have started.
//!
//! Invariant: only the lane's own OS thread touches it, and nothing of it is borrowed across a switch.

pub(crate) mod current;
pub(crate) mod panic_hook;
pub(crate) mod readiness;
pub(crate) mod roster;
pub(crate) mod timer;
