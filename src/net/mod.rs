//! TCP and UDP sockets with the names and signatures of [`std::net`]: replacing `std::net` by `greenthread::net` in a `use` line is
//! the whole port.
//!
//! What waits suspends the calling green thread only; on a plain OS thread it blocks that thread, as in std.
//!
//! # What differs from std
//! - [`ToSocketAddrs`] is a trait of its own, with std's name and for the same types.
//! - `TcpListener::set_only_v6` and `only_v6`, deprecated in std, are not there.
//! - [`TcpStream::set_linger`] and `linger` are there already; in std they are unstable.
//!
//! Invariant: every operation goes through the one would-block loop of `io::Io`.

mod addr;
#[cfg(test)]
mod faults;
mod tcp_listener;
mod tcp_stream;
mod udp_socket;

pub use addr::ToSocketAddrs;
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};
pub use tcp_listener::{Incoming, IntoIncoming, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;
