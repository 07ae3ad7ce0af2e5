//! Sockets: std's, each behind a type of our own that asks [`fault`](super::fault) before each call. What data goes through them
//! is in [`socket`](super::socket), as it is the same for all.
//!
//! Invariant: no call here waits for anybody.

pub(crate) mod address;
pub(crate) mod names;
mod tcp;
mod udp;
mod unix;

pub(crate) use tcp::{Listening, TcpListener, TcpStream};
pub(crate) use udp::UdpSocket;
pub(crate) use unix::{UnixDatagram, UnixListener, UnixStream};
