//! Extensions that all Unix systems have, as [`std::os::unix`].

// Invariant: as in `os`, nothing here waits by itself: sockets wait by `io`, files by `fs`, and processes by `process`.

pub mod fs;
pub mod net;
pub mod process;
