//! Where a server's connections come from.
#![forbid(unsafe_code)]

use super::backoff::is_fatal;
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
    /// A panic here ends the server: [`serve_forever`](super::StreamServer::serve_forever) returns an error.
    ///
    /// # Errors
    /// What the system said, or what was wrong with one connection. The server goes on after all errors but those that
    /// [`is_fatal`](Self::is_fatal) names. `WouldBlock`, of a socket in non-blocking mode, is asked again after ten
    /// milliseconds; the listeners of this library wait here in that mode too.
    fn accept(&self) -> io::Result<(Self::Stream, Self::Addr)>;

    /// Whether this error of [`accept`](Self::accept) means that there will never be another connection, so that the server
    /// ends with it. Unless said otherwise these are the errors of the system for what is no listening socket: `EBADF`,
    /// `EINVAL`, `ENOTSOCK` and `EOPNOTSUPP`.
    fn is_fatal(&self, error: &io::Error) -> bool {
        is_fatal(error)
    }

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
        self.accept_in_any_mode()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Addr = unix::SocketAddr;

    fn accept(&self) -> io::Result<(UnixStream, unix::SocketAddr)> {
        self.accept_in_any_mode()
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
