//! A TCP socket that listens.
#![forbid(unsafe_code)]

use super::addr::each_addr;
use super::{SocketAddr, TcpStream, ToSocketAddrs};
use crate::io::{Io, descriptor, from_std};
use crate::runtime::reactor::Direction;
use crate::sys::fault::{self, Call};
use std::io;
use std::iter::FusedIterator;

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
        let inner = each_addr(addr, std::net::TcpListener::bind)?;
        Ok(Self { io: Io::new_by_mode(inner)? })
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
        let (stream, addr) = self.io.run_somehow(Direction::Read, |listener, _| {
            fault::check(Call::Accept)?;
            listener.accept()
        })?;
        Ok((TcpStream::accepted(stream), addr))
    }

    /// Like [`accept`](Self::accept), and waits in non-blocking mode too.
    pub(crate) fn accept_in_any_mode(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.io.in_any_mode(Direction::Read, || self.accept())
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

descriptor!(TcpListener, std::net::TcpListener);
from_std!(TcpListener, std::net::TcpListener, Io::adopt_by_mode);
