//! TCP.
#![forbid(unsafe_code)]

use crate::sys::behind::{behind, transfers};
use crate::sys::fault::{self, Syscall};
use crate::sys::number;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A connection, or a socket that is about to connect.
pub struct TcpStream(std::net::TcpStream);

transfers! { TcpStream, std::net::TcpStream:
    GetName local_addr() -> SocketAddr;
    GetName peer_addr() -> SocketAddr;
    SetSockOpt set_nodelay(nodelay: bool) -> ();
    GetSockOpt nodelay() -> bool;
    SetSockOpt set_ttl(ttl: u32) -> ();
    GetSockOpt ttl() -> u32;
}

impl TcpStream {
    /// A socket in non-blocking mode whose connection has been begun, and whether it is already established.
    pub(crate) fn connecting(to: SocketAddr) -> io::Result<(Self, bool)> {
        fault::check(Syscall::Socket)?;
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(to), kind, None)?;
        let begun = fault::check(Syscall::Connect).and_then(|()| socket.connect(&to.into()));
        let stands = match begun {
            Ok(()) => true,
            Err(error)
                if error.raw_os_error() == Some(number::EINPROGRESS)
                    || error.kind() == io::ErrorKind::Interrupted =>
            {
                false
            }
            Err(error) => return Err(error),
        };
        Ok((Self(socket.into()), stands))
    }

    /// Has the system check that the peer is still there when it has been silent for so long; `None` for never.
    pub(crate) fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        fault::check(Syscall::SetSockOpt)?;
        let socket = SockRef::from(self);
        match idle {
            Some(idle) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
            None => socket.set_keepalive(false),
        }
    }

    pub(crate) fn keepalive(&self) -> io::Result<Option<Duration>> {
        fault::check(Syscall::GetSockOpt)?;
        let socket = SockRef::from(self);
        if socket.keepalive()? { socket.tcp_keepalive_time().map(Some) } else { Ok(None) }
    }

    pub(crate) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        fault::check(Syscall::SetSockOpt)?;
        SockRef::from(self).set_linger(linger)
    }

    pub(crate) fn linger(&self) -> io::Result<Option<Duration>> {
        fault::check(Syscall::GetSockOpt)?;
        SockRef::from(self).linger()
    }

    pub(crate) fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        fault::check(Syscall::SetSockOpt)?;
        SockRef::from(self).set_tcp_quickack(quickack)
    }

    pub(crate) fn quickack(&self) -> io::Result<bool> {
        fault::check(Syscall::GetSockOpt)?;
        SockRef::from(self).tcp_quickack()
    }
}

/// A socket that listens. It is in non-blocking mode.
pub(crate) struct TcpListener(std::net::TcpListener);

behind! { TcpListener, std::net::TcpListener:
    GetName local_addr() -> SocketAddr;
    SetSockOpt set_ttl(ttl: u32) -> ();
    GetSockOpt ttl() -> u32;
    GetSockOpt take_error() -> Option<io::Error>;
}

/// Options for a socket that is to listen.
#[derive(Clone, Debug)]
pub(crate) struct Listening {
    /// How many connections that nobody has accepted the system keeps.
    pub(crate) backlog: u32,
    /// Whether several sockets may listen at the same address.
    pub(crate) reuse_port: bool,
    /// Whether a socket for IPv6 refuses connections of IPv4; `None` leaves that to the system.
    pub(crate) only_v6: Option<bool>,
}

impl TcpListener {
    pub(crate) fn bind(at: SocketAddr) -> io::Result<Self> {
        fault::check(Syscall::Socket)?;
        fault::check(Syscall::Bind)?;
        fault::check(Syscall::Listen)?;
        std::net::TcpListener::bind(at).and_then(Self::not_to_wait)
    }

    fn not_to_wait(inner: std::net::TcpListener) -> io::Result<Self> {
        fault::check(Syscall::Fcntl)?;
        inner.set_nonblocking(true)?;
        Ok(Self(inner))
    }

    /// As [`bind`](Self::bind), with options that std does not offer.
    pub(crate) fn listening(at: SocketAddr, how: &Listening) -> io::Result<Self> {
        fault::check(Syscall::Socket)?;
        let socket = Socket::new(Domain::for_address(at), Type::STREAM.cloexec(), None)?;
        fault::check(Syscall::SetSockOpt)?;
        // As std does, so that a server which is started again need not wait for the last packets of its old
        // connections.
        socket.set_reuse_address(true)?;
        if how.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if let (Some(only_v6), SocketAddr::V6(_)) = (how.only_v6, at) {
            socket.set_only_v6(only_v6)?;
        }
        fault::check(Syscall::Bind)?;
        socket.bind(&at.into())?;
        fault::check(Syscall::Listen)?;
        socket.listen(i32::try_from(how.backlog).unwrap_or(i32::MAX))?;
        Self::not_to_wait(socket.into())
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        fault::check(Syscall::Accept)?;
        self.0.accept().map(|(stream, from)| (TcpStream(stream), from))
    }
}
