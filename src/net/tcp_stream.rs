//! A TCP connection.
#![forbid(unsafe_code)]

use super::{Shutdown, SocketAddr, ToSocketAddrs};
use crate::io::Io;
use crate::runtime::reactor::Direction;
use crate::sys::fault::{self, Call};
use crate::sys::socket::{self, Take};
use crate::sys::time::deadline_after;
use socket2::{Domain, SockRef, Socket, Type};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// A TCP connection, as [`std::net::TcpStream`]: same methods, same errors, but waiting suspends only the green thread.
///
/// One green thread may read while another writes, through [`try_clone`](Self::try_clone) or by shared reference.
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
pub struct TcpStream {
    io: Io<std::net::TcpStream>,
}

/// Calls `attempt` with each address until one succeeds, as std does.
pub(super) fn each_addr<T>(
    addr: impl ToSocketAddrs,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for addr in addr.to_socket_addrs()? {
        match attempt(addr) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
    }))
}

impl TcpStream {
    pub(super) fn accepted(inner: std::net::TcpStream) -> Self {
        Self { io: Io::new(inner) }
    }

    /// Opens a connection, as [`std::net::TcpStream::connect`]. Suspends until it stands or fails.
    ///
    /// # Errors
    /// What the last of the addresses failed with; `ConnectionRefused` where nobody listens.
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        each_addr(addr, |addr| Self::connect_until(addr, None))
    }

    /// Like [`connect`](Self::connect), to one address and for at most `timeout`.
    ///
    /// # Errors
    /// `InvalidInput` for a timeout of zero, `TimedOut` when it has passed.
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
        fault::check(Call::Socket)?;
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(addr), kind, None)?;
        let connecting = fault::check(Call::Connect).and_then(|()| socket.connect(&addr.into()));
        let io = Io::new(std::net::TcpStream::from(socket));
        match connecting {
            Ok(()) => {}
            Err(error)
                if error.raw_os_error() == Some(libc::EINPROGRESS)
                    || error.kind() == io::ErrorKind::Interrupted =>
            {
                Self::finish_connect(&io, deadline)?;
            }
            Err(error) => return Err(error),
        }
        io.get().set_nonblocking(false)?;
        Ok(Self { io })
    }

    fn finish_connect(io: &Io<std::net::TcpStream>, deadline: Option<Instant>) -> io::Result<()> {
        loop {
            if !io.wait(Direction::Write, deadline)? {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"));
            }
            fault::check(Call::GetSockOpt)?;
            if let Some(error) = io.get().take_error()? {
                return Err(error);
            }
            match io.get().peer_addr() {
                // Woken for nothing: it is still connecting.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// The address at the other end.
    ///
    /// # Errors
    /// `NotConnected`, or what the system said.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// The address at this end.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// Ends one or both directions; green threads that wait for them wake and see the end.
    ///
    /// # Errors
    /// `NotConnected`, or what the system said.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        fault::check(Call::Shutdown)?;
        self.io.get().shutdown(how)
    }

    /// A second handle to the same connection.
    ///
    /// # Errors
    /// What the system said, such as too many open files.
    pub fn try_clone(&self) -> io::Result<Self> {
        fault::check(Call::Dup)?;
        Ok(Self { io: self.io.duplicate(self.io.get().try_clone()?) })
    }

    /// How long a read may wait; `None` is for ever. A read that took longer fails with `WouldBlock`.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().set_read_timeout(timeout)?;
        self.io.set_timeout(Direction::Read, timeout);
        Ok(())
    }

    /// How long a write may wait; `None` is for ever. A write that took longer fails with `WouldBlock`.
    ///
    /// # Errors
    /// `InvalidInput` for zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().set_write_timeout(timeout)?;
        self.io.set_timeout(Direction::Write, timeout);
        Ok(())
    }

    /// What [`set_read_timeout`](Self::set_read_timeout) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.io.get().read_timeout()
    }

    /// What [`set_write_timeout`](Self::set_write_timeout) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.io.get().write_timeout()
    }

    /// Reads without taking the data away. Suspends until there is some.
    ///
    /// # Errors
    /// As [`read`](Read::read).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.run(Direction::Read, |fd| socket::recv(fd, buf, Take::Peek))
    }

    /// Whether small packets are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// What the system said.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.get().set_nodelay(nodelay)
    }

    /// What [`set_nodelay`](Self::set_nodelay) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get().nodelay()
    }

    /// What happens to unsent data when the connection is closed (`SO_LINGER`): zero resets it.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.io.get()).set_linger(linger)
    }

    /// What [`set_linger`](Self::set_linger) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self.io.get()).linger()
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

    /// The error that the connection has met since this was last called.
    ///
    /// # Errors
    /// What the system said.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        fault::check(Call::GetSockOpt)?;
        self.io.get().take_error()
    }

    /// In non-blocking mode, what would wait fails with `WouldBlock` instead.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.io.get().set_nonblocking(nonblocking)?;
        self.io.set_nonblocking(nonblocking);
        Ok(())
    }
}

impl Read for &TcpStream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = buf.len();
        self.io.run_unless_short(
            Direction::Read,
            |fd| socket::recv(fd, buf, Take::Consume),
            |&got| got < room,
        )
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.io.run(Direction::Read, |fd| socket::recv_vectored(fd, bufs))
    }
}

impl Write for &TcpStream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.io.run_unless_short(
            Direction::Write,
            |fd| socket::send(fd, buf),
            |&sent| sent < buf.len(),
        )
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.io.run(Direction::Write, |fd| socket::send_vectored(fd, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for TcpStream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

/// Keeps the socket's mode and timeouts.
impl From<std::net::TcpStream> for TcpStream {
    fn from(inner: std::net::TcpStream) -> Self {
        let (read, write) = (inner.read_timeout(), inner.write_timeout());
        Self { io: Io::adopt(inner, read.unwrap_or(None), write.unwrap_or(None)) }
    }
}

/// Keeps the socket's mode and timeouts.
impl From<TcpStream> for std::net::TcpStream {
    fn from(stream: TcpStream) -> Self {
        stream.io.into_inner()
    }
}

impl From<OwnedFd> for TcpStream {
    fn from(fd: OwnedFd) -> Self {
        std::net::TcpStream::from(fd).into()
    }
}

impl From<TcpStream> for OwnedFd {
    fn from(stream: TcpStream) -> Self {
        std::net::TcpStream::from(stream).into()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.io.get().as_raw_fd()
    }
}

impl IntoRawFd for TcpStream {
    fn into_raw_fd(self) -> RawFd {
        OwnedFd::from(self).into_raw_fd()
    }
}
