//! A Unix socket that listens.
#![forbid(unsafe_code)]

use super::{SocketAddr, UnixStream};
use crate::io::{Io, descriptor, from_std, shut_down};
use crate::runtime::reactor::Direction;
use crate::sys::fault::{self, Call};
use std::io;
use std::iter::FusedIterator;
use std::os::fd::AsFd;
use std::path::Path;

/// A Unix socket that listens for connections, as [`std::os::unix::net::UnixListener`]: same methods, same errors, but
/// waiting suspends only the green thread. Several green threads may accept from one listener.
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
pub struct UnixListener {
    /// The descriptor is in non-blocking mode; what the user asked for is in the modes of `Io`.
    io: Io<std::os::unix::net::UnixListener>,
}

impl UnixListener {
    fn listening(
        listen: impl FnOnce() -> io::Result<std::os::unix::net::UnixListener>,
    ) -> io::Result<Self> {
        fault::check(Call::Socket)?;
        fault::check(Call::Bind)?;
        fault::check(Call::Listen)?;
        Ok(Self { io: Io::new_by_mode(listen()?)? })
    }

    /// Binds to a path and listens, as [`std::os::unix::net::UnixListener::bind`].
    ///
    /// # Errors
    /// What the system said, such as `AddrInUse` for a path that exists; `InvalidInput` for one that is too long.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::listening(|| std::os::unix::net::UnixListener::bind(path))
    }

    /// Like [`bind`](Self::bind), to an address, which may be an abstract name.
    ///
    /// # Errors
    /// What the system said.
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<Self> {
        Self::listening(|| std::os::unix::net::UnixListener::bind_addr(socket_addr))
    }

    /// Takes the next connection. Suspends until there is one.
    ///
    /// # Errors
    /// What the system said; too many open files (`EMFILE`) leaves the connection in the backlog for the next call.
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, addr) = self.io.run_somehow(Direction::Read, |listener, _| {
            let accepted = fault::check(Call::Accept).and_then(|()| listener.accept());
            self.io.unless_shut_down(listener.as_fd(), accepted, shut_down)
        })?;
        Ok((UnixStream::accepted(stream), addr))
    }

    /// A second handle to the same socket.
    ///
    /// # Errors
    /// What the system said, such as too many open files.
    pub fn try_clone(&self) -> io::Result<Self> {
        fault::check(Call::Dup)?;
        Ok(Self { io: self.io.duplicate(self.io.get().try_clone()?) })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// In non-blocking mode, an `accept` that would wait fails with `WouldBlock` instead.
    ///
    /// # Errors
    /// None: the socket itself does not block in either mode.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.io.set_nonblocking(nonblocking);
        Ok(())
    }

    /// The error that the socket has met since this was last called.
    ///
    /// # Errors
    /// What the system said.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        fault::check(Call::GetSockOpt)?;
        self.io.get().take_error()
    }

    /// Like [`accept`](Self::accept), and waits in non-blocking mode too.
    pub(crate) fn accept_in_any_mode(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.io.in_any_mode(Direction::Read, || self.accept())
    }

    /// The connections as they come, for ever.
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

/// Iterator over connections; made by [`UnixListener::incoming`]. Never ends.
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
from_std!(UnixListener, std::os::unix::net::UnixListener, Io::adopt_by_mode);
