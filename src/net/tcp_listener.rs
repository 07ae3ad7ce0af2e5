//! A TCP socket that listens.
#![forbid(unsafe_code)]

use super::addr::each_addr;
use super::{SocketAddr, TcpStream, ToSocketAddrs};
use crate::io::{Io, descriptor, from_std};
use crate::runtime::reactor::Direction;
use crate::sys::net;
use std::io;
use std::iter::FusedIterator;

/// A TCP socket that listens for connections, as [`std::net::TcpListener`]: same methods, same errors, but waiting
/// suspends only the green thread. Several green threads may accept from one listener; each connection goes to one of
/// them.
///
/// For a server that bounds the number of its connections, outlives panics and stops with grace there is
/// [`StreamServer`](crate::server::StreamServer).
///
/// # Examples
/// ```
/// use greenthread::net::{TcpListener, TcpStream};
/// use std::io::{self, Read, Write};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// greenthread::spawn(move || {
///     for stream in listener.incoming().flatten() {
///         // A green thread for each connection: it sends back whatever comes.
///         greenthread::spawn(move || io::copy(&mut &stream, &mut &stream));
///     }
/// });
/// let mut client = TcpStream::connect(address)?;
/// client.write_all(b"echo")?;
/// let mut reply = [0; 4];
/// client.read_exact(&mut reply)?;
/// assert_eq!(&reply, b"echo");
/// # Ok::<(), io::Error>(())
/// ```
#[doc(alias = "listen")]
#[doc(alias = "socket")]
#[doc(alias = "start_server")]
pub struct TcpListener {
    /// The descriptor is in non-blocking mode; what the user asked for is in the modes of `Io`.
    io: Io<net::TcpListener>,
}

impl TcpListener {
    /// Binds to an address and listens there, as [`std::net::TcpListener::bind`]. Port 0 lets the system choose a free
    /// one, which [`local_addr`](Self::local_addr) tells. Of several addresses, the first that can be had is taken.
    /// Suspends the green thread only while it looks up a name.
    ///
    /// # Errors
    /// Of several addresses, the error of the last:
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse) if something listens there already.
    /// - [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if it is not an address of this machine.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) for a port that only a privileged process may have;
    ///   mostly those below 1024.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if `addr` gives no address at all, and the errors of
    ///   [`to_socket_addrs`](ToSocketAddrs::to_socket_addrs).
    /// - Too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::TcpListener;
    /// use std::io::ErrorKind;
    ///
    /// let listener = TcpListener::bind(("127.0.0.1", 0))?;
    /// let address = listener.local_addr()?;
    /// assert_ne!(address.port(), 0);
    /// // Two programs that want the same port.
    /// assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        each_addr(addr, net::TcpListener::bind).map(Self::made)
    }

    pub(super) fn made(inner: net::TcpListener) -> Self {
        Self { io: Io::new(inner) }
    }

    /// The address that it listens on, with the port that the system chose.
    ///
    /// # Errors
    /// Only if the system has no memory for the answer.
    ///
    /// # Examples
    /// The port that clients are to be told:
    /// ```
    /// use greenthread::net::TcpListener;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// println!("listening on {}", listener.local_addr()?);
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// A second handle to the same socket, which is closed when all handles are dropped. Both see the mode that either
    /// of them [sets](Self::set_nonblocking).
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`); this handle stays as it was.
    ///
    /// # Examples
    /// Two green threads that accept:
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let second = listener.try_clone()?;
    /// let acceptors = [listener, second].map(|listener| greenthread::spawn(move || listener.accept()));
    /// let clients = [TcpStream::connect(address)?, TcpStream::connect(address)?];
    /// for acceptor in acceptors {
    ///     let (_, from) = acceptor.join().unwrap()?;
    ///     assert!(clients.iter().any(|client| client.local_addr().unwrap() == from));
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { io: self.io.duplicate(self.io.get().try_clone()?) })
    }

    /// Takes the next connection, and tells the address of its other end. Suspends the green thread until there is one.
    ///
    /// # Errors
    /// The listener can be used on after each of them:
    /// - Too many open files (`EMFILE` or `ENFILE`). The connection stays in the backlog, so the next call fails at
    ///   once in the same way until something is closed: wait a moment before it.
    /// - [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client left before it was accepted.
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock) in [non-blocking mode](Self::set_nonblocking), if no connection is
    ///   there.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) once the socket has been shut down.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    /// use std::io::Write;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// # let client = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut stream, from) = listener.accept()?;
    /// assert!(from.ip().is_loopback());
    /// stream.write_all(b"welcome")?;
    /// # assert_eq!(from, client.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accept = |listener: &net::TcpListener, _| listener.accept();
        let (stream, addr) = self.io.run_somehow(Direction::Read, accept)?;
        Ok((TcpStream::accepted(stream), addr))
    }

    /// Like [`accept`](Self::accept), and waits in non-blocking mode too.
    pub(crate) fn accept_in_any_mode(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.io.in_any_mode(Direction::Read, || self.accept())
    }

    /// An iterator over the connections as they come. It never ends: each item is what [`accept`](Self::accept)
    /// returns, without the address, and suspends the green thread in the same way.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let clients = greenthread::spawn(move || (0..3).map(|_| TcpStream::connect(address)).count());
    /// // A server that serves three, and then no more.
    /// for stream in listener.incoming().take(3) {
    ///     let stream = stream?;
    ///     greenthread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
    /// }
    /// assert_eq!(clients.join().unwrap(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "Accept")]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Like [`incoming`](Self::incoming), but owns the listener, so that it can be moved into a green thread.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    /// use std::io::{Read, Write};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let greet = |stream: std::io::Result<TcpStream>| stream?.write_all(b"hello");
    /// greenthread::spawn(move || listener.into_incoming().map(greet).for_each(drop));
    /// let mut text = String::new();
    /// TcpStream::connect(address)?.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_incoming(self) -> IntoIncoming {
        IntoIncoming { listener: self }
    }

    /// Sets how many routers a packet may pass on its way (the field `TTL` of IPv4), as [`TcpStream::set_ttl`].
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for 0 and for more than 255.
    #[doc(alias = "IP_TTL")]
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_ttl(ttl)
    }

    /// The number that [`set_ttl`](Self::set_ttl) set, or the system's own.
    ///
    /// # Errors
    /// None for a TCP socket. The system refuses this if the descriptor came from elsewhere and is something else.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Takes the error that has been met on the socket since the last call, if there is one (`SO_ERROR`).
    ///
    /// # Errors
    /// None for a socket. The system refuses this if the descriptor came from elsewhere and is something else.
    #[doc(alias = "SO_ERROR")]
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get().take_error()
    }

    /// In non-blocking mode, an [`accept`](Self::accept) that would have to wait fails with `WouldBlock` instead. It is
    /// seldom needed, as waiting suspends only the green thread.
    ///
    /// # Errors
    /// None: it is `Result` as in std, but the descriptor itself does not block in either mode.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::TcpListener;
    /// use std::io::ErrorKind;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_nonblocking(true)?;
    /// assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// assert!(listener.take_error()?.is_none(), "that was none of the socket's");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "setblocking")]
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.io.set_nonblocking(nonblocking);
        Ok(())
    }
}

/// An iterator over connections that never ends; made by [`TcpListener::incoming`].
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

/// An iterator over connections that owns its listener and never ends; made by [`TcpListener::into_incoming`].
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
from_std!(TcpListener, std::net::TcpListener);
