//! Datagrams between processes of one machine.
#![forbid(unsafe_code)]

use super::SocketAddr;
use crate::io::{Io, descriptor, from_std, retry, shut_down, socket_methods};
use crate::net::Shutdown;
use crate::runtime::reactor::Direction;
use crate::sys::ancillary;
use crate::sys::net;
use crate::sys::net::address::{self, Address};
use crate::sys::socket::{self, Take};
use crate::util::dropping::seen_in;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// A Unix datagram socket, as [`std::os::unix::net::UnixDatagram`]: same methods, same errors, but waiting suspends
/// only the green thread. Datagrams are neither lost nor reordered; one for which there is no room waits.
///
/// # Examples
/// ```
/// use greenthread::os::unix::net::UnixDatagram;
///
/// let (a, b) = UnixDatagram::pair()?;
/// let sender = greenthread::spawn(move || a.send(b"hello"));
/// let mut buffer = [0; 100];
/// let size = b.recv(&mut buffer)?;
/// assert_eq!(&buffer[..size], b"hello");
/// assert_eq!(sender.join().unwrap()?, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// With a name:
/// ```
/// use greenthread::os::unix::net::{SocketAddr, UnixDatagram};
/// use std::os::linux::net::SocketAddrExt;
///
/// // An abstract name: no file is left behind.
/// let name = SocketAddr::from_abstract_name(format!("greenthread-{}", std::process::id()))?;
/// let server = UnixDatagram::bind_addr(&name)?;
/// UnixDatagram::unbound()?.send_to_addr(b"hello", &name)?;
/// let mut buffer = [0; 100];
/// let (size, from) = server.recv_from(&mut buffer)?;
/// assert!(&buffer[..size] == b"hello" && from.is_unnamed());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "socket")]
#[doc(alias = "AF_UNIX")]
#[doc(alias = "SOCK_DGRAM")]
pub struct UnixDatagram {
    io: Io<net::UnixDatagram>,
}

impl UnixDatagram {
    fn new(inner: net::UnixDatagram) -> Self {
        Self { io: Io::new(inner) }
    }

    /// Makes a socket file at a path and binds to it, as [`std::os::unix::net::UnixDatagram::bind`]. The file stays
    /// after the end of the socket: remove it.
    ///
    /// # Errors
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse) if something is at that path already, even if nobody receives there
    ///   any more.
    /// - [`NotFound`](io::ErrorKind::NotFound) if there is no such folder,
    ///   [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be written.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) for a path of more than 107 bytes, or with a zero byte in it.
    /// - Too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// ```
    /// use greenthread::os::unix::net::UnixDatagram;
    ///
    /// let path = std::env::temp_dir().join(format!("greenthread-datagrams-{}", std::process::id()));
    /// let log = UnixDatagram::bind(&path)?;
    /// UnixDatagram::unbound()?.send_to(b"started", &path)?;
    /// let mut line = [0; 100];
    /// let size = log.recv(&mut line)?;
    /// assert_eq!(&line[..size], b"started");
    /// std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        seen_in(path, |path| net::UnixDatagram::bind(path.as_ref())).map(Self::new)
    }

    /// Like [`bind`](Self::bind), to an address, which may be an abstract name.
    ///
    /// # Errors
    /// As `bind`; [`AddrInUse`](io::ErrorKind::AddrInUse) for an abstract name means that another socket has it now.
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<Self> {
        net::UnixDatagram::bind_addr(socket_addr).map(Self::new)
    }

    /// A socket without a name: it can send, and it can receive once it is connected to one that answers.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`).
    pub fn unbound() -> io::Result<Self> {
        net::UnixDatagram::unbound().map(Self::new)
    }

    /// Two sockets without names that are connected to each other.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// Messages that keep their bounds, where a stream would have joined them:
    /// ```
    /// use greenthread::os::unix::net::UnixDatagram;
    ///
    /// let (a, b) = UnixDatagram::pair()?;
    /// a.send(b"one")?;
    /// a.send(b"three")?;
    /// let mut buffer = [0; 100];
    /// assert_eq!((b.recv(&mut buffer)?, b.recv(&mut buffer)?), (3, 5));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "socketpair")]
    pub fn pair() -> io::Result<(Self, Self)> {
        net::UnixDatagram::pair().map(|(a, b)| (Self::new(a), Self::new(b)))
    }

    /// Makes the socket at a path the peer that [`send`](Self::send) sends to, and the only one that datagrams are
    /// received from. Does not suspend.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no such path,
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if no socket is bound to it any more,
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be written. The peer stays what it was.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        seen_in(path, |path| self.io.get().connect(path.as_ref()))
    }

    /// Like [`connect`](Self::connect), to an address, which may be an abstract name.
    ///
    /// # Errors
    /// As `connect`; an abstract name that nobody has is [`ConnectionRefused`](io::ErrorKind::ConnectionRefused).
    ///
    /// # Examples
    /// ```
    /// use greenthread::os::unix::net::{SocketAddr, UnixDatagram};
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// let name = SocketAddr::from_abstract_name(format!("greenthread-log-{}", std::process::id()))?;
    /// let log = UnixDatagram::bind_addr(&name)?;
    /// let client = UnixDatagram::unbound()?;
    /// client.connect_addr(&name)?;
    /// client.send(b"started")?;
    /// assert_eq!(log.recv(&mut [0; 100])?, 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_addr(&self, socket_addr: &SocketAddr) -> io::Result<()> {
        self.io.get().connect_addr(socket_addr)
    }

    /// The address that it is bound to, which is unnamed if it is not.
    ///
    /// # Errors
    /// Only if the system has no memory for the answer.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address that [`connect`](Self::connect) made the peer.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// Receives a datagram: how many bytes it had, and the address that it came from. Bytes that do not fit into `buf`
    /// are lost. Suspends the green thread until there is a datagram. A socket that is shut down for reading gives 0
    /// and no name.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when the [read timeout](Self::set_read_timeout) has passed or in
    /// [non-blocking mode](Self::set_nonblocking). The socket can be used on.
    ///
    /// # Examples
    /// Answers go to the name that a datagram came from:
    /// ```
    /// use greenthread::os::unix::net::{SocketAddr, UnixDatagram};
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// # let pid = std::process::id();
    /// let [server, client] = ["server", "client"].map(|name| {
    ///     let name = SocketAddr::from_abstract_name(format!("greenthread-{name}-{pid}"));
    ///     UnixDatagram::bind_addr(&name.unwrap()).unwrap()
    /// });
    /// client.send_to_addr(b"ping", &server.local_addr()?)?;
    /// let mut buffer = [0; 100];
    /// let (size, from) = server.recv_from(&mut buffer)?;
    /// assert_eq!(&buffer[..size], b"ping");
    /// server.send_to_addr(b"pong", &from)?;
    /// assert_eq!(client.recv(&mut buffer)?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "recvfrom")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let receive = |fd: BorrowedFd<'_>| socket::recv_from(fd, buf, Take::Consume);
        let (size, from) = self.io.receive(receive, || Ok((0, address::unnamed()?)))?;
        Ok((size, address::to_unix(&from)?))
    }

    /// Repeats a call that receives until it has something, in non-blocking mode and beyond the read timeout too.
    pub(crate) fn in_any_mode<R>(&self, receive: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        self.io.in_any_mode(Direction::Read, receive)
    }

    /// Like [`recv_from`](Self::recv_from), for a datagram of any size: makes `buf` large enough. A socket that has
    /// been shut down is an error, as for a listener.
    pub(crate) fn recv_whole(&self, buf: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
        let size = self.io.receive(socket::next_size, shut_down)?;
        buf.resize(buf.len().max(size), 0);
        let receive = |fd: BorrowedFd<'_>| socket::recv_from(fd, buf, Take::WithSize);
        let (size, from) = self.io.receive(receive, shut_down)?;
        if size > buf.len() {
            // A clone of the socket has taken the datagram whose size was asked for, and this one is larger.
            return Err(io::Error::other("a datagram was cut: it came after a smaller one"));
        }
        Ok((size, address::to_unix(&from)?))
    }

    /// Receives a datagram, and returns how many bytes it had. Bytes that do not fit into `buf` are lost. Suspends the
    /// green thread until there is a datagram; a socket that is shut down for reading gives 0.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when the [read timeout](Self::set_read_timeout) has passed or in
    /// [non-blocking mode](Self::set_nonblocking). The end of the peer is no error, and gives no sign: a datagram may
    /// still come from somebody else.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.receive(|fd| socket::recv(fd, buf, Take::Consume), || Ok(0))
    }

    /// Sends a datagram to the socket at a path. Returns how many bytes were sent, which is all of them. Suspends the
    /// green thread while the receiver has no room for it.
    ///
    /// # Errors
    /// A datagram is sent as a whole or not at all; the socket can be used on.
    /// - [`NotFound`](io::ErrorKind::NotFound) if there is no such path,
    ///   [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if no socket is bound to it any more,
    ///   [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be written.
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock) when the [write timeout](Self::set_write_timeout) has passed or in
    ///   [non-blocking mode](Self::set_nonblocking).
    /// - `EMSGSIZE`, which has no kind of its own, if it is longer than the system allows (`net.core.wmem_max`).
    #[doc(alias = "sendto")]
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        let to = seen_in(path, |path| address::of_path(path.as_ref()))?;
        self.send_to_system(buf, &to)
    }

    /// Like [`send_to`](Self::send_to), to an address, which may be an abstract name.
    ///
    /// # Errors
    /// As `send_to`; an abstract name that nobody has is [`ConnectionRefused`](io::ErrorKind::ConnectionRefused).
    pub fn send_to_addr(&self, buf: &[u8], socket_addr: &SocketAddr) -> io::Result<usize> {
        self.send_to_system(buf, &address::of_unix(socket_addr)?)
    }

    fn send_to_system(&self, buf: &[u8], to: &Address) -> io::Result<usize> {
        let send = || socket::send_to(self.io.as_fd(), buf, to);
        if self.io.is_nonblocking() {
            return send();
        }
        retry(self.io.deadline(Direction::Write), send)
    }

    /// Sends a datagram to the peer that it is connected to. Returns how many bytes were sent, which is all of them.
    /// Suspends the green thread while the peer has no room for it.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) once if the peer is gone,
    /// and then, as without a peer, [`NotConnected`](io::ErrorKind::NotConnected).
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.send(buf)
    }

    /// Ends one direction or both. Green threads that wait for them wake: receiving gives 0, and sending fails with
    /// `BrokenPipe`.
    ///
    /// # Errors
    /// None for a Unix socket. The system refuses this if the descriptor came from elsewhere and is something else.
    ///
    /// # Examples
    /// A second handle wakes whoever waits, and so ends it:
    /// ```
    /// use greenthread::net::Shutdown;
    /// use greenthread::os::unix::net::UnixDatagram;
    ///
    /// let (a, _b) = UnixDatagram::pair()?;
    /// let handle = a.try_clone()?;
    /// let reader = greenthread::spawn(move || a.recv(&mut [0; 100]));
    /// handle.shutdown(Shutdown::Read)?;
    /// assert_eq!(reader.join().unwrap()?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        socket::shut_down(self.io.as_fd(), how)
    }

    /// Sends a datagram with descriptors to the peer that it is connected to, as
    /// [`UnixStream::send_fds`](super::UnixStream::send_fds). Here the datagram may be empty. Suspends as
    /// [`send`](Self::send). Not in std.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for more than 253 descriptors; else as `send`. The descriptors
    /// were not sent then.
    ///
    /// # Examples
    /// ```
    /// use greenthread::os::unix::net::UnixDatagram;
    /// use std::io::Read;
    /// use std::os::fd::AsFd;
    ///
    /// let (a, b) = UnixDatagram::pair()?;
    /// let (mut reader, writer) = std::io::pipe()?;
    /// a.send_fds(b"a pipe", &[writer.as_fd()])?;
    /// drop(writer);
    ///
    /// let (mut buffer, mut fds) = ([0; 64], Vec::new());
    /// assert_eq!(b.recv_fds(&mut buffer, &mut fds)?, 6);
    /// drop(fds);
    /// // Nobody has the writing end any more.
    /// assert_eq!(reader.read(&mut buffer)?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.io.run(Direction::Write, |fd| ancillary::send_fds(fd, buf, fds))
    }

    /// Receives a datagram and appends the descriptors that came with it to `fds`, as
    /// [`UnixStream::recv_fds`](super::UnixStream::recv_fds). Not in std.
    ///
    /// # Errors
    /// As `UnixStream::recv_fds`.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn recv_fds(&self, buf: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
        self.io.receive(|fd| ancillary::recv_fds(fd, buf, fds), || Ok(0))
    }

    socket_methods!();
}

descriptor!(UnixDatagram, std::os::unix::net::UnixDatagram);
from_std!(UnixDatagram, std::os::unix::net::UnixDatagram);
