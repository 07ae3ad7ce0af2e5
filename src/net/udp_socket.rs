//! A UDP socket.
#![forbid(unsafe_code)]

use super::addr::each_addr;
use super::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use crate::io::{Io, descriptor, shut_down, socket_from_std, socket_methods};
use crate::runtime::reactor::Direction;
use crate::sys::fault::{self, Call};
use crate::sys::socket::{self, Take};
use socket2::SockAddr;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// A UDP socket, as [`std::net::UdpSocket`]: same methods, same errors, but waiting suspends only the green thread.
///
/// Several green threads may send and receive through one socket, by shared reference or through
/// [`try_clone`](Self::try_clone); each datagram goes to one of them.
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
pub struct UdpSocket {
    io: Io<std::net::UdpSocket>,
}

fn with_address((size, from): (usize, SockAddr)) -> io::Result<(usize, SocketAddr)> {
    let from = from.as_socket().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the sender's address is not one of IP")
    })?;
    Ok((size, from))
}

/// No datagram is larger.
const LARGEST: usize = 65_536;

/// What is said of the sender's address where the socket is shut down and there is none: as std.
fn no_address<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket is shut down for receiving"))
}

impl UdpSocket {
    /// Binds to an address, as [`std::net::UdpSocket::bind`]. Port 0 takes a free one.
    ///
    /// # Errors
    /// What the last of the addresses failed with, such as `AddrInUse`.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let inner = each_addr(addr, |addr| {
            fault::check(Call::Socket)?;
            fault::check(Call::Bind)?;
            std::net::UdpSocket::bind(addr)
        })?;
        Ok(Self { io: Io::new(inner) })
    }

    /// Receives a datagram and says where it came from. What does not fit is lost. Suspends until there is one.
    ///
    /// # Errors
    /// `WouldBlock` when the read timeout has passed, or what the system said.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io
            .receive(|fd| socket::recv_from(fd, buf, Take::Consume), no_address)
            .and_then(with_address)
    }

    /// Repeats what receives until that is something, in non-blocking mode and beyond the read timeout too.
    pub(crate) fn in_any_mode<R>(&self, receive: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        self.io.in_any_mode(Direction::Read, receive)
    }

    /// Like [`recv_from`](Self::recv_from), of a datagram of any size: makes room for it. A socket that is shut down is an
    /// error, as for a listener.
    pub(crate) fn recv_whole(&self, buf: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
        buf.resize(buf.len().max(LARGEST), 0);
        let receive = |fd: BorrowedFd<'_>| socket::recv_from(fd, buf, Take::Consume);
        self.io.receive(receive, shut_down).and_then(with_address)
    }

    /// Like [`recv_from`](Self::recv_from), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As `recv_from`.
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io
            .receive(|fd| socket::recv_from(fd, buf, Take::Peek), no_address)
            .and_then(with_address)
    }

    /// Sends a datagram to an address, the first one if `addr` gives several. Suspends while the system has no room for it.
    ///
    /// # Errors
    /// `WouldBlock` when the write timeout has passed, or what the system said, as for one that is too large.
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let addr = addr.to_socket_addrs()?.next().ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to")
        })?;
        let addr = SockAddr::from(addr);
        self.io.run(Direction::Write, |fd| socket::send_to(fd, buf, &addr))
    }

    /// The address of the peer that it is connected to.
    ///
    /// # Errors
    /// `NotConnected`, or what the system said.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// Makes `addr` the peer that [`send`](Self::send) sends to, and the only one that datagrams are received from.
    ///
    /// # Errors
    /// What the last of the addresses failed with.
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        each_addr(addr, |addr| {
            fault::check(Call::Connect)?;
            self.io.get().connect(addr)
        })
    }

    /// Sends a datagram to the peer that it is connected to. Suspends while the system has no room for it.
    ///
    /// # Errors
    /// `WouldBlock` when the write timeout has passed, or what the system said: `ConnectionRefused` tells that an earlier
    /// datagram found nobody.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.send(buf)
    }

    /// Receives a datagram. What does not fit is lost. Suspends until there is one.
    ///
    /// # Errors
    /// `WouldBlock` when the read timeout has passed, or what the system said: `ConnectionRefused` tells that an earlier
    /// datagram found nobody.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.receive(|fd| socket::recv(fd, buf, Take::Consume), || Ok(0))
    }

    /// Like [`recv`](Self::recv), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As `recv`.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.receive(|fd| socket::recv(fd, buf, Take::Peek), || Ok(0))
    }

    /// Whether it may send to broadcast addresses.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().set_broadcast(broadcast)
    }

    /// What [`set_broadcast`](Self::set_broadcast) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn broadcast(&self) -> io::Result<bool> {
        fault::check(Call::GetSockOpt)?;
        self.io.get().broadcast()
    }

    /// Whether this machine receives its own IPv4 multicasts.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_multicast_loop_v4(&self, multicast_loop_v4: bool) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().set_multicast_loop_v4(multicast_loop_v4)
    }

    /// What [`set_multicast_loop_v4`](Self::set_multicast_loop_v4) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        fault::check(Call::GetSockOpt)?;
        self.io.get().multicast_loop_v4()
    }

    /// How many hops an IPv4 multicast may take; 1, the local network, unless set.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_multicast_ttl_v4(&self, multicast_ttl_v4: u32) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().set_multicast_ttl_v4(multicast_ttl_v4)
    }

    /// What [`set_multicast_ttl_v4`](Self::set_multicast_ttl_v4) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        fault::check(Call::GetSockOpt)?;
        self.io.get().multicast_ttl_v4()
    }

    /// Whether this machine receives its own IPv6 multicasts.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_multicast_loop_v6(&self, multicast_loop_v6: bool) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().set_multicast_loop_v6(multicast_loop_v6)
    }

    /// What [`set_multicast_loop_v6`](Self::set_multicast_loop_v6) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        fault::check(Call::GetSockOpt)?;
        self.io.get().multicast_loop_v6()
    }

    /// How many hops a packet may take.
    ///
    /// # Errors
    /// What the system said.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().set_ttl(ttl)
    }

    /// What [`set_ttl`](Self::set_ttl) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn ttl(&self) -> io::Result<u32> {
        fault::check(Call::GetSockOpt)?;
        self.io.get().ttl()
    }

    /// Joins an IPv4 multicast group on the interface with this address; 0.0.0.0 lets the system choose.
    ///
    /// # Errors
    /// What the system said.
    pub fn join_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().join_multicast_v4(multiaddr, interface)
    }

    /// Joins an IPv6 multicast group on the interface with this index; 0 is any.
    ///
    /// # Errors
    /// What the system said.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().join_multicast_v6(multiaddr, interface)
    }

    /// Undoes [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    /// What the system said.
    pub fn leave_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().leave_multicast_v4(multiaddr, interface)
    }

    /// Undoes [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    /// What the system said.
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        self.io.get().leave_multicast_v6(multiaddr, interface)
    }

    socket_methods!();
}

descriptor!(UdpSocket, std::net::UdpSocket);
socket_from_std!(UdpSocket, std::net::UdpSocket);
