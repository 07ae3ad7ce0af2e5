//! A TCP connection.
#![forbid(unsafe_code)]

use super::addr::each_addr;
use super::{Shutdown, SocketAddr, ToSocketAddrs};
use crate::io::{Io, descriptor, socket_from_std, socket_methods, stream_traits};
use crate::runtime::reactor::Direction;
use crate::sys::fault::{self, Call};
use crate::sys::time::deadline_after;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
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

    socket_methods!();

    /// Reads without taking the data away. Suspends until there is some.
    ///
    /// # Errors
    /// As [`read`](Read::read).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.peek(buf)
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

    /// After how long without data the system asks the peer whether it is still there, so that one that vanished becomes an
    /// error (`SO_KEEPALIVE` and `TCP_KEEPIDLE`, in whole seconds); `None`, as it is at first, for never. Not in std.
    ///
    /// # Errors
    /// `InvalidInput` for less than a second, or what the system said.
    pub fn set_keepalive(&self, idle: Option<Duration>) -> io::Result<()> {
        fault::check(Call::SetSockOpt)?;
        let socket = SockRef::from(self.io.get());
        match idle {
            Some(idle) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle)),
            None => socket.set_keepalive(false),
        }
    }

    /// What [`set_keepalive`](Self::set_keepalive) set.
    ///
    /// # Errors
    /// What the system said.
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        fault::check(Call::GetSockOpt)?;
        let socket = SockRef::from(self.io.get());
        if socket.keepalive()? { socket.tcp_keepalive_time().map(Some) } else { Ok(None) }
    }

    /// What happens to unsent data when the connection is closed (`SO_LINGER`): zero resets it. Else whoever drops the last
    /// handle waits until the peer has everything, for so long at most, which suspends only the green thread; no kill and no
    /// timeout ends that wait. What is turned into std's type is closed as std does.
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
}

stream_traits!(TcpStream, std::net::TcpStream);
descriptor!(TcpStream, std::net::TcpStream);
socket_from_std!(TcpStream, std::net::TcpStream);
