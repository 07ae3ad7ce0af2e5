//! The scheduler: hubs, tasks, waiting, timers, readiness.
//!
//! Invariant: a started task runs on the OS thread that started it, and only there; everything that blocks it goes through
//! [`park`].
//!
//! Read first [`task`], what a green thread is to the rest; then [`park`], how it waits; [`hub`], what one OS thread runs;
//! [`worker`], the loop; and [`scheduler`], what the hubs of one runtime share. The words are explained in the glossary of
//! `ARCHITECTURE.md`.

pub(crate) mod ambient;
pub(crate) mod blocking;
mod builder;
mod deadlock;
mod delayed;
pub(crate) mod dropping;
pub(crate) mod family;
pub(crate) mod finished;
mod held;
mod hub;
mod instance;
mod lookout;
pub(crate) mod outside;
mod panic_hook;
pub(crate) mod park;
pub(crate) mod paused;
pub(crate) mod reactor;
mod readiness;
mod roster;
pub(crate) mod scheduler;
mod stackless;
mod stragglers;
pub(crate) mod task;
mod timer;
pub(crate) mod uncaught;
pub(crate) mod wait_list;
pub(crate) mod waker;
#[cfg(feature = "watchdog")]
mod watchdog;
pub(crate) mod watching;
mod worker;

pub use builder::RuntimeBuilder;
pub use instance::Runtime;
pub(crate) use instance::{global, global_if_started};
pub use stragglers::Stragglers;
