//! Where a server's connections come from.
#![forbid(unsafe_code)]

use super::backoff::is_fatal;
use crate::net::{SocketAddr, TcpListener, TcpStream};
use crate::os::unix::net::{self as unix, UnixListener, UnixStream};
use std::fmt;
use std::io;

/// What a [`StreamServer`](super::StreamServer) accepts connections from. Implement it for a listener around another
/// one, such as for TLS.
///
/// # Examples
/// A listener that refuses connections from elsewhere:
/// ```
/// use greenthread::net::{SocketAddr, TcpListener, TcpStream};
/// use greenthread::server::{Listener, StreamServer};
/// use std::io;
///
/// struct Local(TcpListener);
///
/// impl Listener for Local {
///     type Stream = TcpStream;
///     type Addr = SocketAddr;
///
///     fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
///         let (stream, peer) = Listener::accept(&self.0)?;
///         // An error that is not fatal: the server goes on with the next connection.
///         if !peer.ip().is_loopback() {
///             return Err(io::ErrorKind::PermissionDenied.into());
///         }
///         Ok((stream, peer))
///     }
///
///     fn local_addr(&self) -> io::Result<SocketAddr> {
///         self.0.local_addr()
///     }
/// }
///
/// let server = StreamServer::new(Local(TcpListener::bind("127.0.0.1:0")?), |stream, _| drop(stream));
/// server.start()?;
/// # Ok::<(), io::Error>(())
/// ```
pub trait Listener: Send + 'static {
    /// A connection, as the handler gets it.
    type Stream: Send + 'static;
    /// The address of the other end, as the handler gets it.
    type Addr: Clone + fmt::Debug + Send + Sync + 'static;

    /// Waits for the next connection. No other connection is accepted meanwhile, so do what takes long, such as a
    /// handshake, in the handler.
    ///
    /// A panic here ends the server: [`serve_forever`](super::StreamServer::serve_forever) returns an error.
    ///
    /// # Errors
    /// Those of taking a connection, and whatever was wrong with one connection. The server goes on after each error,
    /// except those for which [`is_fatal`](Self::is_fatal) says otherwise. After
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), from a socket in non-blocking mode, it tries again after ten
    /// milliseconds; the listeners of this library wait here in that mode too.
    fn accept(&self) -> io::Result<(Self::Stream, Self::Addr)>;

    /// Whether this error of [`accept`](Self::accept) means that there will never be another connection, so that it
    /// ends the server. Unless you write your own, these are the system's errors for what is not a listening socket:
    /// `EBADF`, `EINVAL`, `ENOTSOCK` and `EOPNOTSUPP`.
    fn is_fatal(&self, error: &io::Error) -> bool {
        is_fatal(error)
    }

    /// The address that it listens on. Called once, when the server is made.
    ///
    /// # Errors
    /// [`StreamServer::local_addr`](super::StreamServer::local_addr) passes them on.
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
