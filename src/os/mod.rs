//! What belongs to the operating system, under the paths that it has in [`std::os`]: [Unix sockets](unix::net), and the
//! extensions of files, processes and TCP.

// Invariant: the sockets here go through the one would-block loop of `io::Io`, as those of `net` do, and what waits for
// a disk through the pool of `fs`. The only `unsafe` is that of `FromRawFd` and of `CommandExt::pre_exec`, which std
// declares unsafe.

mod fd;
pub mod linux;
pub mod unix;
