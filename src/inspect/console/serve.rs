//! Starting the server and stopping it.
#![forbid(unsafe_code)]

use super::answers::Answers;
use super::http::{self, Hosts};
use crate::net::{SocketAddr, ToSocketAddrs};
use crate::runtime::Runtime;
use crate::server::StreamServer;
use crate::thread::JoinError;
use crate::util::dropping::{each, seen_in};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The name of the console's own runtime, which is not shown.
pub(super) const NAME: &str = "gt-console";
/// How many connections are served at a time: enough for somebody who looks at the page, and for somebody else.
const MAX_CONNECTIONS: usize = 64;
/// How long answers that are under way may take once the console stops.
const GRACE: Duration = Duration::from_secs(1);

/// Serves a page that shows the green threads of this process live, for a browser. Suspends a green thread, blocks an OS thread, while
/// it starts. See the [endpoints](crate::inspect#endpoints).
///
/// It has an OS thread of its own, so it answers even if all workers are held up. The address has to belong to this
/// machine alone, such as `127.0.0.1:7669` or `[::1]:0`: everybody who reaches the page sees the names of functions and
/// of green threads, and nobody is asked for a password. [`ServeBuilder::allow_remote`] is for those who protect it in
/// another way. Browsers open no page at some ports, 6665 to 6669 among them.
///
/// # Errors
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) for an address that other machines reach; the errors of
/// [`TcpListener::bind`](crate::net::TcpListener::bind) and of [`RuntimeBuilder::build`](crate::RuntimeBuilder::build).
///
/// # Examples
/// ```
/// use greenthread::inspect;
/// use greenthread::net::TcpStream;
/// use std::io::{Read, Write};
///
/// let console = inspect::serve("127.0.0.1:0")?;
/// println!("http://{}/", console.local_addr());
/// let mut client = TcpStream::connect(console.local_addr())?;
/// client.write_all(b"GET /api/pulse HTTP/1.0\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK"));
/// console.stop();
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("console", "tokio-console", "pprof", "jconsole", "page"))]
pub fn serve(address: impl ToSocketAddrs) -> io::Result<Console> {
    ServeBuilder::new().serve(address)
}

/// Settings for [`serve`].
///
/// # Examples
/// ```no_run
/// use greenthread::inspect::ServeBuilder;
/// // Inside of a container, whose port only this machine reaches.
/// let console = ServeBuilder::new().allow_remote(true).allow_host("console.lan").serve("0.0.0.0:7669")?;
/// console.detach();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "settings do nothing until `serve`"]
pub struct ServeBuilder {
    remote: bool,
    hosts: Hosts,
}

impl ServeBuilder {
    /// The settings of [`serve`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the address may be one that other machines reach; `false` unless set. Everybody who reaches it sees
    /// everything, so access has to be restricted in another way.
    pub fn allow_remote(mut self, allow: bool) -> Self {
        self.remote = allow;
        self
    }

    /// Also answers requests for this host name, given without a port. Otherwise the `Host` of a request has to be an
    /// address or `localhost`: a foreign page could else read this one by a host name of its own that leads here.
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.hosts.0.push(name.into());
        self
    }

    /// Like [`serve`], with these settings.
    ///
    /// # Errors
    /// As [`serve`].
    pub fn serve(self, address: impl ToSocketAddrs) -> io::Result<Console> {
        let found = seen_in(address, |address| address.to_socket_addrs().map(each));
        let addresses: Vec<SocketAddr> = found?.collect();
        if let Some(other) = addresses.iter().find(|it| !self.remote && !http::is_loopback(it.ip()))
        {
            let why = format!("{other} is reached by other machines, which `allow_remote` allows");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let (answers, hosts) = (Answers::new(), self.hosts);
        let handler = move |stream, _| {
            // Most errors come from browsers that have gone.
            let _ = http::serve(stream, &hosts, |request| answers.to(request));
        };
        let builder = StreamServer::builder().max_handlers(MAX_CONNECTIONS).name("console");
        let server = Arc::new(builder.bind(&addresses[..], handler)?);
        let address = server.local_addr()?;
        let runtime = Runtime::builder().workers(1).thread_name(NAME).build()?;
        let own = Arc::clone(&server);
        let started = runtime.spawn(move || own.start()).join();
        started.map_err(|error: JoinError| io::Error::other(error.to_string()))??;
        Ok(Console { address, server, runtime: Some(runtime) })
    }
}

/// A console that [`serve`] has started. It stops when this is dropped.
#[derive(Debug)]
#[must_use = "it stops when this is dropped"]
pub struct Console {
    address: SocketAddr,
    server: Arc<StreamServer>,
    /// This is `None` only after `detach`.
    runtime: Option<Runtime>,
}

impl Console {
    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops the console, as dropping this does. Waits for answers that are under way, for a second at most: suspends a
    /// green thread, blocks an OS thread.
    pub fn stop(self) {}

    /// Lets the console run until the process ends.
    pub fn detach(mut self) {
        std::mem::forget(self.runtime.take());
        std::mem::forget(Arc::clone(&self.server));
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            self.server.stop(GRACE);
            let _ = runtime.shutdown(GRACE);
        }
    }
}
