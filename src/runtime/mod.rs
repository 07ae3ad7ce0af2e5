//! The scheduler: hubs, tasks, waiting, timers, readiness.
//!
//! Invariant: a started task runs on the OS thread that started it, and only there; everything that blocks it goes through
//! [`park`].
//!
//! The folders stand on one another: [`task`], what a green thread is to the rest; `lane`, what the green threads of
//! one OS thread touch; [`wait`](park), how they wait; `hub`, who runs what, and beside it `blocking`, OS threads for
//! code that blocks; `observe`, whether anything goes on; and in this folder what a user starts. `ambient` is the
//! context of another runtime around polls. The words are explained in the glossary of `ARCHITECTURE.md`.

pub(crate) mod ambient;
pub(crate) mod blocking;
mod builder;
mod global;
mod hub;
mod instance;
mod lane;
mod observe;
mod running;
mod starting;
mod stragglers;
pub(crate) mod task;
mod wait;
#[cfg(feature = "watchdog")]
mod watched;
pub(crate) mod watching;

pub use builder::RuntimeBuilder;
pub(crate) use global::{global, global_if_started};
pub(crate) use hub::{current, scheduler};
pub use instance::Runtime;
#[cfg(feature = "counters")]
pub use lane::tally::{Histogram, Stacks, Worker};
#[cfg(feature = "counters")]
pub(crate) use observe::lookout::runtimes;
pub(crate) use observe::outside;
#[cfg(feature = "console")]
pub(crate) use observe::pulse;
#[cfg(feature = "inspect")]
pub(crate) use observe::{sight, watchdog};
pub use stragglers::Stragglers;
pub(crate) use task::{family, finished, paused, uncaught};
#[cfg(feature = "monkey")]
pub(crate) use wait::patched;
pub(crate) use wait::{hooks, outgoing, park, reactor, scope, wait_list, waker, worker_stack};
