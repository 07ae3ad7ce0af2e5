//! A Unix socket that listens.
#![forbid(unsafe_code)]

use super::{SocketAddr, UnixStream};
use crate::io::{Io, descriptor, from_std, shut_down};
use crate::runtime::reactor::Direction;
use crate::sys::net;
use crate::util::dropping::seen_in;
use std::io;
use std::iter::FusedIterator;
use std::os::fd::AsFd;
use std::path::Path;

/// A Unix socket that listens for connections, as [`std::os::unix::net::UnixListener`]: same methods, same errors, but
/// waiting suspends only the green thread. Several green threads may accept from one listener; each connection goes to
/// one of them.
///
/// # Examples
/// ```
/// use greenthread::os::unix::net::{UnixListener, UnixStream};
/// use std::io::{Read, Write};
///
/// let path = std::env::temp_dir().join(format!("greenthread-listener-{}", std::process::id()));
/// let listener = UnixListener::bind(&path)?;
/// let server = greenthread::spawn(move || listener.accept()?.0.write_all(b"hello"));
/// let mut text = String::new();
/// UnixStream::connect(&path)?.read_to_string(&mut text)?;
/// server.join().unwrap()?;
/// assert_eq!(text, "hello");
/// std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "listen")]
#[doc(alias = "start_unix_server")]
#[doc(alias = "AF_UNIX")]
pub struct UnixListener {
    /// The descriptor is in non-blocking mode; what the user asked for is in the modes of `Io`.
    io: Io<net::UnixListener>,
}

impl UnixListener {
    fn made(inner: net::UnixListener) -> Self {
        Self { io: Io::new(inner) }
    }

    /// Makes a socket file at a path and listens there, as [`std::os::unix::net::UnixListener::bind`]. The file stays
    /// after the end of the listener: remove it.
    ///
    /// # Errors
    /// - [`AddrInUse`](io::ErrorKind::AddrInUse) if something is at that path already, even if nobody listens there any
    ///   more.
    /// - [`NotFound`](io::ErrorKind::NotFound) if there is no such folder,
    ///   [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be written.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) for a path of more than 107 bytes, or with a zero byte in it.
    /// - Too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// A file that an earlier run left behind is in the way until it is removed:
    /// ```
    /// use greenthread::os::unix::net::UnixListener;
    /// use std::io::ErrorKind;
    ///
    /// let path = std::env::temp_dir().join(format!("greenthread-bind-{}", std::process::id()));
    /// drop(UnixListener::bind(&path)?);
    /// assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    /// std::fs::remove_file(&path)?;
    /// let listener = UnixListener::bind(&path)?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        seen_in(path, |path| net::UnixListener::bind(path.as_ref())).map(Self::made)
    }

    /// Like [`bind`](Self::bind), to an address, which may be an abstract name.
    ///
    /// # Errors
    /// As `bind`; [`AddrInUse`](io::ErrorKind::AddrInUse) for an abstract name means that another socket has it now.
    ///
    /// # Examples
    /// An abstract name leaves no file behind:
    /// ```
    /// use greenthread::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// let name = SocketAddr::from_abstract_name(format!("greenthread-at-{}", std::process::id()))?;
    /// let listener = UnixListener::bind_addr(&name)?;
    /// // A second handle, for another green thread that accepts.
    /// let second = listener.try_clone()?;
    /// let client = UnixStream::connect_addr(&name)?;
    /// assert_eq!(client.peer_addr()?.as_abstract_name(), name.as_abstract_name());
    /// assert!(second.accept().is_ok() && second.take_error()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<Self> {
        net::UnixListener::bind_addr(socket_addr).map(Self::made)
    }

    /// Takes the next connection, and tells the address of its other end, which mostly has no name. Suspends the green
    /// thread until there is a connection.
    ///
    /// # Errors
    /// The listener can be used on after each of them:
    /// - Too many open files (`EMFILE` or `ENFILE`). The connection stays in the backlog, so the next call fails at
    ///   once in the same way until something is closed: wait a moment before it.
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock) in [non-blocking mode](Self::set_nonblocking), if no connection is
    ///   there.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput) once the socket has been shut down.
    ///
    /// # Examples
    /// Who is it? The system knows the process at the other end:
    /// ```
    /// use greenthread::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// # let name = SocketAddr::from_abstract_name(format!("greenthread-who-{}", std::process::id()))?;
    /// let listener = UnixListener::bind_addr(&name)?;
    /// let client = UnixStream::connect_addr(&name)?;
    /// let (stream, from) = listener.accept()?;
    /// assert!(from.is_unnamed());
    /// let peer = rustix::net::sockopt::socket_peercred(&stream)?;
    /// assert_eq!(peer.pid.as_raw_nonzero().get() as u32, std::process::id());
    /// # drop(client);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, addr) = self.io.run_somehow(Direction::Read, |listener, _| {
            self.io.unless_shut_down(listener.as_fd(), listener.accept(), shut_down)
        })?;
        Ok((UnixStream::accepted(stream), addr))
    }

    /// A second handle to the same socket, which is closed when all handles are dropped. Both see the mode that either
    /// of them [sets](Self::set_nonblocking).
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`); this handle stays as it was.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { io: self.io.duplicate(self.io.get().try_clone()?) })
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// Only if the system has no memory for the answer.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// In non-blocking mode, an [`accept`](Self::accept) that would have to wait fails with `WouldBlock` instead. It is
    /// seldom needed, as waiting suspends only the green thread.
    ///
    /// # Errors
    /// None: it is `Result` as in std, but the descriptor itself does not block in either mode.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.io.set_nonblocking(nonblocking);
        Ok(())
    }

    /// Takes the error that has been met on the socket since the last call, if there is one (`SO_ERROR`).
    ///
    /// # Errors
    /// None for a socket. The system refuses this if the descriptor came from elsewhere and is something else.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get().take_error()
    }

    /// Like [`accept`](Self::accept), and waits in non-blocking mode too.
    pub(crate) fn accept_in_any_mode(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.io.in_any_mode(Direction::Read, || self.accept())
    }

    /// An iterator over the connections as they come. It never ends: each item is what [`accept`](Self::accept)
    /// returns, without the address, and suspends the green thread in the same way.
    ///
    /// # Examples
    /// ```
    /// use greenthread::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    /// use std::io::{Read, Write};
    /// use std::os::linux::net::SocketAddrExt;
    ///
    /// # let name = SocketAddr::from_abstract_name(format!("greenthread-in-{}", std::process::id()))?;
    /// let listener = UnixListener::bind_addr(&name)?;
    /// greenthread::spawn(move || {
    ///     for stream in listener.incoming().flatten() {
    ///         greenthread::spawn(move || (&stream).write_all(b"hello"));
    ///     }
    /// });
    /// let mut text = String::new();
    /// UnixStream::connect_addr(&name)?.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }
}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = Incoming<'a>;

    fn into_iter(self) -> Incoming<'a> {
        self.incoming()
    }
}

/// An iterator over connections that never ends; made by [`UnixListener::incoming`].
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Incoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedIterator for Incoming<'_> {}

descriptor!(UnixListener, std::os::unix::net::UnixListener);
from_std!(UnixListener, std::os::unix::net::UnixListener);
