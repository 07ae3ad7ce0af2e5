//! Datagrams between processes of one machine.
#![forbid(unsafe_code)]

use super::{SocketAddr, addr};
use crate::io::{Io, descriptor, retry, shut_down, socket_from_std, socket_methods};
use crate::net::Shutdown;
use crate::runtime::reactor::Direction;
use crate::sys::ancillary;
use crate::sys::fault::{self, Call};
use crate::sys::socket::{self, Take};
use socket2::SockAddr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// A Unix datagram socket, as [`std::os::unix::net::UnixDatagram`]: same methods, same errors, but waiting suspends only the
/// green thread. Datagrams are neither lost nor reordered; one that finds no room waits.
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
pub struct UnixDatagram {
    io: Io<std::os::unix::net::UnixDatagram>,
}

impl UnixDatagram {
    fn made(
        make: impl FnOnce() -> io::Result<std::os::unix::net::UnixDatagram>,
    ) -> io::Result<Self> {
        fault::check(Call::Socket)?;
        Ok(Self { io: Io::new(make()?) })
    }

    /// Binds to a path, as [`std::os::unix::net::UnixDatagram::bind`].
    ///
    /// # Errors
    /// What the system said, such as `AddrInUse` for a path that exists; `InvalidInput` for one that is too long.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        fault::check(Call::Bind)?;
        Self::made(|| std::os::unix::net::UnixDatagram::bind(path))
    }

    /// Like [`bind`](Self::bind), to an address, which may be an abstract name.
    ///
    /// # Errors
    /// What the system said.
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<Self> {
        fault::check(Call::Bind)?;
        Self::made(|| std::os::unix::net::UnixDatagram::bind_addr(socket_addr))
    }

    /// A socket without a name: it can send, and receive once it is connected to one that answers.
    ///
    /// # Errors
    /// What the system said, such as too many open files.
    pub fn unbound() -> io::Result<Self> {
        Self::made(std::os::unix::net::UnixDatagram::unbound)
    }

    /// Two sockets without names, connected to each other.
    ///
    /// # Errors
    /// What the system said, such as too many open files.
    pub fn pair() -> io::Result<(Self, Self)> {
        fault::check(Call::Socket)?;
        let (a, b) = std::os::unix::net::UnixDatagram::pair()?;
        Ok((Self { io: Io::new(a) }, Self { io: Io::new(b) }))
    }

    /// Makes the socket at a path the peer that [`send`](Self::send) sends to, and the only one that is received from.
    ///
    /// # Errors
    /// What the system said: `NotFound` where there is no such path.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        fault::check(Call::Connect)?;
        self.io.get().connect(path)
    }

    /// Like [`connect`](Self::connect), to an address, which may be an abstract name.
    ///
    /// # Errors
    /// What the system said.
    pub fn connect_addr(&self, socket_addr: &SocketAddr) -> io::Result<()> {
        fault::check(Call::Connect)?;
        self.io.get().connect_addr(socket_addr)
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address of the peer that it is connected to.
    ///
    /// # Errors
    /// `NotConnected`, or what the system said.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// Receives a datagram and says where it came from. What does not fit is lost. Suspends until there is one.
    ///
    /// # Errors
    /// `WouldBlock` when the read timeout has passed, or what the system said.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let receive = |fd: BorrowedFd<'_>| socket::recv_from(fd, buf, Take::Consume);
        let (size, from) = self.io.receive(receive, || Ok((0, SockAddr::unix("")?)))?;
        Ok((size, addr::to_std(&from)?))
    }

    /// Repeats what receives until that is something, in non-blocking mode and beyond the read timeout too.
    pub(crate) fn in_any_mode<R>(&self, receive: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        self.io.in_any_mode(Direction::Read, receive)
    }

    /// Like [`recv_from`](Self::recv_from), of a datagram of any size: makes room for it. A socket that is shut down is an
    /// error, as for a listener.
    pub(crate) fn recv_whole(&self, buf: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
        let size = self.io.receive(socket::next_size, shut_down)?;
        buf.resize(buf.len().max(size), 0);
        let receive = |fd: BorrowedFd<'_>| socket::recv_from(fd, buf, Take::WithSize);
        let (size, from) = self.io.receive(receive, shut_down)?;
        if size > buf.len() {
            // What was looked at was taken by a clone in between, and this one is larger.
            return Err(io::Error::other("a datagram was cut: it came after a smaller one"));
        }
        Ok((size, addr::to_std(&from)?))
    }

    /// Receives a datagram. What does not fit is lost. Suspends until there is one.
    ///
    /// # Errors
    /// `WouldBlock` when the read timeout has passed, or what the system said.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.receive(|fd| socket::recv(fd, buf, Take::Consume), || Ok(0))
    }

    /// Sends a datagram to the socket at a path. Suspends while the receiver has no room for it.
    ///
    /// # Errors
    /// `WouldBlock` when the write timeout has passed, or what the system said: `NotFound` where there is no such path.
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.send_to_system(buf, &addr::path_to_system(path.as_ref())?)
    }

    /// Like [`send_to`](Self::send_to), to an address, which may be an abstract name.
    ///
    /// # Errors
    /// As `send_to`.
    pub fn send_to_addr(&self, buf: &[u8], socket_addr: &SocketAddr) -> io::Result<usize> {
        self.send_to_system(buf, &addr::to_system(socket_addr)?)
    }

    fn send_to_system(&self, buf: &[u8], to: &SockAddr) -> io::Result<usize> {
        let send = || socket::send_to(self.io.as_fd(), buf, to);
        if self.io.is_nonblocking() {
            return send();
        }
        retry(self.io.deadline(Direction::Write), send)
    }

    /// Sends a datagram to the peer that it is connected to. Suspends while that has no room for it.
    ///
    /// # Errors
    /// `WouldBlock` when the write timeout has passed, or what the system said: `ConnectionRefused` when the peer is gone.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.send(buf)
    }

    /// Ends one or both directions; green threads that wait for them wake and see the end.
    ///
    /// # Errors
    /// What the system said.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        fault::check(Call::Shutdown)?;
        self.io.get().shutdown(how)
    }

    /// Sends a datagram with descriptors to the peer that it is connected to, as
    /// [`UnixStream::send_fds`](super::UnixStream::send_fds). Here the datagram may be empty.
    ///
    /// # Errors
    /// `InvalidInput` for more than 253 descriptors; else as [`send`](Self::send).
    pub fn send_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.io.run(Direction::Write, |fd| ancillary::send_fds(fd, buf, fds))
    }

    /// Receives a datagram and appends the descriptors that came with it to `fds`, as
    /// [`UnixStream::recv_fds`](super::UnixStream::recv_fds).
    ///
    /// # Errors
    /// As `UnixStream::recv_fds`.
    pub fn recv_fds(&self, buf: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
        self.io.receive(|fd| ancillary::recv_fds(fd, buf, fds), || Ok(0))
    }

    socket_methods!();
}

descriptor!(UnixDatagram, std::os::unix::net::UnixDatagram);
socket_from_std!(UnixDatagram, std::os::unix::net::UnixDatagram);
