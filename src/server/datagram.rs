//! A server of datagrams.
#![forbid(unsafe_code)]

use super::acceptor::ItemSource;
use super::backoff::is_fatal;
use super::core::ServerSettings;
use super::frame::{ServerFrame, bind, common_settings};
use super::stats::Stats;
use crate::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use crate::os::unix::net::{self as unix, UnixDatagram};
use crate::util::dropping::Held;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// No UDP datagram has more bytes than this.
const LARGEST: usize = 65_536;

/// What a [`DatagramServer`] receives from: [`UdpSocket`], [`UnixDatagram`], and sockets of your own around such a one.
///
/// # Examples
/// A socket that hands no empty datagrams to the handler:
/// ```
/// use greenthread::net::{SocketAddr, UdpSocket};
/// use greenthread::server::{DatagramServer, DatagramSocket};
/// use std::io;
///
/// struct NotEmpty(UdpSocket);
///
/// impl DatagramSocket for NotEmpty {
///     type Addr = SocketAddr;
///
///     fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
///         loop {
///             let received = self.0.recv_from(buf)?;
///             if received.0 > 0 {
///                 return Ok(received);
///             }
///         }
///     }
///
///     fn local_addr(&self) -> io::Result<SocketAddr> {
///         self.0.local_addr()
///     }
/// }
///
/// let server = DatagramServer::new(NotEmpty(UdpSocket::bind("127.0.0.1:0")?), |socket, data, peer| {
///     socket.0.send_to(&data, peer)
/// });
/// server.start()?;
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"", server.local_addr()?)?;
/// client.send_to(b"hello", server.local_addr()?)?;
/// assert_eq!(client.recv(&mut [0; 10])?, 5);
/// # Ok::<(), io::Error>(())
/// ```
pub trait DatagramSocket: Send + Sync + 'static {
    /// The address of a sender.
    type Addr: Clone + fmt::Debug + Send + Sync + 'static;

    /// Waits for the next datagram and returns its size and its sender.
    ///
    /// # Errors
    /// Those of receiving. The server goes on after each, except those for which [`is_fatal`](Self::is_fatal) says
    /// otherwise.
    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, Self::Addr)>;

    /// Waits for the next datagram, of whatever size, makes `buf` large enough for it, and returns its size and its
    /// sender. Unless you write your own, this makes room for 65,536 bytes, which is more than UDP can carry, and calls
    /// [`recv_from`](Self::recv_from). A socket whose datagrams can be larger, as those of Unix sockets can, has to
    /// look at the size first.
    ///
    /// # Errors
    /// As `recv_from`. A datagram of which only a part was received is an error too, and does not go to the handler.
    fn recv_whole(&self, buf: &mut Vec<u8>) -> io::Result<(usize, Self::Addr)> {
        buf.resize(buf.len().max(LARGEST), 0);
        self.recv_from(buf)
    }

    /// Whether this error of receiving means that there will never be another datagram, so that it ends the server.
    /// Unless you write your own, these are the same as for [`Listener::is_fatal`](super::Listener::is_fatal).
    fn is_fatal(&self, error: &io::Error) -> bool {
        is_fatal(error)
    }

    /// The address that it is bound to. Called once, when the server is made.
    ///
    /// # Errors
    /// [`DatagramServer::local_addr`] passes them on.
    fn local_addr(&self) -> io::Result<Self::Addr>;
}

impl DatagramSocket for UdpSocket {
    type Addr = SocketAddr;

    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.in_any_mode(|| Self::recv_from(self, buf))
    }

    fn recv_whole(&self, buf: &mut Vec<u8>) -> io::Result<(usize, SocketAddr)> {
        self.in_any_mode(|| Self::recv_whole(self, buf))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

impl DatagramSocket for UnixDatagram {
    type Addr = unix::SocketAddr;

    fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, unix::SocketAddr)> {
        self.in_any_mode(|| Self::recv_from(self, buf))
    }

    fn recv_whole(&self, buf: &mut Vec<u8>) -> io::Result<(usize, unix::SocketAddr)> {
        self.in_any_mode(|| Self::recv_whole(self, buf))
    }

    fn local_addr(&self) -> io::Result<unix::SocketAddr> {
        Self::local_addr(self)
    }
}

/// The socket for the answer, a datagram, and its sender.
type FromSender<S> = (Arc<S>, Vec<u8>, <S as DatagramSocket>::Addr);

struct Datagrams<S> {
    socket: Arc<S>,
    /// Empty until the first datagram.
    buffer: Vec<u8>,
}

impl<S: DatagramSocket> ItemSource for Datagrams<S> {
    type Item = FromSender<S>;

    fn next(&mut self) -> io::Result<FromSender<S>> {
        let (size, peer) = self.socket.recv_whole(&mut self.buffer)?;
        Ok((Arc::clone(&self.socket), self.buffer[..size].to_vec(), peer))
    }

    fn is_fatal(&self, error: &io::Error) -> bool {
        self.socket.is_fatal(error)
    }
}

/// Runs a handler on a green thread of its own for each datagram, as gevent's `DatagramServer`.
///
/// The handler gets the socket to answer by, the datagram, which is always whole, and the address of its sender. In all
/// other respects it is as a [`StreamServer`](super::StreamServer): what is said there of workers, panics, shortages
/// and plain OS threads holds here too.
///
/// # Dropping
/// A server that is dropped receives no more, and closes the socket when the last handler has ended.
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
#[doc(alias = "create_datagram_endpoint")]
#[doc(alias = "socketserver")]
pub struct DatagramServer<S: DatagramSocket = UdpSocket>(ServerFrame<Datagrams<S>, S::Addr>);

fn bind_one(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    if shared { UdpSocket::bind_shared(address) } else { UdpSocket::bind(address) }
}

impl DatagramServer {
    /// A UDP server on an address, with the settings that [`builder`](Self::builder) begins with. Port 0 lets the
    /// system choose a free one, which [`local_addr`](Self::local_addr) tells. Suspends the green thread only while it
    /// looks up a name.
    ///
    /// # Errors
    /// As [`UdpSocket::bind`].
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::UdpSocket;
    /// use greenthread::server::DatagramServer;
    ///
    /// let server = DatagramServer::bind("127.0.0.1:0", |socket, data, peer| {
    ///     socket.send_to(format!("{} bytes", data.len()).as_bytes(), peer)
    /// })?;
    /// server.start()?;
    /// let client = UdpSocket::bind("127.0.0.1:0")?;
    /// client.send_to(b"hello", server.local_addr()?)?;
    /// let mut reply = [0; 7];
    /// client.recv(&mut reply)?;
    /// assert_eq!(&reply, b"5 bytes");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind<R>(
        addr: impl ToSocketAddrs,
        handler: impl Fn(&UdpSocket, Vec<u8>, SocketAddr) -> R + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::builder().bind(addr, handler)
    }

    /// Settings for a server.
    pub fn builder() -> DatagramServerBuilder {
        DatagramServerBuilder::default()
    }
}

impl<S: DatagramSocket> DatagramServer<S> {
    fn with<R>(
        settings: ServerSettings,
        sockets: Vec<S>,
        handler: impl Fn(&S, Vec<u8>, S::Addr) -> R + Send + Sync + 'static,
    ) -> Self {
        let handler = Held::new(handler);
        let source = |socket| Datagrams { socket: Arc::new(socket), buffer: Vec::new() };
        let source = |socket| Held::new(source(socket));
        let sources: Vec<_> = sockets.into_iter().map(source).collect();
        let address = sources[0].socket.local_addr();
        let handler = handler.into_inner();
        let handler = move |(socket, data, peer): FromSender<S>| {
            // It may be the last to have the socket.
            let socket = Held::new(socket);
            drop(handler(&socket, data, peer));
        };
        Self(ServerFrame::new(settings, sources, address, handler))
    }

    /// A server on a socket that is there already, with the settings that [`builder`](DatagramServer::builder) begins
    /// with.
    ///
    /// # Examples
    /// On a Unix socket:
    /// ```
    /// use greenthread::os::unix::net::{SocketAddr, UnixDatagram};
    /// use greenthread::server::DatagramServer;
    /// use greenthread::sync::mpsc::channel;
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// let name = SocketAddr::from_abstract_name(format!("greenthread-serve-{}", std::process::id()))?;
    /// let (line, lines) = channel();
    /// let log = DatagramServer::new(UnixDatagram::bind_addr(&name)?, move |_, data, _| {
    ///     line.send(String::from_utf8_lossy(&data).into_owned()).unwrap();
    /// });
    /// log.start()?;
    /// UnixDatagram::unbound()?.send_to_addr(b"started", &name)?;
    /// assert_eq!(lines.recv().as_deref(), Ok("started"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new<R>(
        socket: S,
        handler: impl Fn(&S, Vec<u8>, S::Addr) -> R + Send + Sync + 'static,
    ) -> Self {
        DatagramServerBuilder::default().build(socket, handler)
    }

    /// The address that it receives on; it can be asked for after the end too.
    ///
    /// # Errors
    /// Those of the socket's [`local_addr`](DatagramSocket::local_addr) when the server was made.
    pub fn local_addr(&self) -> io::Result<S::Addr> {
        self.0.local_addr()
    }

    /// Begins to receive, on the caller's runtime or the global one, and returns at once. Does nothing if it has begun
    /// already.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the server has been stopped: it cannot be started again. Those
    /// of [`Builder::spawn`](crate::Builder::spawn), such as too many green threads; that ends the server too.
    pub fn start(&self) -> io::Result<()> {
        self.0.start()
    }

    /// Starts, and waits until the server has been stopped: by [`stop`](Self::stop), or by the end of its runtime.
    /// Suspends a green thread, blocks an OS thread. If a kill or a timeout ends this wait, the server receives no
    /// more.
    ///
    /// # Errors
    /// As [`start`](Self::start); and a [fatal](DatagramSocket::is_fatal) error, or a panic, while receiving.
    #[doc(alias = "run_forever")]
    pub fn serve_forever(&self) -> io::Result<()> {
        self.0.serve_forever()
    }

    /// Stops for good, as [`StreamServer::stop`](super::StreamServer::stop): receives no more, waits for the handlers
    /// for `grace`, kills those that have not ended, and returns how many those were. Suspends a green thread, blocks
    /// an OS thread. Datagrams that were not received are lost.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::UdpSocket;
    /// use greenthread::server::DatagramServer;
    /// use std::time::Duration;
    ///
    /// let server = DatagramServer::bind("127.0.0.1:0", |socket, data, peer| socket.send_to(&data, peer))?;
    /// server.start()?;
    /// let client = UdpSocket::bind("127.0.0.1:0")?;
    /// client.send_to(b"ping", server.local_addr()?)?;
    /// client.recv(&mut [0; 4])?;
    /// assert_eq!(server.stop(Duration::from_secs(10)), 0);
    /// assert_eq!((server.stats().accepted, server.stats().finished), (1, 1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "shutdown")]
    pub fn stop(&self, grace: Duration) -> usize {
        self.0.stop(grace)
    }

    /// What the server has done so far; `accepted` counts datagrams. Does not suspend.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

impl<S: DatagramSocket> fmt::Debug for DatagramServer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("DatagramServer", f)
    }
}

/// Settings for a [`DatagramServer`]; made by [`DatagramServer::builder`].
///
/// # Examples
/// ```
/// use greenthread::server::DatagramServer;
/// let server = DatagramServer::builder()
///     .max_handlers(100)
///     .name("names")
///     .bind("127.0.0.1:0", |socket, data, peer| socket.send_to(&data, peer))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "settings do nothing until `bind` or `build`"]
pub struct DatagramServerBuilder {
    settings: ServerSettings,
}

impl DatagramServerBuilder {
    common_settings! {
        /// How many handlers may run at once; further datagrams wait in the socket's buffer, and are lost when that is full.
    }

    /// How many sockets share the address (`SO_REUSEPORT`), each with a receiver and a buffer of its own. One unless
    /// set, or as many as there are workers with [`per_worker`](Self::per_worker). The kernel chooses one by the
    /// addresses of both ends, so all datagrams of one peer come to the same socket. The limit of
    /// [`max_handlers`](Self::max_handlers) is divided among them. For [`bind`](Self::bind) only.
    ///
    /// Any process of the same user may receive on such an address too.
    ///
    /// # Examples
    /// ```
    /// use greenthread::server::DatagramServer;
    ///
    /// let server = DatagramServer::builder()
    ///     .sockets(2)
    ///     .max_handlers(1000)
    ///     .stack_size(64 * 1024)
    ///     .bind("127.0.0.1:0", |socket, data, peer| socket.send_to(&data, peer))?;
    /// server.start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_REUSEPORT")]
    pub fn sockets(mut self, count: usize) -> Self {
        self.settings.sources = Some(count.max(1));
        self
    }

    /// Each worker serves datagrams of its own: it receives them, and their handlers run where they were received, as
    /// for [`StreamServerBuilder::per_worker`](super::StreamServerBuilder::per_worker). Unless
    /// [`sockets`](Self::sockets) says otherwise, there is one socket for each worker of the caller's runtime, or of
    /// the global one, when [`bind`](Self::bind) is called.
    pub fn per_worker(mut self) -> Self {
        self.settings.pinned = true;
        self
    }

    /// A UDP server on an address, as [`DatagramServer::bind`] with these settings.
    ///
    /// # Errors
    /// As [`UdpSocket::bind`]; and with [`per_worker`](Self::per_worker) those of starting the global runtime, if the
    /// caller has none.
    pub fn bind<R>(
        self,
        addr: impl ToSocketAddrs,
        handler: impl Fn(&UdpSocket, Vec<u8>, SocketAddr) -> R + Send + Sync + 'static,
    ) -> io::Result<DatagramServer> {
        let handler = Held::new(handler);
        let sockets = bind(addr, self.settings.sources()?, bind_one, UdpSocket::local_addr)?;
        Ok(DatagramServer::with(self.settings, sockets, handler.into_inner()))
    }

    /// A server on a socket that is there already, as [`DatagramServer::new`] with these settings.
    pub fn build<S: DatagramSocket, R>(
        self,
        socket: S,
        handler: impl Fn(&S, Vec<u8>, S::Addr) -> R + Send + Sync + 'static,
    ) -> DatagramServer<S> {
        DatagramServer::with(self.settings, vec![socket], handler)
    }
}
