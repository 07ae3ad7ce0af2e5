//! What the sockets have in common: the transfers, and the methods and traits of std that read the same for each of them.
#![forbid(unsafe_code)]

use super::{Connection, Endpoint, Io};
use crate::runtime::reactor::Direction;
#[cfg(feature = "io-uring")]
use crate::runtime::task::outgoing;
use crate::runtime::watching::Watching;
use crate::sys::fault::{self, Call};
use crate::sys::poll;
use crate::sys::socket::{self, Take};
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

    /// Waits for something to read, as the system does. In TCP the end of that wait counts, whatever it was.
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
        watching: &mut Watching,
        context: &Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buf.len();
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        self.poll_unless_short(
            Direction::Read,
            watching,
            context,
            |fd| socket::recv(fd, buf, Take::Consume),
            |&got| T::READS_ALL && got < room,
        )
    }

    /// As [`write`](Self::write), for a future.
    #[inline]
    pub(crate) fn poll_write(
        &self,
        watching: &mut Watching,
        context: &Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_unless_short(
            Direction::Write,
            watching,
            context,
            |fd| socket::send(fd, buf),
            |&sent| sent < buf.len(),
        )
    }

    /// As [`write_vectored`](Self::write_vectored), for a future.
    pub(crate) fn poll_write_vectored(
        &self,
        watching: &mut Watching,
        context: &Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let send = |fd: BorrowedFd<'_>| socket::send_vectored(fd, bufs);
        self.poll_unless_short(Direction::Write, watching, context, send, |_| false)
    }

    /// Tells the peer that nothing more will be written.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        fault::check(Call::Shutdown)?;
        socket2::SockRef::from(self).shutdown(Shutdown::Write)
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
        #[cfg(feature = "io-uring")]
        if !self.is_nonblocking() {
            return outgoing::send(fd, buf);
        }
        socket::send(fd, buf)
    }

    pub(crate) fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if is_nothing(bufs) {
            return Ok(0);
        }
        self.run(Direction::Write, |fd| socket::send_vectored(fd, bufs))
    }

    /// Peeks at a stream: a short one says nothing of the next.
    pub(crate) fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.run(Direction::Read, |fd| socket::recv(fd, buf, Take::Peek))
    }

    /// Runs an operation that receives a datagram or a connection. Once this direction is shut down, one that may block
    /// gives `end`, while one that must not says for ever that it would block.
    pub(crate) fn receive<R>(
        &self,
        mut operation: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
        end: impl Fn() -> io::Result<R>,
    ) -> io::Result<R> {
        self.run(Direction::Read, |fd| self.unless_shut_down(fd, operation(fd), &end))
    }

    /// See [`receive`](Self::receive).
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

/// What Linux says of a listener that is shut down, for what else waits for things that will not come any more.
pub(crate) fn shut_down<T>() -> io::Result<T> {
    Err(io::Error::from_raw_os_error(libc::EINVAL))
}

/// What is behind the first pieces, as many as the system takes, does not count. The system says at once that it has
/// transferred nothing, even where a transfer would fail.
fn is_nothing<T: Deref<Target = [u8]>>(bufs: &[T]) -> bool {
    bufs.iter().take(socket::MAX_PIECES).all(|buf| buf.is_empty())
}

/// `Debug`, and what std's types of descriptors can be turned into and seen as. `$name` has a field `io` and converts from
/// and to `$std`.
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
                std::os::fd::AsRawFd::as_raw_fd(self.io.get())
            }
        }

        impl std::os::fd::IntoRawFd for $name {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                std::os::fd::OwnedFd::from(self).into_raw_fd()
            }
        }
    };
}

/// From and to std's type, for sockets that transfer data.
macro_rules! socket_from_std {
    ($name:ident, $std:ty) => {
        /// Keeps the socket's mode and timeouts.
        impl From<$std> for $name {
            fn from(inner: $std) -> Self {
                let (read, write) = (inner.read_timeout(), inner.write_timeout());
                Self {
                    io: crate::io::Io::adopt(inner, read.unwrap_or(None), write.unwrap_or(None)),
                }
            }
        }

        /// Keeps the socket's mode and timeouts.
        impl From<$name> for $std {
            fn from(value: $name) -> Self {
                value.io.into_inner()
            }
        }
    };
}

/// From and to std's type, for what is in non-blocking mode whatever the user asked for.
macro_rules! from_std {
    ($name:ident, $std:ty, $adopt:expr) => {
        /// Keeps the mode as far as the user can see it.
        impl From<$std> for $name {
            fn from(inner: $std) -> Self {
                Self { io: $adopt(inner) }
            }
        }

        /// Keeps the mode as far as the user can see it.
        impl From<$name> for $std {
            fn from(value: $name) -> Self {
                value.io.into_inner()
            }
        }
    };
}

/// The methods that sockets which transfer data have in common.
macro_rules! socket_methods {
    () => {
        /// A second handle to the same socket.
        ///
        /// # Errors
        /// What the system said, such as too many open files.
        pub fn try_clone(&self) -> io::Result<Self> {
            fault::check(Call::Dup)?;
            Ok(Self { io: self.io.duplicate(self.io.get().try_clone()?) })
        }

        /// How long a read may wait; `None` is for ever. A read that took longer fails with `WouldBlock`.
        ///
        /// # Errors
        /// `InvalidInput` for zero.
        pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
            fault::check(Call::SetSockOpt)?;
            self.io.get().set_read_timeout(timeout)?;
            self.io.set_timeout(Direction::Read, timeout);
            Ok(())
        }

        /// How long a write may wait; `None` is for ever. A write that took longer fails with `WouldBlock`.
        ///
        /// # Errors
        /// `InvalidInput` for zero.
        pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
            fault::check(Call::SetSockOpt)?;
            self.io.get().set_write_timeout(timeout)?;
            self.io.set_timeout(Direction::Write, timeout);
            Ok(())
        }

        /// What [`set_read_timeout`](Self::set_read_timeout) set.
        ///
        /// # Errors
        /// What the system said.
        pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
            self.io.get().read_timeout()
        }

        /// What [`set_write_timeout`](Self::set_write_timeout) set.
        ///
        /// # Errors
        /// What the system said.
        pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
            self.io.get().write_timeout()
        }

        /// The error that the socket has met since this was last called.
        ///
        /// # Errors
        /// What the system said.
        pub fn take_error(&self) -> io::Result<Option<io::Error>> {
            fault::check(Call::GetSockOpt)?;
            self.io.get().take_error()
        }

        /// In non-blocking mode, what would wait fails with `WouldBlock` instead.
        ///
        /// # Errors
        /// What the system said.
        pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
            self.io.set_socket_nonblocking(nonblocking)
        }
    };
}

/// `Read` and `Write` by reference, and by value the same.
macro_rules! stream_traits {
    ($name:ident, $std:ty) => {
        impl crate::io::HasIo for $name {
            type Inner = $std;

            fn io(&self) -> &crate::io::Io<$std> {
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

pub(crate) use {descriptor, from_std, socket_from_std, socket_methods, stream_traits};
