//! A server of connections.
#![forbid(unsafe_code)]

use super::acceptor::ItemSource;
use super::core::ServerSettings;
use super::frame::{ServerFrame, bind, common_settings};
use super::listener::Listener;
use super::stats::Stats;
use crate::net::{ListenOptions, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use crate::util::dropping::Held;
use std::fmt;
use std::io;
use std::time::Duration;

/// Runs a handler on a green thread of its own for each connection, as gevent's `StreamServer`.
///
/// The handler gets a connection and the address of its other end. It may be called from several workers at once. What it
/// returns is dropped, so `?` ends a connection that has failed, and nobody is told; print what is to be seen. A
/// panic ends its own connection only. The server runs on the runtime of the green thread that [starts](Self::start)
/// it, or else on the global one; so a plain OS thread can start it, stop it and wait for it too.
///
/// # When a connection cannot be taken
/// If the system is short of something, such as descriptors or memory, the server pauses: for ten milliseconds at
/// first, then longer up to one second, or until a handler ends. The clients wait in the backlog meanwhile. An error
/// that concerns one connection only does not hold it up; after sixteen of them in a row it pauses for a millisecond.
/// Only an error that is [fatal](Listener::is_fatal), or a panic while taking a connection, ends the server.
/// [`serve_forever`](Self::serve_forever) returns that error; if nobody has called it, it is reported on standard
/// error.
///
/// # Dropping
/// A server that is dropped accepts no more, and closes the listening socket soon afterwards; connections that are
/// being handled go on. A server that is forgotten instead (`mem::forget`) goes on serving. A [`run`](crate::run)
/// around its start then waits for its green threads for ever.
///
/// # Examples
/// ```
/// use greenthread::net::TcpStream;
/// use greenthread::server::StreamServer;
/// use std::io::{self, Read, Write};
/// use std::time::Duration;
///
/// let server = StreamServer::bind("127.0.0.1:0", |stream, _peer| {
///     io::copy(&mut &stream, &mut &stream)
/// })?;
/// server.start()?;
///
/// let mut client = TcpStream::connect(server.local_addr()?)?;
/// client.write_all(b"hello")?;
/// let mut reply = [0; 5];
/// client.read_exact(&mut reply)?;
/// assert_eq!((&reply, server.stats().live), (b"hello", 1));
///
/// drop(client);
/// assert_eq!(server.stop(Duration::from_secs(10)), 0, "none had to be killed");
/// # Ok::<(), io::Error>(())
/// ```
///
/// On a Unix socket:
/// ```
/// use greenthread::os::unix::net::{UnixListener, UnixStream};
/// use greenthread::server::StreamServer;
/// use std::io::{self, Read, Write};
///
/// let path = std::env::temp_dir().join(format!("greenthread-server-{}", std::process::id()));
/// let server = StreamServer::new(UnixListener::bind(&path)?, |mut stream, _| stream.write_all(b"hello"));
/// server.start()?;
/// let mut text = String::new();
/// UnixStream::connect(&path)?.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// std::fs::remove_file(path)?;
/// # Ok::<(), io::Error>(())
/// ```
#[doc(alias = "start_server")]
#[doc(alias = "create_server")]
#[doc(alias = "socketserver")]
#[doc(alias = "ListenAndServe")]
pub struct StreamServer<L: Listener = TcpListener>(ServerFrame<L, L::Addr>);

impl<L: Listener> ItemSource for L {
    type Item = (L::Stream, L::Addr);

    fn next(&mut self) -> io::Result<Self::Item> {
        self.accept()
    }

    fn is_fatal(&self, error: &io::Error) -> bool {
        Listener::is_fatal(self, error)
    }
}

impl StreamServer {
    /// A server on an address, with the settings that [`builder`](Self::builder) begins with. Port 0 lets the system
    /// choose a free one, which [`local_addr`](Self::local_addr) tells. It listens from now on, and accepts once it is
    /// [started](Self::start). Suspends the green thread only while it looks up a name.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::TcpStream;
    /// use greenthread::server::StreamServer;
    /// use std::io::{Read, Write};
    ///
    /// let server = StreamServer::bind("127.0.0.1:0", |mut stream, peer| write!(stream, "hello {peer}"))?;
    /// server.start()?;
    /// let mut client = TcpStream::connect(server.local_addr()?)?;
    /// let mut greeting = String::new();
    /// client.read_to_string(&mut greeting)?;
    /// assert_eq!(greeting, format!("hello {}", client.local_addr()?));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind<R>(
        addr: impl ToSocketAddrs,
        handler: impl Fn(TcpStream, SocketAddr) -> R + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::builder().bind(addr, handler)
    }

    /// Settings for a server.
    pub fn builder() -> StreamServerBuilder {
        StreamServerBuilder::default()
    }
}

impl<L: Listener> StreamServer<L> {
    /// A server on a listener that is there already, with the settings that [`builder`](StreamServer::builder) begins
    /// with.
    ///
    /// # Examples
    /// On a listener that was made with settings of its own, or that another program has handed over:
    /// ```
    /// use greenthread::net::{ListenOptions, TcpStream};
    /// use greenthread::server::StreamServer;
    /// use std::io::{Read, Write};
    ///
    /// let listener = ListenOptions::new().backlog(16).bind("127.0.0.1:0")?;
    /// let server = StreamServer::new(listener, |mut stream, _| stream.write_all(b"hello"));
    /// server.start()?;
    /// let mut text = String::new();
    /// TcpStream::connect(server.local_addr()?)?.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new<R>(
        listener: L,
        handler: impl Fn(L::Stream, L::Addr) -> R + Send + Sync + 'static,
    ) -> Self {
        StreamServerBuilder::default().build(listener, handler)
    }

    fn with<R>(
        settings: ServerSettings,
        listeners: Vec<L>,
        handler: impl Fn(L::Stream, L::Addr) -> R + Send + Sync + 'static,
    ) -> Self {
        let handler = Held::new(handler);
        let listeners: Vec<_> = listeners.into_iter().map(Held::new).collect();
        let address = listeners[0].local_addr();
        let handler = handler.into_inner();
        let handler = move |(stream, peer)| drop(handler(stream, peer));
        Self(ServerFrame::new(settings, listeners, address, handler))
    }

    /// The address that it listens on; it can be asked for after the end too.
    ///
    /// # Errors
    /// Those of the listener's [`local_addr`](Listener::local_addr) when the server was made.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.0.local_addr()
    }

    /// Begins to accept, on the caller's runtime or the global one, and returns at once. Does nothing if it has begun
    /// already.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if the server has been stopped: it cannot be started again. Those
    /// of [`Builder::spawn`](crate::Builder::spawn), such as too many green threads; that ends the server too.
    ///
    /// # Examples
    /// The port is known, and clients may come, before the first is served:
    /// ```
    /// use greenthread::net::TcpStream;
    /// use greenthread::server::StreamServer;
    /// use std::io::Read;
    /// use std::time::Duration;
    ///
    /// let server = StreamServer::bind("127.0.0.1:0", |stream, _| drop(stream))?;
    /// let mut early = TcpStream::connect(server.local_addr()?)?;
    /// server.start()?;
    /// assert_eq!(early.read(&mut [0])?, 0);
    /// server.stop(Duration::from_secs(10));
    /// assert!(server.start().is_err(), "once stopped, for good");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start(&self) -> io::Result<()> {
        self.0.start()
    }

    /// Starts, and waits until the server has been stopped: by [`stop`](Self::stop), or by the end of its runtime.
    /// Suspends a green thread, blocks an OS thread. If a kill or a timeout ends this wait, the server accepts no more.
    ///
    /// # Errors
    /// As [`start`](Self::start); and a [fatal](Listener::is_fatal) error, or a panic, while taking a connection.
    ///
    /// # Examples
    /// A server that is all of a program:
    /// ```no_run
    /// use greenthread::server::StreamServer;
    /// use std::io;
    ///
    /// fn main() -> io::Result<()> {
    ///     StreamServer::bind("127.0.0.1:7000", |stream, _| io::copy(&mut &stream, &mut &stream))?.serve_forever()
    /// }
    /// ```
    #[doc(alias = "run_forever")]
    pub fn serve_forever(&self) -> io::Result<()> {
        self.0.serve_forever()
    }

    /// Stops for good: accepts no more, closes the listening sockets, waits until the handlers have ended, kills those
    /// that have not ended after `grace`, and waits for these too. Clients that are still in the backlog are refused.
    /// Returns how many handlers it killed. Suspends a green thread, blocks an OS thread.
    ///
    /// A handler may call it: its own connection is neither waited for nor killed. No handler may wait for the caller
    /// of this, as both would wait for ever. With `panic = "abort"` nothing can be killed, and this returns after
    /// `grace` at the latest.
    ///
    /// # Examples
    /// Requests that are under way get their time, and no more:
    /// ```
    /// use greenthread::net::TcpStream;
    /// use greenthread::server::StreamServer;
    /// use greenthread::sync::mpsc::channel;
    /// use std::time::Duration;
    ///
    /// let (begun, begins) = channel();
    /// let server = StreamServer::bind("127.0.0.1:0", move |_stream, _| {
    ///     begun.send(()).unwrap();
    ///     greenthread::thread::park(); // a request that hangs
    /// })?;
    /// server.start()?;
    /// let _client = TcpStream::connect(server.local_addr()?)?;
    /// begins.recv().unwrap();
    /// assert_eq!(server.stop(Duration::from_millis(1)), 1, "one had to be killed");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "shutdown")]
    pub fn stop(&self, grace: Duration) -> usize {
        self.0.stop(grace)
    }

    /// What the server has done so far. Does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::TcpStream;
    /// use greenthread::server::StreamServer;
    /// use std::io::Read;
    /// use std::time::Duration;
    ///
    /// let server = StreamServer::bind("127.0.0.1:0", |stream, _| drop(stream))?;
    /// server.start()?;
    /// // The handler has closed the connection.
    /// assert_eq!(TcpStream::connect(server.local_addr()?)?.read(&mut [0])?, 0);
    /// server.stop(Duration::from_secs(10));
    /// let stats = server.stats();
    /// assert_eq!((stats.accepted, stats.finished, stats.panicked), (1, 1, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

impl<L: Listener> fmt::Debug for StreamServer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("StreamServer", f)
    }
}

/// Settings for a [`StreamServer`]; made by [`StreamServer::builder`].
///
/// # Examples
/// ```
/// use greenthread::server::StreamServer;
/// let server = StreamServer::builder()
///     .max_handlers(1000)
///     .stack_size(64 * 1024)
///     .name("files")
///     .bind("127.0.0.1:0", |_stream, peer| println!("{peer} was here"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until `bind` or `build`"]
pub struct StreamServerBuilder {
    settings: ServerSettings,
    backlog: u32,
}

impl Default for StreamServerBuilder {
    fn default() -> Self {
        Self { settings: ServerSettings::default(), backlog: 4096 }
    }
}

impl StreamServerBuilder {
    common_settings! {
        /// How many handlers may run at once; the clients beyond that wait in the backlog, not accepted.
    }

    /// How many connections may wait to be accepted; 4096 unless set. The system has a limit of its own
    /// (`net.core.somaxconn`), and takes that where this is more. For [`bind`](Self::bind) only.
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// How many listening sockets share the address (`SO_REUSEPORT`), each with an acceptor and a backlog of its own.
    /// The kernel spreads the connections over them. One unless set, or as many as there are workers with
    /// [`per_worker`](Self::per_worker). The limit of [`max_handlers`](Self::max_handlers) is divided among them. For
    /// [`bind`](Self::bind) only.
    ///
    /// This pays if so many short connections come that one acceptor cannot take them fast enough. Any process of the
    /// same user may listen on such an address too.
    ///
    /// # Examples
    /// Four acceptors, of which each serves 250 clients at most:
    /// ```
    /// use greenthread::server::StreamServer;
    ///
    /// let server = StreamServer::builder()
    ///     .listeners(4)
    ///     .backlog(1024)
    ///     .max_handlers(1000)
    ///     .bind("127.0.0.1:0", |stream, _| std::io::copy(&mut &stream, &mut &stream))?;
    /// server.start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_REUSEPORT")]
    pub fn listeners(mut self, count: usize) -> Self {
        self.settings.sources = Some(count.max(1));
        self
    }

    /// Each worker serves connections of its own: it accepts them, and their handlers run where they were accepted.
    /// Unless [`listeners`](Self::listeners) says otherwise, there is one listening socket for each worker of the
    /// caller's runtime, or of the global one, when [`bind`](Self::bind) is called.
    ///
    /// So handlers can share values that are not `Send` in thread-locals, one for each worker, without locks; and
    /// nothing of a connection passes from worker to worker. On two processors that alone saved no measurable time.
    /// Without this, handlers are spread evenly over the workers as they begin. With it, the kernel spreads connections
    /// without regard to how busy a worker is: many that are alike are spread well, a few are not.
    ///
    /// # Examples
    /// ```
    /// use greenthread::server::StreamServer;
    /// use greenthread::thread::spawn_local;
    /// use std::rc::Rc;
    ///
    /// let server = StreamServer::builder().per_worker().bind("127.0.0.1:0", |stream, _peer| {
    ///     // Both green threads of this connection stay on one worker.
    ///     let stream = Rc::new(stream);
    ///     let reader = stream.clone();
    ///     spawn_local(move || std::io::copy(&mut &*reader, &mut std::io::sink()));
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn per_worker(mut self) -> Self {
        self.settings.pinned = true;
        self
    }

    /// A TCP server on an address, as [`StreamServer::bind`] with these settings.
    ///
    /// # Errors
    /// As [`TcpListener::bind`]; and with [`per_worker`](Self::per_worker) those of starting the global runtime, if the
    /// caller has none.
    pub fn bind<R>(
        self,
        addr: impl ToSocketAddrs,
        handler: impl Fn(TcpStream, SocketAddr) -> R + Send + Sync + 'static,
    ) -> io::Result<StreamServer> {
        let handler = Held::new(handler);
        let options = ListenOptions::new().backlog(self.backlog);
        let bind_one =
            |address: SocketAddr, shared| options.clone().reuse_port(shared).bind(address);
        let listeners = bind(addr, self.settings.sources()?, bind_one, TcpListener::local_addr)?;
        Ok(StreamServer::with(self.settings, listeners, handler.into_inner()))
    }

    /// A server on a listener that is there already, as [`StreamServer::new`] with these settings.
    pub fn build<L: Listener, R>(
        self,
        listener: L,
        handler: impl Fn(L::Stream, L::Addr) -> R + Send + Sync + 'static,
    ) -> StreamServer<L> {
        StreamServer::with(self.settings, vec![listener], handler)
    }
}
