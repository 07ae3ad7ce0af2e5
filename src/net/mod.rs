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
//! - [`ListenOptions`] and [`TcpStream::set_keepalive`] are not in std. Every other option can be set by `socket2`'s `SockRef`.
//!
//! # Sharing and closing
//! Green threads may use one socket at once, by shared reference or by clones; one may read while another writes. A socket
//! cannot be dropped while somebody waits in it, as the wait borrows it, and dropping a clone leaves the others open. What
//! wakes those who wait is `shutdown`: reads see the end, writes fail.
//!
//! Invariant: every operation goes through the one would-block loop of `io::Io`.

mod addr;
#[cfg(test)]
mod faults;
mod listen_options;
mod tcp_listener;
mod tcp_stream;
mod udp_socket;

pub use addr::ToSocketAddrs;
pub use listen_options::ListenOptions;
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};
pub use tcp_listener::{Incoming, IntoIncoming, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp_socket::UdpSocket;
