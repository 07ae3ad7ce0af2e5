//! The short writes of a lane's green threads, which leave together where the feature `io-uring` is on.

#[cfg(not(feature = "io-uring"))]
mod disabled;
#[cfg(feature = "io-uring")]
mod enabled;

#[cfg(not(feature = "io-uring"))]
pub(crate) use disabled::Outbox;
#[cfg(feature = "io-uring")]
pub(crate) use enabled::Outbox;
