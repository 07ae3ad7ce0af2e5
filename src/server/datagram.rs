//! A server of datagrams.
#![forbid(unsafe_code)]

use super::core::{Core, Settings, Source};
use super::stats::Stats;
use super::stream::again;
use crate::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use crate::os::unix::net::{self as unix, UnixDatagram};
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// No datagram is larger.
const LARGEST: usize = 65_536;

/// What a [`DatagramServer`] receives from.
pub trait DatagramSocket: Send + Sync + 'static {
    /// Who sent a datagram.
    type Addr: Clone + fmt::Debug + Send + Sync + 'static;

    /// Waits for the next datagram and returns its size and its sender.
    ///
    /// # Errors
    /// What the system said.
    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, Self::Addr)>;

    /// The address that it is bound to.
    ///
    /// # Errors
    /// What the system said.
    fn local_addr(&self) -> io::Result<Self::Addr>;
}

impl DatagramSocket for UdpSocket {
    type Addr = SocketAddr;

    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        Self::recv_from(self, buf)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

impl DatagramSocket for UnixDatagram {
    type Addr = unix::SocketAddr;

    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, unix::SocketAddr)> {
        Self::recv_from(self, buf)
    }

    fn local_addr(&self) -> io::Result<unix::SocketAddr> {
        Self::local_addr(self)
    }
}

/// A datagram, its sender, and the socket to answer by.
type Item<S> = (Arc<S>, Vec<u8>, <S as DatagramSocket>::Addr);

struct Datagrams<S> {
    socket: Arc<S>,
    buffer: Box<[u8]>,
}

impl<S: DatagramSocket> Source for Datagrams<S> {
    type Item = Item<S>;

    fn next(&mut self) -> io::Result<Item<S>> {
        let (size, peer) = self.socket.recv_from(&mut self.buffer)?;
        Ok((Arc::clone(&self.socket), self.buffer[..size].to_vec(), peer))
    }
}

/// Runs a handler on a green thread of its own for each datagram, as gevent's `DatagramServer`.
///
/// The handler is given the socket to answer by, the datagram, and its sender. For the rest it is a
/// [`StreamServer`](super::StreamServer): what is said there of workers, panics, shortages and plain OS threads holds
/// here.
///
/// # Dropping
/// Receives no more and closes the socket when the last handler has ended.
///
/// # Examples
/// ```
/// use greenthread::net::UdpSocket;
/// use greenthread::server::DatagramServer;
/// use std::time::Duration;
///
/// let server = DatagramServer::bind("127.0.0.1:0", |socket, data, peer| {
///     socket.send_to(&data.to_ascii_uppercase(), peer)
/// })?;
/// server.start()?;
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"hello", server.local_addr()?)?;
/// let mut reply = [0; 5];
/// client.recv_from(&mut reply)?;
/// assert_eq!(&reply, b"HELLO");
/// server.stop(Duration::from_secs(10));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct DatagramServer<S: DatagramSocket = UdpSocket> {
    core: Arc<Core<Item<S>>>,
    address: io::Result<S::Addr>,
    /// Until it is started.
    socket: Mutex<Option<Arc<S>>>,
}

impl DatagramServer {
    /// A server on an address, with the settings of [`builder`](Self::builder). Port 0 takes a free one.
    ///
    /// # Errors
    /// What the last of the addresses failed with, such as `AddrInUse`.
    pub fn bind<R>(
        addr: impl ToSocketAddrs,
        handler: impl Fn(&UdpSocket, Vec<u8>, SocketAddr) -> R + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Ok(Self::new(UdpSocket::bind(addr)?, handler))
    }

    /// Settings for a server.
    pub fn builder() -> DatagramServerBuilder {
        DatagramServerBuilder::default()
    }
}

impl<S: DatagramSocket> DatagramServer<S> {
    /// A server on a socket that there is already.
    pub fn new<R>(
        socket: S,
        handler: impl Fn(&S, Vec<u8>, S::Addr) -> R + Send + Sync + 'static,
    ) -> Self {
        DatagramServerBuilder::default().build(socket, handler)
    }

    /// The address it receives on; also after it has been stopped.
    ///
    /// # Errors
    /// What the system said when the server was made.
    pub fn local_addr(&self) -> io::Result<S::Addr> {
        again(&self.address)
    }

    /// Begins to receive, on the caller's runtime or the global one. Does nothing if it has begun already. Does not suspend.
    ///
    /// # Errors
    /// `NotConnected` if it was stopped: that is for good. What [`Builder::spawn`](crate::Builder::spawn) says.
    pub fn start(&self) -> io::Result<()> {
        let socket = self.socket.lock().take();
        let buffer = || vec![0; LARGEST].into_boxed_slice();
        let source = socket.map(|socket| Datagrams { socket, buffer: buffer() });
        self.core.start(source.into_iter().collect())
    }

    /// Starts, and waits until the server has been stopped: by [`stop`](Self::stop), or with its runtime. Suspends a green
    /// thread, blocks an OS thread. Where this wait is ended by a kill or a timeout, no more is received.
    ///
    /// # Errors
    /// As [`start`](Self::start); and where receiving became impossible because the socket is none.
    pub fn serve_forever(&self) -> io::Result<()> {
        self.start()?;
        self.core.wait()
    }

    /// Stops for good, as [`StreamServer::stop`](super::StreamServer::stop): receives no more, waits for the handlers for
    /// `grace`, kills those that have not ended, and returns how many those were. Suspends a green thread, blocks an OS
    /// thread. Datagrams that were not received are lost.
    pub fn stop(&self, grace: Duration) -> usize {
        drop(self.socket.lock().take());
        self.core.stop(grace)
    }

    /// What it has done so far; `accepted` counts datagrams.
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }
}

impl<S: DatagramSocket> Drop for DatagramServer<S> {
    fn drop(&mut self) {
        self.core.close();
    }
}

impl<S: DatagramSocket> fmt::Debug for DatagramServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramServer")
            .field("address", &self.address)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Settings for a [`DatagramServer`].
#[derive(Clone, Debug, Default)]
#[must_use = "settings do nothing until `build`"]
pub struct DatagramServerBuilder {
    settings: Settings,
}

impl DatagramServerBuilder {
    /// How many handlers may run at once; further datagrams wait in the socket's buffer, and are lost when that is full.
    /// Without this, or with zero, as many as come.
    pub fn max_handlers(mut self, limit: usize) -> Self {
        self.settings.max_handlers = Some(limit).filter(|&limit| limit > 0);
        self
    }

    /// The stack size of each handler's green thread, see [`Builder::stack_size`](crate::Builder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = Some(bytes);
        self
    }

    /// How the green threads are named in panic messages: "NAME handler" and "NAME acceptor".
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// A server on a socket that there is already.
    pub fn build<S: DatagramSocket, R>(
        self,
        socket: S,
        handler: impl Fn(&S, Vec<u8>, S::Addr) -> R + Send + Sync + 'static,
    ) -> DatagramServer<S> {
        let handler = move |(socket, data, peer): Item<S>| drop(handler(&socket, data, peer));
        DatagramServer {
            core: Core::new(self.settings, 1, handler),
            address: socket.local_addr(),
            socket: Mutex::new(Some(Arc::new(socket))),
        }
    }
}
