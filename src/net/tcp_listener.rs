//! A TCP socket that listens.
#![forbid(unsafe_code)]

use super::{SocketAddr, TcpStream, ToSocketAddrs};
use crate::io::Io;
use crate::runtime::reactor::Direction;
use crate::sys::fault::{self, Call};
use crate::sys::poll;
use crate::sys::socket;
use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Instant;

/// A TCP socket that listens for connections, as [`std::net::TcpListener`]: same methods, same errors, but waiting suspends
/// only the green thread. Several green threads may accept from one listener.
///
/// # Examples
/// ```no_run
/// use std::io::{Read, Write};
/// let listener = greenthread::net::TcpListener::bind("127.0.0.1:7000")?;
/// for stream in listener.incoming() {
///     let mut stream = stream?;
///     greenthread::spawn(move || std::io::copy(&mut stream.try_clone()?, &mut stream));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpListener {
    /// The descriptor is in non-blocking mode; what the user asked for is in the modes of `Io`.
    io: Io<std::net::TcpListener>,
}

impl TcpListener {
    /// Binds to an address and listens, as [`std::net::TcpListener::bind`]. Port 0 takes a free one.
    ///
    /// # Errors
    /// What the last of the addresses failed with, such as `AddrInUse`.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        fault::check(Call::Socket)?;
        fault::check(Call::Bind)?;
        fault::check(Call::Listen)?;
        let inner = std::net::TcpListener::bind(addr)?;
        inner.set_nonblocking(true)?;
        Ok(Self { io: Io::new(inner) })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// A second handle to the same socket.
    ///
    /// # Errors
    /// What the system said, such as too many open files.
    pub fn try_clone(&self) -> io::Result<Self> {
        fault::check(Call::Dup)?;
        Ok(Self { io: self.io.duplicate(self.io.get().try_clone()?) })
    }

    /// Takes the next connection. Suspends until there is one.
    ///
    /// # Errors
    /// What the system said; too many open files (`EMFILE`) leaves the connection in the backlog for the next call.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, addr) = self.io.run(Direction::Read, |fd| {
            fault::check(Call::Accept)?;
            // Where the socket is shared with code outside this library it may have been made blocking again.
            if self.io.is_exported()
                && !socket::is_nonblocking(fd)?
                && !poll::wait_fd(fd.as_raw_fd(), false, Some(Instant::now()))?
            {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.io.get().accept()
        })?;
        Ok((TcpStream::accepted(stream), addr))
    }

    /// The connections as they come, for ever.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Like [`incoming`](Self::incoming), and owns the listener.
    pub fn into_incoming(self) -> IntoIncoming {
        IntoIncoming { listener: self }
    }

    /// Sets how many hops a packet may take.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_ttl(ttl)
    }

    /// What [`set_ttl`](Self::set_ttl) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// The error that the socket has met since this was last called.
    ///
    /// # Errors
    /// What the system said.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get().take_error()
    }

    /// In non-blocking mode, an `accept` that would wait fails with `WouldBlock` instead.
    ///
    /// # Errors
    /// None: the socket itself does not block in either mode.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.io.set_nonblocking(nonblocking);
        Ok(())
    }
}

/// Iterator over connections; made by [`TcpListener::incoming`]. Never ends.
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}

/// Iterator over connections that owns its listener; made by [`TcpListener::into_incoming`]. Never ends.
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct IntoIncoming {
    listener: TcpListener,
}

impl Iterator for IntoIncoming {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for IntoIncoming {}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

/// Keeps the socket's mode as far as the user can see it.
impl From<std::net::TcpListener> for TcpListener {
    fn from(inner: std::net::TcpListener) -> Self {
        let io = Io::adopt(inner, None, None);
        // Should this fail the descriptor is bad, and `accept` will say so.
        let _ = io.get().set_nonblocking(true);
        Self { io }
    }
}

/// Keeps the socket's mode as far as the user can see it.
impl From<TcpListener> for std::net::TcpListener {
    fn from(listener: TcpListener) -> Self {
        let nonblocking = listener.io.is_nonblocking();
        let inner = listener.io.into_inner();
        // Should this fail the descriptor is bad, and `accept` will say so.
        let _ = inner.set_nonblocking(nonblocking);
        inner
    }
}

impl From<OwnedFd> for TcpListener {
    fn from(fd: OwnedFd) -> Self {
        std::net::TcpListener::from(fd).into()
    }
}

impl From<TcpListener> for OwnedFd {
    fn from(listener: TcpListener) -> Self {
        std::net::TcpListener::from(listener).into()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.io.get().as_raw_fd()
    }
}

impl IntoRawFd for TcpListener {
    fn into_raw_fd(self) -> RawFd {
        OwnedFd::from(self).into_raw_fd()
    }
}
