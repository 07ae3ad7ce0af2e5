//! Options of a listener that std has no way to set.
#![forbid(unsafe_code)]

use super::addr::each_addr;
use super::{TcpListener, ToSocketAddrs};
use crate::sys::net::{self, Listening};
use std::io;

/// Settings for making a [`TcpListener`] for which [`TcpListener::bind`] has no parameters. std has nothing like it.
///
/// Options that are missing here can be set by `socket2`: `SockRef::from(&listener)` has every option of a socket, and
/// a `socket2::Socket` becomes a listener by `TcpListener::from(OwnedFd::from(socket))`.
///
/// # Examples
/// ```
/// use greenthread::net::ListenOptions;
///
/// // Two listeners on one port: the system spreads the connections over them.
/// let options = ListenOptions::new().backlog(1024).reuse_port(true);
/// let first = options.bind("127.0.0.1:0")?;
/// let second = options.bind(first.local_addr()?)?;
/// assert_eq!(first.local_addr()?, second.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "TcpSocket")]
#[doc(alias = "ListenConfig")]
#[derive(Clone, Debug)]
#[must_use = "it does nothing until `bind`"]
pub struct ListenOptions {
    backlog: u32,
    reuse_port: bool,
    only_v6: Option<bool>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: 128, reuse_port: false, only_v6: None }
    }
}

impl ListenOptions {
    /// The options of [`TcpListener::bind`]: a backlog of 128, and the port for this listener alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections may wait to be accepted: 128 unless set. The system has a limit of its own
    /// (`net.core.somaxconn`), and takes that where this is more.
    ///
    /// # Examples
    /// For a server that many call at one moment:
    /// ```
    /// use greenthread::net::{ListenOptions, TcpStream};
    ///
    /// let listener = ListenOptions::new().backlog(4096).bind("127.0.0.1:0")?;
    /// let callers: Vec<_> = (0..100).map(|_| TcpStream::connect(listener.local_addr()?)).collect();
    /// // Nobody has accepted any of them yet.
    /// assert!(callers.iter().all(|caller| caller.is_ok()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "listen")]
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether other sockets that have this option too may listen on the same address, so that each worker of a server
    /// can have a listener of its own (`SO_REUSEPORT`); not unless set. Each has its own backlog: connections that wait
    /// in it when its listener is closed are reset.
    #[doc(alias = "SO_REUSEPORT")]
    pub fn reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// Whether a listener on an IPv6 address refuses connections by IPv4 (`IPV6_V6ONLY`). Unless set, the system
    /// decides (`net.ipv6.bindv6only`). Means nothing for an IPv4 address.
    ///
    /// # Examples
    /// Both kinds of clients by one listener, whatever the system's own setting is:
    /// ```
    /// use greenthread::net::{ListenOptions, TcpStream};
    ///
    /// # let has_v6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    /// # if has_v6 {
    /// let listener = ListenOptions::new().only_v6(false).bind("[::]:0")?;
    /// let port = listener.local_addr()?.port();
    /// let client = TcpStream::connect(("127.0.0.1", port))?;
    /// let (_stream, from) = listener.accept()?;
    /// assert!(from.is_ipv6(), "an IPv4 address, written as one of IPv6");
    /// # drop(client);
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn only_v6(mut self, only_v6: bool) -> Self {
        self.only_v6 = Some(only_v6);
        self
    }

    /// Binds to an address and listens there, as [`TcpListener::bind`]. Of several addresses, the first that can be had
    /// is taken. Suspends the green thread only while it looks up a name.
    ///
    /// # Errors
    /// As [`TcpListener::bind`]; of several addresses, the error of the last. No socket is left open.
    ///
    /// # Examples
    /// ```
    /// use greenthread::net::ListenOptions;
    /// use std::io::ErrorKind;
    ///
    /// // Unless both have `reuse_port`, a port is for one listener.
    /// let listener = ListenOptions::new().bind("127.0.0.1:0")?;
    /// let second = ListenOptions::new().reuse_port(true).bind(listener.local_addr()?);
    /// assert_eq!(second.unwrap_err().kind(), ErrorKind::AddrInUse);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind<A: ToSocketAddrs>(&self, addr: A) -> io::Result<TcpListener> {
        let Self { backlog, reuse_port, only_v6 } = *self;
        let how = Listening { backlog, reuse_port, only_v6 };
        each_addr(addr, |addr| net::TcpListener::listening(addr, &how)).map(TcpListener::made)
    }
}
