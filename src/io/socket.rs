//! What sockets have in common: the transfers, and those methods and traits of std that read the same for each of them.
#![forbid(unsafe_code)]

use super::{Connection, Endpoint, Io, Polled};
use crate::runtime::outgoing;
use crate::runtime::reactor::Direction;
use crate::sys::socket::{self, Take};
use crate::sys::{number, poll};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

impl<T: Connection> Io<T> {
    /// Reads from a stream.
    #[inline]
    pub(crate) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let room = buf.len();
        if room == 0 {
            return self.read_nothing();
        }
        self.run_unless_short(
            Direction::Read,
            |fd| socket::recv(fd, buf, Take::Consume),
            |&got| T::READS_ALL && got < room,
        )
    }

    /// Reads into an empty buffer. As in the system, that waits for something to read, and returns 0 however the wait
    /// of a TCP stream ends.
    #[cold]
    fn read_nothing(&self) -> io::Result<usize> {
        let mut waited = T::READS_ALL && !self.may_be_ready(Direction::Read);
        match socket::recv(self.as_fd(), &mut [], Take::Consume) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
        let result = self.run(Direction::Read, |fd| {
            if waited {
                return Ok(0);
            }
            waited = T::READS_ALL;
            socket::recv(fd, &mut [], Take::Consume)
        });
        match result {
            Err(error)
                if T::READS_ALL
                    && error.kind() == io::ErrorKind::WouldBlock
                    && !self.is_nonblocking() =>
            {
                Ok(0)
            }
            other => other,
        }
    }
}

impl<T: Connection> Io<T> {
    /// As [`read`](Self::read), for a future.
    #[inline]
    pub(crate) fn poll_read(
        &self,
        polled: &mut Polled,
        context: &Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buf.len();
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        self.poll_unless_short(
            Direction::Read,
            polled,
            context,
            |fd| socket::recv(fd, buf, Take::Consume),
            |&got| T::READS_ALL && got < room,
        )
    }

    /// As [`write`](Self::write), for a future.
    #[inline]
    pub(crate) fn poll_write(
        &self,
        polled: &mut Polled,
        context: &Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_unless_short(
            Direction::Write,
            polled,
            context,
            |fd| socket::send(fd, buf),
            |&sent| sent < buf.len(),
        )
    }

    /// As [`write_vectored`](Self::write_vectored), for a future.
    pub(crate) fn poll_write_vectored(
        &self,
        polled: &mut Polled,
        context: &Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let send = |fd: BorrowedFd<'_>| socket::send_vectored(fd, bufs);
        self.poll_unless_short(Direction::Write, polled, context, send, |_| false)
    }

    /// Tells the peer that nothing more will be written.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        socket::shut_down(self.as_fd(), Shutdown::Write)
    }
}

impl<T: Endpoint> Io<T> {
    pub(crate) fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if is_nothing(bufs) {
            return Ok(0);
        }
        self.run(Direction::Read, |fd| socket::recv_vectored(fd, bufs))
    }

    /// Writes to a stream.
    #[inline]
    pub(crate) fn write(&self, buf: &[u8]) -> io::Result<usize> {
        self.run(Direction::Write, |fd| self.send_now_or_soon(fd, buf))
    }

    #[inline]
    fn send_now_or_soon(&self, fd: BorrowedFd<'_>, buf: &[u8]) -> io::Result<usize> {
        if self.is_nonblocking() { socket::send(fd, buf) } else { outgoing::send(fd, buf) }
    }

    pub(crate) fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if is_nothing(bufs) {
            return Ok(0);
        }
        self.run(Direction::Write, |fd| socket::send_vectored(fd, bufs))
    }

    /// Peeks at a stream. The length of what is seen says nothing of the next read, so it does not count as a short
    /// read.
    pub(crate) fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.run(Direction::Read, |fd| socket::recv(fd, buf, Take::Peek))
    }

    /// Runs an operation that receives a datagram or a connection. Once this direction is shut down, the system lets a
    /// call that may block return, but answers one that must not with "would block" for ever; then this returns `end`.
    pub(crate) fn receive<R>(
        &self,
        mut operation: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
        end: impl Fn() -> io::Result<R>,
    ) -> io::Result<R> {
        self.run(Direction::Read, |fd| self.unless_shut_down(fd, operation(fd), &end))
    }

    /// Returns `end` instead of `WouldBlock` once this direction is shut down, as [`receive`](Self::receive) says.
    pub(crate) fn unless_shut_down<R>(
        &self,
        fd: BorrowedFd<'_>,
        result: io::Result<R>,
        end: impl Fn() -> io::Result<R>,
    ) -> io::Result<R> {
        match result {
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock
                    && !self.is_nonblocking()
                    && poll::is_read_closed(fd)? =>
            {
                end()
            }
            other => other,
        }
    }

    /// Sends a datagram to the connected peer.
    pub(crate) fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.run(Direction::Write, |fd| socket::send(fd, buf))
    }
}

/// The error that Linux has for a listener that is shut down. It also serves other calls that wait for what will not
/// come any more.
pub(crate) fn shut_down<T>() -> io::Result<T> {
    Err(io::Error::from_raw_os_error(number::EINVAL))
}

/// Whether a transfer moves no bytes. The system takes only so many pieces in one call, and the pieces behind those do
/// not count. If all that count are empty, it returns 0 at once, even where a transfer would fail.
fn is_nothing<T: Deref<Target = [u8]>>(bufs: &[T]) -> bool {
    bufs.iter().take(socket::MAX_PIECES).all(|buf| buf.is_empty())
}

/// Implements `Debug` and the conversions from and to descriptors. `$name` has a field `io`, and converts from and to
/// `$std`.
macro_rules! descriptor {
    ($name:ident, $std:ty) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.io.fmt(f)
            }
        }

        impl From<std::os::fd::OwnedFd> for $name {
            fn from(fd: std::os::fd::OwnedFd) -> Self {
                <$std>::from(fd).into()
            }
        }

        impl From<$name> for std::os::fd::OwnedFd {
            fn from(value: $name) -> Self {
                <$std>::from(value).into()
            }
        }

        impl std::os::fd::AsFd for $name {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.io.as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $name {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(self))
            }
        }

        impl std::os::fd::IntoRawFd for $name {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                std::os::fd::OwnedFd::from(self).into_raw_fd()
            }
        }
    };
}

/// Implements the conversions from and to std's type.
macro_rules! from_std {
    ($name:ident, $std:ty) => {
        /// Keeps the mode that the user has asked for, and the timeouts of a socket.
        impl From<$std> for $name {
            fn from(inner: $std) -> Self {
                Self { io: crate::io::Io::adopt(inner.into()) }
            }
        }

        /// Keeps the mode that the user has asked for, and the timeouts of a socket.
        impl From<$name> for $std {
            fn from(value: $name) -> Self {
                value.io.into_inner().into()
            }
        }
    };
}

/// Defines the methods that all sockets which transfer data have in common.
macro_rules! socket_methods {
    () => {
        /// A second handle to the same socket, which is closed when all handles are dropped. Both share timeouts and
        /// mode. Nothing is copied: each byte or datagram goes to one of them.
        ///
        /// # Errors
        /// Too many open files (`EMFILE` or `ENFILE`); this handle stays as it was.
        ///
        /// # Examples
        /// One green thread sends through a handle while another waits in the first, for any kind of socket:
        /// ```
        /// use greenthread::net::UdpSocket;
        ///
        /// let socket = UdpSocket::bind("127.0.0.1:0")?;
        /// let second = socket.try_clone()?;
        /// let reader = greenthread::spawn(move || socket.recv(&mut [0; 8]));
        /// second.send_to(b"hello", second.local_addr()?)?;
        /// assert_eq!(reader.join().unwrap()?, 5);
        /// # Ok::<(), std::io::Error>(())
        /// ```
        #[doc(alias = "dup")]
        #[doc(alias = "into_split")]
        pub fn try_clone(&self) -> io::Result<Self> {
            Ok(Self { io: self.io.duplicate(self.io.get().try_clone()?) })
        }

        /// How long a read may wait; `None`, as it is at first, is for ever. A read that has waited for so long fails
        /// with `WouldBlock`, as in std. A wait that has begun is not changed.
        ///
        /// # Errors
        /// [`InvalidInput`](io::ErrorKind::InvalidInput) for zero; the timeout stays as it was.
        ///
        /// # Examples
        /// The same for any kind of socket:
        /// ```
        /// use greenthread::net::UdpSocket;
        /// use std::{io::ErrorKind, time::Duration};
        ///
        /// let socket = UdpSocket::bind("127.0.0.1:0")?;
        /// socket.set_read_timeout(Some(Duration::from_millis(1)))?;
        /// // Nobody sends anything.
        /// assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        /// assert!(socket.read_timeout()?.is_some() && socket.write_timeout()?.is_none());
        /// # Ok::<(), std::io::Error>(())
        /// ```
        #[doc(alias = "settimeout")]
        #[doc(alias = "SO_RCVTIMEO")]
        #[doc(alias = "SetReadDeadline")]
        pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
            self.io.get().set_read_timeout(timeout)?;
            self.io.set_timeout(Direction::Read, timeout);
            Ok(())
        }

        /// How long a write may wait; `None`, as it is at first, is for ever. A write that has waited for so long fails
        /// with `WouldBlock`, as in std. A wait that has begun is not changed. For an example see
        /// [`set_read_timeout`](Self::set_read_timeout).
        ///
        /// # Errors
        /// [`InvalidInput`](io::ErrorKind::InvalidInput) for zero; the timeout stays as it was.
        #[doc(alias = "settimeout")]
        #[doc(alias = "SO_SNDTIMEO")]
        #[doc(alias = "SetWriteDeadline")]
        pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
            self.io.get().set_write_timeout(timeout)?;
            self.io.set_timeout(Direction::Write, timeout);
            Ok(())
        }

        /// The time that [`set_read_timeout`](Self::set_read_timeout) set, as the system has rounded it.
        ///
        /// # Errors
        /// None for a socket. The system refuses this if the descriptor came from elsewhere and is something else.
        pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
            self.io.get().read_timeout()
        }

        /// The time that [`set_write_timeout`](Self::set_write_timeout) set, as the system has rounded it.
        ///
        /// # Errors
        /// None for a socket. The system refuses this if the descriptor came from elsewhere and is something else.
        pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
            self.io.get().write_timeout()
        }

        /// Takes the error that has been met on the socket since the last call, if there is one (`SO_ERROR`).
        ///
        /// # Errors
        /// None for a socket. The system refuses this if the descriptor came from elsewhere and is something else.
        #[doc(alias = "SO_ERROR")]
        pub fn take_error(&self) -> io::Result<Option<io::Error>> {
            self.io.get().take_error()
        }

        /// In non-blocking mode, a call that would have to wait fails with `WouldBlock` instead. It is seldom needed,
        /// as waiting suspends only the green thread.
        ///
        /// # Errors
        /// None for a descriptor that is open.
        ///
        /// # Examples
        /// To take what has come, and no more, from any kind of socket:
        /// ```
        /// use greenthread::net::UdpSocket;
        /// use std::io::ErrorKind;
        ///
        /// let socket = UdpSocket::bind("127.0.0.1:0")?;
        /// socket.set_nonblocking(true)?;
        /// assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        /// assert!(socket.take_error()?.is_none(), "that was none of the socket's");
        /// # Ok::<(), std::io::Error>(())
        /// ```
        #[doc(alias = "setblocking")]
        pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
            self.io.set_socket_nonblocking(nonblocking)
        }
    };
}

/// Implements `Read` and `Write` for references, and for values by those.
macro_rules! stream_traits {
    ($name:ident, $own:ty) => {
        impl crate::io::HasIo for $name {
            type Inner = $own;

            fn io(&self) -> &crate::io::Io<$own> {
                &self.io
            }
        }

        impl Read for &$name {
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.io.read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.io.read_vectored(bufs)
            }
        }

        impl Write for &$name {
            #[inline]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.io.write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.io.write_vectored(bufs)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Read for $name {
            #[inline]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.io.read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.io.read_vectored(bufs)
            }
        }

        impl Write for $name {
            #[inline]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.io.write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.io.write_vectored(bufs)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

pub(crate) use {descriptor, from_std, socket_methods, stream_traits};
