//! Unix sockets with the names and signatures of [`std::os::unix::net`]: replacing `std::os` by `greenthread::os` in a `use`
//! line is the whole port.
//!
//! What waits suspends the calling green thread only; on a plain OS thread it blocks that thread, as in std. Abstract names
//! are made by std's [`SocketAddrExt`](std::os::linux::net::SocketAddrExt), and used by `bind_addr`, `connect_addr` and
//! `send_to_addr`.
//!
//! # What differs from std
//! - Descriptors are passed by `send_fds` and `recv_fds`, which are not in std; what std has for that, `SocketAncillary`, is
//!   unstable and therefore not here.
//! - Nor are the other unstable methods: `peek`, `peek_from`, `peer_cred`, `set_mark`, `set_passcred` and `passcred`. The
//!   functions of `socket2` and `rustix` for them take these sockets, which are [`AsFd`](std::os::fd::AsFd).
//! - Where a backlog is full, or the queue of a datagram socket that the sender is not connected to, Linux gives no sign
//!   when there is room again. `connect` and `send_to` then try again after pauses of at most 10 ms.
//! - Nor does it give one to who waits for room to write when this end is shut down for writing, or the other for reading. A
//!   write that waits looks for that after pauses that grow, at most 256 ms, so it ends up to that much later than std's.

mod addr;
mod datagram;
#[cfg(test)]
mod faults;
mod listener;
mod stream;

pub use datagram::UnixDatagram;
pub use listener::{Incoming, UnixListener};
pub use std::os::unix::net::SocketAddr;
pub use stream::UnixStream;
