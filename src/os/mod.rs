//! What belongs to the operating system, below the paths that it has in [`std::os`].
//!
//! Invariant: the only `unsafe` is that of `FromRawFd` and of `CommandExt::pre_exec`, which std declares unsafe.

mod fd;
pub mod linux;
pub mod unix;
