//! A TCP connection.
#![forbid(unsafe_code)]

use super::addr::each_addr;
use super::{Shutdown, SocketAddr, ToSocketAddrs};
use crate::io::{Io, descriptor, from_std, socket_methods, stream_traits};
use crate::runtime::reactor::Direction;
use crate::sys::time::deadline_after;
use crate::sys::{net, socket};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// A TCP connection, as [`std::net::TcpStream`]: same methods, same errors, but waiting suspends only the green thread.
///
/// One green thread may read while another writes, by shared reference (`&TcpStream` has [`Read`] and [`Write`] too) or
/// through [`try_clone`](Self::try_clone). It is closed when all handles are dropped.
///
/// # Examples
/// ```
/// use greenthread::net::{TcpListener, TcpStream};
/// use std::io::{Read, Write};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let server = greenthread::spawn(move || -> std::io::Result<()> {
///     let (mut stream, _) = listener.accept()?;
///     stream.write_all(b"hello")
/// });
/// let mut text = String::new();
/// TcpStream::connect(address)?.read_to_string(&mut text)?;
/// server.join().unwrap()?;
/// assert_eq!(text, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// One reads while another writes, and a read that takes too long:
/// ```
/// use greenthread::net::{Shutdown, TcpListener, TcpStream};
/// use std::io::{ErrorKind, Read, Write};
/// use std::time::Duration;
///
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// let mut stream = TcpStream::connect(listener.local_addr()?)?;
/// let (peer, _) = listener.accept()?;
///
/// stream.set_read_timeout(Some(Duration::from_millis(1)))?;
/// assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
/// stream.set_read_timeout(None)?;
///
/// let mut writer = stream.try_clone()?;
/// let write = greenthread::spawn(move || -> std::io::Result<()> {
///     writer.write_all(b"all of it")?;
///     // The peer sees the end, though `stream` is still open for reading.
///     writer.shutdown(Shutdown::Write)
/// });
/// let answer = greenthread::spawn(move || std::io::copy(&mut &peer, &mut &peer));
/// let mut text = String::new();
/// stream.read_to_string(&mut text)?;
/// assert_eq!(text, "all of it");
/// # write.join().unwrap()?;
/// # answer.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "socket")]
#[doc(alias = "dial")]
#[doc(alias = "create_connection")]
#[doc(alias = "open_connection")]
pub struct TcpStream {
    io: Io<net::TcpStream>,
}

impl TcpStream {
    pub(super) fn accepted(inner: net::TcpStream) -> Self {
        Self { io: Io::new(inner) }
    }

    /// Opens a connection, as [`std::net::TcpStream::connect`]. Of several addresses, each is tried until one answers.
    /// Suspends the green thread while it looks up a name and until the connection stands or has failed.
    ///
    /// # Errors
    /// Of several addresses, the error of the last. No socket is left open.
    /// - [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if nobody listens there.
    /// - [`TimedOut`](io::ErrorKind::TimedOut) if nobody answers; the system gives up after some two minutes. See
    ///   [`connect_timeout`](Self::connect_timeout).
    /// - [`HostUnreachable`](io::ErrorKind::HostUnreachable) or
    ///   [`NetworkUnreachable`](io::ErrorKind::NetworkUnreachable) if there is no way to that address.
    /// - [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if no port of this machine is free for it.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if `addr` gives no address at all, and the errors of
    ///   [`to_socket_addrs`](ToSocketAddrs::to_socket_addrs).
    /// - Too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// Host names are looked up without holding up the worker:
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    /// use std::io::ErrorKind;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let port = listener.local_addr()?.port();
    /// let stream = TcpStream::connect(("localhost", port))?;
    /// assert_eq!(stream.peer_addr()?.port(), port);
    ///
    /// // Nobody listens there.
    /// let refused = TcpStream::connect(("127.0.0.1", 1)).unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "dial")]
    #[doc(alias = "create_connection")]
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        each_addr(addr, |addr| Self::connect_until(addr, None))
    }

    /// Like [`connect`](Self::connect), to one address and for `timeout` at most.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) when `timeout` has passed, [`InvalidInput`](io::ErrorKind::InvalidInput)
    /// if it is zero; else as `connect`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect_timeout(&listener.local_addr()?, Duration::from_secs(10))?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "DialTimeout")]
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        if timeout.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "cannot set a 0 duration timeout",
            ));
        }
        Self::connect_until(*addr, deadline_after(timeout))
    }

    fn connect_until(addr: SocketAddr, deadline: Option<Instant>) -> io::Result<Self> {
        let (socket, stands) = net::TcpStream::connecting(addr)?;
        let io = Io::new(socket);
        if !stands {
            Self::finish_connect(&io, deadline)?;
        }
        socket::set_nonblocking(io.as_fd(), false)?;
        Ok(Self { io })
    }

    fn finish_connect(io: &Io<net::TcpStream>, deadline: Option<Instant>) -> io::Result<()> {
        loop {
            if !io.wait(Direction::Write, deadline)? {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"));
            }
            if let Some(error) = io.get().take_error()? {
                return Err(error);
            }
            match io.get().peer_addr() {
                // The wait has ended without a cause: it is still connecting.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the connection has been reset, or has been shut down from both
    /// ends.
    ///
    /// # Examples
    /// Both addresses of a connection, seen from both ends:
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let (server, _) = listener.accept()?;
    /// assert_eq!(client.peer_addr()?, server.local_addr()?);
    /// assert_eq!(client.local_addr()?, server.peer_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "getpeername")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// Only if the system has no memory for the answer.
    #[doc(alias = "getsockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// Ends one direction or both, for all handles of the connection. Green threads that wait for them wake: a read
    /// returns 0, which is the end, and a write fails with `BrokenPipe`. Does not wait until the peer has what was
    /// sent.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the connection has been reset, or has been shut down from both
    /// ends already.
    ///
    /// # Examples
    /// A request whose end the server must see, though the answer is still to come:
    /// ```
    /// use greenthread::net::{Shutdown, TcpListener, TcpStream};
    /// use std::io::{Read, Write};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// greenthread::spawn(move || -> std::io::Result<()> {
    ///     let (mut stream, _) = listener.accept()?;
    ///     let mut request = Vec::new();
    ///     stream.read_to_end(&mut request)?;
    ///     write!(stream, "{} bytes", request.len())
    /// });
    /// let mut stream = TcpStream::connect(address)?;
    /// stream.write_all(b"a request")?;
    /// stream.shutdown(Shutdown::Write)?;
    /// let mut answer = String::new();
    /// stream.read_to_string(&mut answer)?;
    /// assert_eq!(answer, "9 bytes");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "close_write")]
    #[doc(alias = "write_eof")]
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        socket::shut_down(self.io.as_fd(), how)
    }

    socket_methods!();

    /// Reads without taking the data away: the next read gets it again. Suspends the green thread until there is some,
    /// or the end.
    ///
    /// # Errors
    /// As [`read`](Read::read): [`ConnectionReset`](io::ErrorKind::ConnectionReset) if the peer broke the connection
    /// off, [`WouldBlock`](io::ErrorKind::WouldBlock) when the [read timeout](Self::set_read_timeout) has passed or in
    /// [non-blocking mode](Self::set_nonblocking).
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    /// use std::io::{Read, Write};
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut client = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut stream, _) = listener.accept()?;
    /// client.write_all(b"GET /")?;
    /// let mut first = [0];
    /// // The first byte tells which protocol the client speaks.
    /// stream.peek(&mut first)?;
    /// assert_eq!(&first, b"G");
    /// let mut all = [0; 5];
    /// stream.read_exact(&mut all)?;
    /// assert_eq!(&all, b"GET /");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.peek(buf)
    }

    /// Whether small packets are sent at once rather than gathered (`TCP_NODELAY`); not unless set.
    ///
    /// # Errors
    /// None for a TCP socket. The system refuses this if the descriptor came from elsewhere and is something else.
    ///
    /// # Examples
    /// For small requests that must not wait for more to be sent with them:
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert!(!stream.nodelay()?);
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "TCP_NODELAY")]
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.get().set_nodelay(nodelay)
    }

    /// The answer to [`set_nodelay`](Self::set_nodelay).
    ///
    /// # Errors
    /// As `set_nodelay`.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get().nodelay()
    }

    /// After how long without data the system begins to ask the peer whether it is still there, so that one that has
    /// vanished becomes an error of the next read (`SO_KEEPALIVE` and `TCP_KEEPIDLE`, in whole seconds). `None`, as it
    /// is at first, means never. Not in std.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for less than a second and for more than 32,767; nothing is
    /// changed then, except that asking may have been switched on.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.keepalive()?, None);
    /// stream.set_keepalive(Some(Duration::from_secs(60)))?;
    /// assert_eq!(stream.keepalive()?, Some(Duration::from_secs(60)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_KEEPALIVE")]
    #[doc(alias = "TCP_KEEPIDLE")]
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        self.io.get().set_keepalive(idle)
    }

    /// The time that [`set_keepalive`](Self::set_keepalive) set.
    ///
    /// # Errors
    /// None for a TCP socket. The system refuses this if the descriptor came from elsewhere and is something else.
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        self.io.get().keepalive()
    }

    /// What happens to data that has not been sent when the connection is closed (`SO_LINGER`, in whole seconds). With
    /// `None`, as it is at first, the system goes on sending it by itself. With zero the data is thrown away and the
    /// connection is reset. Otherwise whoever drops the last handle waits until the peer has everything, for this long
    /// at most. That wait suspends only the green thread, and neither a kill nor a timeout ends it. A connection that
    /// was turned into std's type is closed as std does. Unstable in std.
    ///
    /// # Errors
    /// None for a TCP socket. The system refuses this if the descriptor came from elsewhere and is something else.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    /// use std::io::{ErrorKind, Read};
    /// use std::time::Duration;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut peer, _) = listener.accept()?;
    /// stream.set_linger(Some(Duration::ZERO))?;
    /// drop(stream);
    /// assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_LINGER")]
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.io.get().set_linger(linger)
    }

    /// The time that [`set_linger`](Self::set_linger) set.
    ///
    /// # Errors
    /// As `set_linger`.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.io.get().linger()
    }

    /// Sets how many routers a packet may pass on its way (the field `TTL` of IPv4).
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for 0 and for more than 255.
    ///
    /// # Examples
    /// For a service that is to be reached from the local network only:
    /// ```
    /// use greenthread::net::{TcpListener, TcpStream};
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_ttl(1)?;
    /// assert_eq!(stream.ttl()?, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
}

stream_traits!(TcpStream, net::TcpStream);
descriptor!(TcpStream, std::net::TcpStream);
from_std!(TcpStream, std::net::TcpStream);
