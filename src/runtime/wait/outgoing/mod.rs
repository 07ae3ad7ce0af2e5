//! Short writes to streams, which leave together with those of other green threads with the feature `io-uring`.
//!
//! Invariant: the twins have one function, `send`, with the results of `send(2)`. It does not block, and with either
//! twin the data has been passed to the system when it returns.

#[cfg(not(feature = "io-uring"))]
mod disabled;
#[cfg(feature = "io-uring")]
mod enabled;

#[cfg(not(feature = "io-uring"))]
pub(crate) use disabled::send;
#[cfg(feature = "io-uring")]
pub(crate) use enabled::send;
