//! A UDP socket: sending and receiving. Its options are in `udp_options.rs`.
#![forbid(unsafe_code)]

use super::addr::each_addr;
use super::{SocketAddr, ToSocketAddrs};
use crate::io::{Io, descriptor, from_std, shut_down, socket_methods};
use crate::runtime::reactor::Direction;
use crate::sys::net::{self, address::Address};
use crate::sys::socket::{self, Take};
use crate::util::dropping::Held;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// A UDP socket, as [`std::net::UdpSocket`]: same methods, same errors, but waiting suspends only the green thread.
///
/// Several green threads may send and receive through one socket, by shared reference or through
/// [`try_clone`](Self::try_clone); each datagram goes to one of them. Datagrams may be lost, doubled or come in another
/// order on the way: that is UDP. For a server there is [`DatagramServer`](crate::server::DatagramServer).
///
/// # Examples
/// ```
/// use greenthread::net::UdpSocket;
///
/// let server = UdpSocket::bind("127.0.0.1:0")?;
/// let address = server.local_addr()?;
/// let echo = greenthread::spawn(move || -> std::io::Result<()> {
///     let mut buffer = [0; 1500];
///     let (size, from) = server.recv_from(&mut buffer)?;
///     server.send_to(&buffer[..size], from)?;
///     Ok(())
/// });
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.connect(address)?;
/// client.send(b"ping")?;
/// let mut reply = [0; 1500];
/// let size = client.recv(&mut reply)?;
/// assert_eq!(&reply[..size], b"ping");
/// echo.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "datagram")]
#[doc(alias = "ListenPacket")]
#[doc(alias = "socket")]
pub struct UdpSocket {
    pub(super) io: Io<net::UdpSocket>,
}

fn with_address((size, from): (usize, Address)) -> io::Result<(usize, SocketAddr)> {
    let from = from.as_socket().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the sender's address is not one of IP")
    })?;
    Ok((size, from))
}

/// No UDP datagram has more bytes than this.
const LARGEST: usize = 65_536;

/// The error of `recv_from` when the socket has been shut down, so that no sender has an address. It is std's error.
fn no_address<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is shut down for receiving"))
}

impl UdpSocket {
    /// Binds to an address, as [`std::net::UdpSocket::bind`]. Port 0 lets the system choose a free one. Of several
    /// addresses, the first that can be had is taken. Suspends the green thread only while it looks up a name.
    ///
    /// # Errors
    /// Of several addresses, the error of the last:
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse) if another socket has that port.
    /// - [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) if it is not an address of this machine.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) for a port that only a privileged process may have;
    ///   mostly those below 1024.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if `addr` gives no address at all, and the errors of
    ///   [`to_socket_addrs`](ToSocketAddrs::to_socket_addrs).
    /// - Too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// // The system chooses a port, as for a client.
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let inner = each_addr(addr, net::UdpSocket::bind)?;
        Ok(Self { io: Io::new(inner) })
    }

    /// A socket at an address that several sockets share.
    pub(crate) fn bind_shared(addr: SocketAddr) -> io::Result<Self> {
        net::UdpSocket::bind_shared(addr).map(|inner| Self { io: Io::new(inner) })
    }

    /// Receives a datagram: how many bytes it had, and the address that it came from. Bytes that do not fit into `buf`
    /// are lost. Suspends the green thread until there is a datagram.
    ///
    /// # Errors
    /// The socket can be used on after each of them:
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock) when the [read timeout](Self::set_read_timeout) has passed or in
    ///   [non-blocking mode](Self::set_nonblocking).
    /// - [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) on a [connected](Self::connect) socket tells that an
    ///   earlier datagram found nobody.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) once the socket has been shut down for receiving: then there is
    ///   no sender to tell.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// let (server, client) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// client.send_to(b"ping", server.local_addr()?)?;
    /// let mut buffer = [0; 1500];
    /// let (size, from) = server.recv_from(&mut buffer)?;
    /// assert_eq!((&buffer[..size], from), (&b"ping"[..], client.local_addr()?));
    /// server.send_to(b"pong", from)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "recvfrom")]
    #[doc(alias = "ReadFrom")]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io
            .receive(|fd| socket::recv_from(fd, buf, Take::Consume), no_address)
            .and_then(with_address)
    }

    /// Repeats a call that receives until it has something, even in non-blocking mode and after the read timeout.
    pub(crate) fn in_any_mode<R>(&self, receive: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        self.io.in_any_mode(Direction::Read, receive)
    }

    /// Like [`recv_from`](Self::recv_from), for a datagram of any size: makes `buf` large enough. A socket that has
    /// been shut down is an error, as for a listener.
    pub(crate) fn recv_whole(&self, buf: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
        buf.resize(buf.len().max(LARGEST), 0);
        let receive = |fd: BorrowedFd<'_>| socket::recv_from(fd, buf, Take::Consume);
        self.io.receive(receive, shut_down).and_then(with_address)
    }

    /// Like [`recv_from`](Self::recv_from), but leaves the datagram where it is: the next call gets it again.
    ///
    /// # Errors
    /// As `recv_from`.
    ///
    /// # Examples
    /// To see who asks before the datagram is read by whoever answers:
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// let (server, client) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// client.send_to(b"ping", server.local_addr()?)?;
    /// let mut buffer = [0; 1500];
    /// let seen = server.peek_from(&mut buffer)?;
    /// assert_eq!(server.recv_from(&mut buffer)?, seen);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io
            .receive(|fd| socket::recv_from(fd, buf, Take::Peek), no_address)
            .and_then(with_address)
    }

    /// Sends a datagram to an address, the first one if `addr` gives several. Returns how many bytes were sent, which
    /// is all of them. Suspends the green thread while it looks up a name and while the system has no room for the
    /// datagram.
    ///
    /// # Errors
    /// A datagram is sent as a whole or not at all; the socket can be used on.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) if `addr` gives no address, and the errors of
    ///   [`to_socket_addrs`](ToSocketAddrs::to_socket_addrs).
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock) when the [write timeout](Self::set_write_timeout) has passed or in
    ///   [non-blocking mode](Self::set_nonblocking).
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied) for a broadcast address, unless
    ///   [`set_broadcast`](Self::set_broadcast) allows it.
    /// - [`HostUnreachable`](io::ErrorKind::HostUnreachable) or
    ///   [`NetworkUnreachable`](io::ErrorKind::NetworkUnreachable) if there is no way to that address.
    /// - `EMSGSIZE` for more than 65,507 bytes by IPv4, which has no kind of its own.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// let receiver = UdpSocket::bind("127.0.0.1:0")?;
    /// let sender = UdpSocket::bind("127.0.0.1:0")?;
    /// assert_eq!(sender.send_to(b"a measurement", receiver.local_addr()?)?, 13);
    /// # let mut buffer = [0; 100];
    /// # assert_eq!(receiver.recv(&mut buffer)?, 13);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "sendto")]
    #[doc(alias = "WriteTo")]
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let addr = Held::new(addr);
        let mut found = Held::new(addr.to_socket_addrs()?);
        let addr = found.next().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to")
        })?;
        let addr = Address::from(addr);
        self.io.run(Direction::Write, |fd| socket::send_to(fd, buf, &addr))
    }

    /// The address that [`connect`](Self::connect) made the peer.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// The address that it is bound to, with the port that the system chose.
    ///
    /// # Errors
    /// Only if the system has no memory for the answer.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// Makes `addr` the peer that [`send`](Self::send) sends to, and the only one that datagrams are received from.
    /// Nothing is sent. Suspends the green thread only while it looks up a name.
    ///
    /// # Errors
    /// Of several addresses, the error of the last: [`NetworkUnreachable`](io::ErrorKind::NetworkUnreachable) if there
    /// is no way to it, [`PermissionDenied`](io::ErrorKind::PermissionDenied) for a broadcast address,
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `addr` gives no address at all, and the errors of
    /// [`to_socket_addrs`](ToSocketAddrs::to_socket_addrs).
    ///
    /// # Examples
    /// A client that talks to one server, and hears nobody else:
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// let server = UdpSocket::bind("127.0.0.1:0")?;
    /// let client = UdpSocket::bind("127.0.0.1:0")?;
    /// client.connect(server.local_addr()?)?;
    /// assert_eq!(client.peer_addr()?, server.local_addr()?);
    ///
    /// UdpSocket::bind("127.0.0.1:0")?.send_to(b"a stranger", client.local_addr()?)?;
    /// server.send_to(b"the server", client.local_addr()?)?;
    /// let mut buffer = [0; 100];
    /// let size = client.recv(&mut buffer)?;
    /// assert_eq!(&buffer[..size], b"the server");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        each_addr(addr, |addr| self.io.get().connect(addr))
    }

    /// Sends a datagram to the peer that it is [connected](Self::connect) to. Returns how many bytes were sent, which
    /// is all of them. Suspends the green thread while the system has no room for it.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to), and [`ConnectionRefused`](io::ErrorKind::ConnectionRefused), which tells that an
    /// earlier datagram found nobody; this one has not been sent then. Without a peer it is `EDESTADDRREQ`, which has
    /// no kind of its own.
    ///
    /// # Examples
    /// See also [`recv`](Self::recv).
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// let server = UdpSocket::bind("127.0.0.1:0")?;
    /// let client = UdpSocket::bind("127.0.0.1:0")?;
    /// client.connect(server.local_addr()?)?;
    /// client.send(b"ping")?;
    /// let mut buffer = [0; 1500];
    /// assert_eq!(server.recv(&mut buffer)?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.send(buf)
    }

    /// Receives a datagram, and returns how many bytes it had. Bytes that do not fit into `buf` are lost. Suspends the
    /// green thread until there is a datagram; a socket that has been shut down gives 0.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when the [read timeout](Self::set_read_timeout) has passed or in
    /// [non-blocking mode](Self::set_nonblocking); [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) tells that
    /// an earlier datagram found nobody. The socket can be used on.
    ///
    /// # Examples
    /// A datagram that is longer than the buffer loses its end:
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// a.send_to(b"hello", b.local_addr()?)?;
    /// a.send_to(b"world", b.local_addr()?)?;
    /// let mut buffer = [0; 2];
    /// assert_eq!((b.recv(&mut buffer)?, &buffer), (2, b"he"));
    /// assert_eq!((b.recv(&mut buffer)?, &buffer), (2, b"wo"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.receive(|fd| socket::recv(fd, buf, Take::Consume), || Ok(0))
    }

    /// Like [`recv`](Self::recv), but leaves the datagram where it is: the next call gets it again.
    ///
    /// # Errors
    /// As `recv`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::UdpSocket;
    ///
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// a.send_to(b"hello", b.local_addr()?)?;
    /// let mut buffer = [0; 8];
    /// assert_eq!(b.peek(&mut buffer)?, 5);
    /// assert_eq!(b.recv(&mut buffer)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.receive(|fd| socket::recv(fd, buf, Take::Peek), || Ok(0))
    }

    socket_methods!();
}

descriptor!(UdpSocket, std::net::UdpSocket);
from_std!(UdpSocket, std::net::UdpSocket);
