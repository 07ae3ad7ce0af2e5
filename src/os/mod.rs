//! What belongs to the operating system, below the paths that it has in [`std::os`].
//!
//! Invariant: the only `unsafe` is that of `FromRawFd`, whose one method std declares unsafe.

mod fd;
pub mod linux;
pub mod unix;
