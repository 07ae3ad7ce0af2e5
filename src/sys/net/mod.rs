//! Sockets: std's, each wrapped in a type of our own that asks [`fault`](super::fault) before each call. The transfers
//! are in [`socket`](super::socket), as they are the same for all sockets.
//!
//! Invariant: no call here waits for anybody, except those that look up names (`names`), which are made on a pool of
//! threads.

pub(crate) mod address;
pub(crate) mod names;
mod tcp;
mod udp;
mod unix;

pub(crate) use tcp::{Listening, TcpListener, TcpStream};
pub(crate) use udp::UdpSocket;
pub(crate) use unix::{UnixDatagram, UnixListener, UnixStream};
