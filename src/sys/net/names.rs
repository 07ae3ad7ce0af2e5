//! Looking up names of hosts, which may take long.
#![forbid(unsafe_code)]

use crate::sys::fault::{self, Syscall};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::vec;

/// The addresses of a host, with this port.
pub(crate) fn of_host(host: &str, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    fault::check(Syscall::LookUp)?;
    (host, port).to_socket_addrs()
}

/// The addresses of a text that is `host:port`.
pub(crate) fn of_text(text: &str) -> io::Result<vec::IntoIter<SocketAddr>> {
    fault::check(Syscall::LookUp)?;
    text.to_socket_addrs()
}
