//! A connection between two processes of one machine.
#![forbid(unsafe_code)]

use super::SocketAddr;
use crate::io::{Io, descriptor, from_std, retry, socket_methods, stream_traits};
use crate::net::Shutdown;
use crate::runtime::reactor::Direction;
use crate::sys::ancillary;
use crate::sys::net::address::{self, Address};
use crate::sys::{net, socket};
use crate::util::dropping::seen_in;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// A Unix connection, as [`std::os::unix::net::UnixStream`]: same methods, same errors, but waiting suspends only the
/// green thread.
///
/// One green thread may read while another writes, by shared reference (`&UnixStream` has [`Read`] and [`Write`] too)
/// or through [`try_clone`](Self::try_clone).
///
/// # Examples
/// ```
/// use greenthread::os::unix::net::UnixStream;
/// use std::io::{Read, Write};
///
/// let (mut here, mut there) = UnixStream::pair()?;
/// let reader = greenthread::spawn(move || {
///     let mut text = String::new();
///     there.read_to_string(&mut text).map(|_| text)
/// });
/// here.write_all(b"hello")?;
/// drop(here);
/// assert_eq!(reader.join().unwrap()?, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "socket")]
#[doc(alias = "AF_UNIX")]
#[doc(alias = "open_unix_connection")]
pub struct UnixStream {
    io: Io<net::UnixStream>,
}

impl UnixStream {
    pub(super) fn accepted(inner: net::UnixStream) -> Self {
        Self { io: Io::new(inner) }
    }

    /// Connects to the socket at a path, as [`std::os::unix::net::UnixStream::connect`]. Suspends the green thread
    /// while the backlog of the listener is full.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no such path,
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if nobody listens there,
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be written,
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a path of more than 107 bytes; too many open files (`EMFILE`
    /// or `ENFILE`).
    ///
    /// # Examples
    /// ```
    /// use greenthread::os::unix::net::UnixStream;
    /// use std::io::ErrorKind;
    ///
    /// // The server is not there.
    /// let error = UnixStream::connect("/nowhere/service.socket").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// ```
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        let to = seen_in(path, |path| address::of_path(path.as_ref()))?;
        Self::connect_to(&to)
    }

    /// Like [`connect`](Self::connect), to an address, which may be an abstract name.
    ///
    /// # Errors
    /// As `connect`; an abstract name that nobody has is [`ConnectionRefused`](io::ErrorKind::ConnectionRefused).
    pub fn connect_addr(socket_addr: &SocketAddr) -> io::Result<Self> {
        Self::connect_to(&address::of_unix(socket_addr)?)
    }

    fn connect_to(addr: &Address) -> io::Result<Self> {
        let socket = net::UnixStream::unconnected()?;
        retry(None, || socket.connect(addr))?;
        socket::set_nonblocking(socket.as_fd(), false)?;
        Ok(Self { io: Io::new(socket) })
    }

    /// The two ends of a new connection. Neither has a name.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// Two green threads, or a process and its child, that talk both ways:
    /// ```
    /// use greenthread::os::unix::net::UnixStream;
    /// use std::io::{Read, Write};
    ///
    /// let (mut asks, mut answers) = UnixStream::pair()?;
    /// let answerer = greenthread::spawn(move || -> std::io::Result<()> {
    ///     let mut number = [0];
    ///     answers.read_exact(&mut number)?;
    ///     answers.write_all(&[number[0] * 2])
    /// });
    /// asks.write_all(&[21])?;
    /// let mut answer = [0];
    /// asks.read_exact(&mut answer)?;
    /// assert_eq!(answer, [42]);
    /// assert!(asks.local_addr()?.is_unnamed() && asks.peer_addr()?.is_unnamed());
    /// # answerer.join().unwrap()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(Self, Self)> {
        net::UnixStream::pair().map(|(a, b)| (Self::accepted(a), Self::accepted(b)))
    }

    /// The address of this end, which mostly has no name.
    ///
    /// # Errors
    /// Only if the system has no memory for the answer.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address of the other end: for a client, that of the listener.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the descriptor came from elsewhere and is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// Ends one direction or both, for all handles of the connection. Green threads that wait for them wake: a read
    /// returns 0, which is the end, and a write fails with `BrokenPipe`.
    ///
    /// # Errors
    /// None for a Unix socket. The system refuses this if the descriptor came from elsewhere and is something else.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::Shutdown;
    /// use greenthread::os::unix::net::UnixStream;
    /// use std::io::{Read, Write};
    ///
    /// let (mut a, mut b) = UnixStream::pair()?;
    /// a.write_all(b"that is all")?;
    /// a.shutdown(Shutdown::Write)?;
    /// let mut text = String::new();
    /// b.read_to_string(&mut text)?;
    /// // The other direction is still open.
    /// b.write_all(text.to_uppercase().as_bytes())?;
    /// let mut answer = [0; 11];
    /// a.read_exact(&mut answer)?;
    /// assert_eq!(&answer, b"THAT IS ALL");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "close_write")]
    #[doc(alias = "write_eof")]
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        socket::shut_down(self.io.as_fd(), how)
    }

    /// Sends bytes and, with the first of them, descriptors. The receiver gets duplicates of its own, by
    /// [`recv_fds`](Self::recv_fds). Returns how many bytes were sent; if any were, the descriptors were too. Suspends
    /// the green thread while there is no room. As Python's `socket.send_fds`; not in std.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for more than 253 descriptors, or if `buf` is empty, as
    /// descriptors travel with bytes; else those of a write, such as [`BrokenPipe`](io::ErrorKind::BrokenPipe). The
    /// descriptors were not sent then.
    ///
    /// # Examples
    /// ```
    /// use greenthread::os::unix::net::UnixStream;
    /// use std::io::{Read, Write};
    /// use std::os::fd::AsFd;
    ///
    /// let (a, b) = UnixStream::pair()?;
    /// let (mut far, near) = UnixStream::pair()?;
    /// a.send_fds(b"take this", &[near.as_fd()])?;
    /// drop(near);
    ///
    /// let (mut buffer, mut fds) = ([0; 64], Vec::new());
    /// let size = b.recv_fds(&mut buffer, &mut fds)?;
    /// assert_eq!(&buffer[..size], b"take this");
    /// let mut near = UnixStream::from(fds.pop().unwrap());
    /// near.write_all(b"hello")?;
    /// drop(near);
    /// let mut text = String::new();
    /// far.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SCM_RIGHTS")]
    #[doc(alias = "sendmsg")]
    pub fn send_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        if buf.is_empty() && !fds.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "descriptors travel with bytes: there must be one at least",
            ));
        }
        self.io.run(Direction::Write, |fd| ancillary::send_fds(fd, buf, fds))
    }

    /// Reads bytes as [`read`](Read::read) does, and appends the descriptors that came with them to `fds`. They are
    /// closed on `exec`. (A plain `read` drops the descriptors that come, which closes them.) Not in std.
    ///
    /// # Errors
    /// Those of a read, such as [`ConnectionReset`](io::ErrorKind::ConnectionReset). If this process has no room for a
    /// descriptor (`EMFILE`), the descriptors for which there was room are in `fds`; the others and the bytes are lost.
    #[doc(alias = "SCM_RIGHTS")]
    #[doc(alias = "recvmsg")]
    pub fn recv_fds(&self, buf: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
        self.io.run(Direction::Read, |fd| ancillary::recv_fds(fd, buf, fds))
    }

    socket_methods!();
}

stream_traits!(UnixStream, net::UnixStream);
descriptor!(UnixStream, std::os::unix::net::UnixStream);
from_std!(UnixStream, std::os::unix::net::UnixStream);
