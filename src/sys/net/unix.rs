//! Unix sockets.
#![forbid(unsafe_code)]

use super::address::Address;
use crate::sys::behind::{behind, transfers};
use crate::sys::fault::{self, Syscall};
use socket2::{Domain, SockRef, Socket, Type};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

/// A connection, or a socket that is about to connect.
pub struct UnixStream(net::UnixStream);

transfers! { UnixStream, net::UnixStream:
    GetName local_addr() -> SocketAddr;
    GetName peer_addr() -> SocketAddr;
}

impl UnixStream {
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        fault::check(Syscall::Socket)?;
        net::UnixStream::pair().map(|(a, b)| (Self(a), Self(b)))
    }

    /// A socket that is in non-blocking mode and not connected yet.
    pub(crate) fn unconnected() -> io::Result<Self> {
        fault::check(Syscall::Socket)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
        Ok(Self(OwnedFd::from(socket).into()))
    }

    /// Connects. `WouldBlock` if the listener's backlog is full.
    pub(crate) fn connect(&self, to: &Address) -> io::Result<()> {
        fault::check(Syscall::Connect)?;
        SockRef::from(self).connect(to)
    }
}

/// A socket that listens. It is in non-blocking mode.
pub(crate) struct UnixListener(net::UnixListener);

behind! { UnixListener, net::UnixListener:
    GetName local_addr() -> SocketAddr;
    GetSockOpt take_error() -> Option<io::Error>;
}

impl UnixListener {
    fn check() -> io::Result<()> {
        fault::check(Syscall::Socket)?;
        fault::check(Syscall::Bind)?;
        fault::check(Syscall::Listen)
    }

    pub(crate) fn bind(at: &Path) -> io::Result<Self> {
        Self::check()?;
        net::UnixListener::bind(at).and_then(Self::not_to_wait)
    }

    pub(crate) fn bind_addr(at: &SocketAddr) -> io::Result<Self> {
        Self::check()?;
        net::UnixListener::bind_addr(at).and_then(Self::not_to_wait)
    }

    fn not_to_wait(inner: net::UnixListener) -> io::Result<Self> {
        fault::check(Syscall::Fcntl)?;
        inner.set_nonblocking(true)?;
        Ok(Self(inner))
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        fault::check(Syscall::Accept)?;
        self.0.accept().map(|(stream, from)| (UnixStream(stream), from))
    }
}

/// A socket for datagrams.
pub(crate) struct UnixDatagram(net::UnixDatagram);

transfers! { UnixDatagram, net::UnixDatagram:
    GetName local_addr() -> SocketAddr;
    GetName peer_addr() -> SocketAddr;
    Connect connect(to: &Path) -> ();
    Connect connect_addr(to: &SocketAddr) -> ();
}

impl UnixDatagram {
    pub(crate) fn bind(at: &Path) -> io::Result<Self> {
        fault::check(Syscall::Socket)?;
        fault::check(Syscall::Bind)?;
        net::UnixDatagram::bind(at).map(Self)
    }

    pub(crate) fn bind_addr(at: &SocketAddr) -> io::Result<Self> {
        fault::check(Syscall::Socket)?;
        fault::check(Syscall::Bind)?;
        net::UnixDatagram::bind_addr(at).map(Self)
    }

    pub(crate) fn unbound() -> io::Result<Self> {
        fault::check(Syscall::Socket)?;
        net::UnixDatagram::unbound().map(Self)
    }

    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        fault::check(Syscall::Socket)?;
        net::UnixDatagram::pair().map(|(a, b)| (Self(a), Self(b)))
    }
}
