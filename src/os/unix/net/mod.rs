//! Unix sockets with the names and signatures of [`std::os::unix::net`]. To port a program, replace `std::os` by
//! `greenthread::os` in its `use` lines.
//!
//! A call that has to wait suspends the calling green thread only; on a plain OS thread it blocks that thread, as in
//! std. Abstract names are made by std's [`SocketAddrExt`](std::os::linux::net::SocketAddrExt), and used by
//! `bind_addr`, `connect_addr` and `send_to_addr`. Sharing, closing and what ends a wait are as for
//! [`net`](crate::net).
//!
//! # What differs from std
//! - `send_fds` and `recv_fds` pass descriptors to another process, and are not in std; what std has for that,
//!   `SocketAncillary`, is unstable and therefore not here.
//! - The other unstable methods are missing too: `peek`, `peek_from`, `peer_cred`, `set_mark`, `set_passcred` and
//!   `passcred`. The functions of `socket2` and `rustix` for them take these sockets, which are
//!   [`AsFd`](std::os::fd::AsFd).
//! - If the backlog of a listener is full, or the queue of a datagram socket that the sender is not connected to, Linux
//!   gives no sign when there is room again. So `connect` and `send_to` try again after pauses of at most 10 ms.
//! - Linux gives no sign either, to somebody who waits for room to write, when this end is shut down for writing or the
//!   other one for reading. A write that waits looks for that after pauses that grow up to 256 ms, so it may end that
//!   much later than with std.

// Invariant: as in `net`, every operation goes through the one would-block loop of `io::Io`, or of `io::retry` where the
// system gives no sign.

mod datagram;
#[cfg(test)]
mod faults;
mod listener;
mod stream;

pub use datagram::UnixDatagram;
pub use listener::{Incoming, UnixListener};
pub use std::os::unix::net::SocketAddr;
pub use stream::UnixStream;
