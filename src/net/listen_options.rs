//! What std does not let one say of a listener.
#![forbid(unsafe_code)]

use super::addr::each_addr;
use super::{SocketAddr, TcpListener, ToSocketAddrs};
use crate::sys::fault::{self, Call};
use socket2::{Domain, Socket, Type};
use std::io;
use std::os::fd::OwnedFd;

/// How a [`TcpListener`] is made, beyond what [`TcpListener::bind`] does.
///
/// For what is not here there is `socket2`: `SockRef::from(&listener)` has every option of a socket, and a `socket2::Socket`
/// becomes a listener by `TcpListener::from(OwnedFd::from(socket))`.
///
/// # Examples
/// ```
/// use greenthread::net::ListenOptions;
///
/// // Two listeners on one port: the system spreads the connections over them.
/// let options = ListenOptions::new().backlog(1024).reuse_port(true);
/// let first = options.bind("127.0.0.1:0")?;
/// let second = options.bind(first.local_addr()?)?;
/// assert_eq!(first.local_addr()?, second.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `bind`"]
pub struct ListenOptions {
    backlog: u32,
    reuse_port: bool,
    only_v6: Option<bool>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 128, reuse_port: false, only_v6: None }
    }
}

impl ListenOptions {
    /// The options of [`TcpListener::bind`].
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections may wait to be accepted: 128 unless set. The system has a limit of its own
    /// (`net.core.somaxconn`).
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether others with this option may listen on the same address, so that each worker of a server can have a listener
    /// (`SO_REUSEPORT`). Each has a backlog of its own: what waits in it when its listener is closed is reset.
    pub fn reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// Whether a listener on an IPv6 address refuses IPv4; else the system decides (`net.ipv6.bindv6only`).
    pub fn only_v6(mut self, only_v6: bool) -> Self {
        self.only_v6 = Some(only_v6);
        self
    }

    /// Binds to an address and listens, as [`TcpListener::bind`].
    ///
    /// # Errors
    /// What the last of the addresses failed with, such as `AddrInUse`.
    pub fn bind<A: ToSocketAddrs>(&self, addr: A) -> io::Result<TcpListener> {
        let socket = each_addr(addr, |addr| self.bind_one(addr))?;
        Ok(OwnedFd::from(socket).into())
    }

    fn bind_one(&self, addr: SocketAddr) -> io::Result<Socket> {
        fault::check(Call::Socket)?;
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM.cloexec(), None)?;
        fault::check(Call::SetSockOpt)?;
        socket.set_reuse_address(true)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if let (Some(only_v6), SocketAddr::V6(_)) = (self.only_v6, addr) {
            socket.set_only_v6(only_v6)?;
        }
        fault::check(Call::Bind)?;
        socket.bind(&addr.into())?;
        fault::check(Call::Listen)?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        Ok(socket)
    }
}
