//! The short writes of a lane's green threads, which leave together with the feature `io-uring`.
//!
//! Invariant: a write that is put here is sent before any green thread of the lane runs that was ready when it came.
//! The twins have the same functions for the hub, which asks and flushes without asking for the feature; without it
//! these compile to nothing. Only `wait/outgoing/enabled.rs` puts writes here.

#[cfg(not(feature = "io-uring"))]
mod disabled;
#[cfg(feature = "io-uring")]
mod enabled;

#[cfg(not(feature = "io-uring"))]
pub(crate) use disabled::Outbox;
#[cfg(feature = "io-uring")]
pub(crate) use enabled::Outbox;
