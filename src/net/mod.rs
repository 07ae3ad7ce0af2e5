//! TCP and UDP sockets with the names and signatures of [`std::net`]. To port a program, replace `std::net` by
//! `greenthread::net` in its `use` lines.
//!
//! A call that has to wait suspends the calling green thread only; on a plain OS thread it blocks that thread, as in
//! std.
//!
//! # What differs from std
//! - [`ToSocketAddrs`] is a trait of its own, with std's name and for the same types, as std's would look up host names
//!   on the calling thread.
//! - [`ListenOptions`] and [`TcpStream::set_keepalive`] are not in std. Every other option can be set by `socket2`'s
//!   `SockRef`.
//! - [`TcpStream::set_linger`] and [`linger`](TcpStream::linger) are unstable in std, and can be used here.
//! - `TcpListener::set_only_v6` and `only_v6`, which std has deprecated, are missing: see [`ListenOptions::only_v6`].
//!
//! # Sharing and closing
//! Several green threads may use one socket at once, by shared reference or by clones; one may read while another
//! writes. A socket cannot be dropped while somebody waits in it, as the wait borrows it; dropping a clone leaves the
//! others open. To wake those who wait, call `shutdown`: then reads return 0, which is the end, and writes fail.
//!
//! # What ends a wait
//! - A timeout of the socket, such as [`TcpStream::set_read_timeout`]: the call fails with `WouldBlock`, as std's does.
//! - [`timeout`](crate::timeout()) around any piece of code, and a [`kill`](crate::JoinHandle::kill): they unwind the
//!   green thread at its next wait. No data is lost by that: both strike before a transfer or while it waits, never
//!   between a transfer and the return of the call.

// Invariant: every operation goes through the one would-block loop of `io::Io`, and a socket is closed only when nobody
// waits in it, as each wait borrows it.

mod addr;
#[cfg(test)]
mod faults;
mod listen_options;
mod tcp_listener;
mod tcp_stream;
mod udp_options;
mod udp_socket;

pub use addr::ToSocketAddrs;
pub use listen_options::ListenOptions;
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};
pub use tcp_listener::{Incoming, IntoIncoming, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;
