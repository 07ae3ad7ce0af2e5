//! Where a server's connections come from.
#![forbid(unsafe_code)]

use crate::net::{SocketAddr, TcpListener, TcpStream};
use crate::os::unix::net::{self as unix, UnixListener, UnixStream};
use socket2::{Domain, Protocol, Socket, Type};
use std::fmt;
use std::io;

/// What a [`StreamServer`](super::StreamServer) accepts connections from. Implement it for what wraps them, such as TLS.
pub trait Listener: Send + 'static {
    /// A connection.
    type Stream: Send + 'static;
    /// Who is at the other end.
    type Addr: Clone + fmt::Debug + Send + Sync + 'static;

    /// Waits for the next connection. What takes long besides that, such as a handshake, belongs into the handler: no
    /// other connection is accepted meanwhile.
    ///
    /// # Errors
    /// What the system said. The server goes on after all errors but those that say that this is no listening socket.
    fn accept(&self) -> io::Result<(Self::Stream, Self::Addr)>;

    /// The address that it listens on.
    ///
    /// # Errors
    /// What the system said.
    fn local_addr(&self) -> io::Result<Self::Addr>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        Self::accept(self)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Addr = unix::SocketAddr;

    fn accept(&self) -> io::Result<(UnixStream, unix::SocketAddr)> {
        Self::accept(self)
    }

    fn local_addr(&self) -> io::Result<unix::SocketAddr> {
        Self::local_addr(self)
    }
}

pub(super) fn bind_one(address: SocketAddr, backlog: i32, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // As std: a server that is started again need not wait for its old connections' last packets.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(std::net::TcpListener::from(socket).into())
}
