//! Connections of the library for `async` code.
#![forbid(unsafe_code)]

use crate::io::{Polled, Stream};
use crate::runtime::reactor::Direction;
use std::fmt;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

/// A connection of this library whose reads and writes are polled: a [`TcpStream`](crate::net::TcpStream) or a
/// [`UnixStream`](crate::os::unix::net::UnixStream).
///
/// With the features `futures-io`, `tokio-io` and `hyper` it has the traits of those crates, so that protocols that are written for
/// them run over connections of this library without any other runtime: the workers wait for readiness anyway. If it is polled on a
/// green thread, the worker of that waits for it; elsewhere a worker of the global runtime does.
///
/// Timeouts that are set on the connection itself have no effect here; [`FutureExt::wait_timeout`](super::FutureExt::wait_timeout)
/// limits a wait. For datagrams and listeners, wrap the blocking call in [`green`](super::green()).
///
/// # Examples
/// ```
/// use greenthread::future::{AsyncIo, block_on};
/// use greenthread::os::unix::net::UnixStream;
/// use std::future::poll_fn;
///
/// let (here, there) = UnixStream::pair()?;
/// let (mut here, mut there) = (AsyncIo::new(here), AsyncIo::new(there));
/// greenthread::spawn(move || block_on(poll_fn(|context| there.poll_write(context, b"hello"))));
/// let mut text = [0; 16];
/// let got = block_on(poll_fn(|context| here.poll_read(context, &mut text)))?;
/// assert_eq!(&text[..got], b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AsyncIo<S: Stream> {
    stream: S,
    reading: Polled,
    writing: Polled,
    /// How many more operations that need not wait may follow one another.
    budget: u32,
}

/// How many operations that do not wait may follow one another before the others have a turn.
const BUDGET: u32 = 128;

impl<S: Stream> AsyncIo<S> {
    /// Makes one of a connection.
    ///
    /// # Examples
    /// See also [`poll_read`](Self::poll_read) and [`poll_write`](Self::poll_write); most are called by other crates,
    /// by the traits that features add.
    /// ```
    /// use greenthread::future::{AsyncIo, block_on};
    /// use greenthread::os::unix::net::UnixStream;
    /// use std::future::poll_fn;
    ///
    /// let (here, there) = UnixStream::pair()?;
    /// let (mut here, there) = (AsyncIo::new(here), AsyncIo::new(there));
    /// there.shutdown()?;
    /// let mut buffer = [0; 8];
    /// let got = block_on(poll_fn(|context| here.poll_read(context, &mut buffer)))?;
    /// assert_eq!(got, 0, "the end");
    /// assert!(here.get_ref().peer_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(stream: S) -> Self {
        Self { stream, reading: Polled::default(), writing: Polled::default(), budget: BUDGET }
    }

    /// The connection.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Reads what there is, as [`Read::read`](std::io::Read::read). Pending if there is nothing; then the waker of `context` is used
    /// when there may be something. Does not suspend.
    ///
    /// # Errors
    /// The error of the system call, for example `ConnectionReset`.
    #[inline]
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_spent(context) {
            return Poll::Pending;
        }
        self.stream.io().poll_read(&mut self.reading, context, buf)
    }

    /// Writes what there is room for, as [`Write::write`](std::io::Write::write). Pending if there is no room; then the waker of
    /// `context` is used when there may be some. Does not suspend.
    ///
    /// # Errors
    /// The error of the system call, for example `BrokenPipe`.
    #[inline]
    pub fn poll_write(&mut self, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_spent(context) {
            return Poll::Pending;
        }
        self.stream.io().poll_write(&mut self.writing, context, buf)
    }

    /// As [`poll_write`](Self::poll_write), from several buffers; [`new`](Self::new) shows how such calls are made.
    ///
    /// # Errors
    /// Those of [`poll_write`](Self::poll_write).
    pub fn poll_write_vectored(
        &mut self,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_spent(context) {
            return Poll::Pending;
        }
        self.stream.io().poll_write_vectored(&mut self.writing, context, bufs)
    }

    /// Tells the peer that nothing more will be written. Does not wait.
    ///
    /// # Errors
    /// The error of the system call; but that the peer has gone already is no error.
    pub fn shutdown(&self) -> io::Result<()> {
        match self.stream.io().shutdown_write() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }

    /// Whether the budget is spent. Then the future is polled again later, since one that never has to wait would keep
    /// its thread to itself.
    #[inline]
    fn is_spent(&mut self, context: &Context<'_>) -> bool {
        self.budget -= 1;
        if self.budget > 0 {
            return false;
        }
        self.budget = BUDGET;
        context.waker().wake_by_ref();
        true
    }
}

impl<S: Stream> Drop for AsyncIo<S> {
    fn drop(&mut self) {
        self.stream.io().leave(Direction::Read, &mut self.reading);
        self.stream.io().leave(Direction::Write, &mut self.writing);
    }
}

impl<S: Stream> From<S> for AsyncIo<S> {
    fn from(stream: S) -> Self {
        Self::new(stream)
    }
}

impl<S: Stream + fmt::Debug> fmt::Debug for AsyncIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncIo").field(&self.stream).finish()
    }
}
