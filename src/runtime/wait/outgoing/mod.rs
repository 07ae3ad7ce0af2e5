//! Short writes to streams, which leave together with those of other green threads where the feature `io-uring` is on.

#[cfg(not(feature = "io-uring"))]
mod disabled;
#[cfg(feature = "io-uring")]
mod enabled;

#[cfg(not(feature = "io-uring"))]
pub(crate) use disabled::send;
#[cfg(feature = "io-uring")]
pub(crate) use enabled::send;
