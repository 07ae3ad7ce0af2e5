//! What belongs to the operating system, under the paths that it has in [`std::os`]: [Unix sockets](unix::net), and the
//! extensions of files, processes and TCP.

// The only `unsafe` here is that of `FromRawFd` and of `CommandExt::pre_exec`, which std declares unsafe.

mod fd;
pub mod linux;
pub mod unix;
