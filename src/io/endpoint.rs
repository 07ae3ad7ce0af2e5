//! What kinds of descriptors differ in: how one is waited for, and how it is closed.
#![forbid(unsafe_code)]

use crate::runtime::{blocking, park};
use crate::sys::{file, net, socket};
use crate::thread::shield;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// A kind of descriptor, such as a socket or the end of a pipe.
pub trait Endpoint: AsFd {
    /// Whether a write that waits for room may come to fail, or even to succeed, without a sign from the system. Such a
    /// write is tried again after growing pauses. Linux does not tell those who poll a full Unix or datagram socket
    /// that this end was shut down for writing, or the other one for reading. (It does wake those who block.)
    #[doc(hidden)]
    const WRITES_END_IN_SILENCE: bool = false;

    /// Whether the system has no flag by which a call keeps from blocking on it. Then it is put into non-blocking mode
    /// when it is made or taken in.
    #[doc(hidden)]
    const BY_MODE: bool = false;

    /// The timeouts that the system keeps for it: for reading, and for writing.
    #[doc(hidden)]
    fn timeouts(&self) -> [Option<Duration>; 2] {
        [None; 2]
    }

    /// Closes it. Must not block a worker.
    #[doc(hidden)]
    fn close(self)
    where
        Self: Sized,
    {
        drop(self);
    }
}

/// Asks a socket for its timeouts. One that cannot be asked counts as one without.
macro_rules! timeouts {
    () => {
        fn timeouts(&self) -> [Option<Duration>; 2] {
            [self.read_timeout(), self.write_timeout()].map(|timeout| timeout.unwrap_or(None))
        }
    };
}

impl Endpoint for net::TcpStream {
    timeouts!();

    /// With `SO_LINGER` the system makes whoever closes wait until the peer has everything, or the time is over. So an
    /// OS thread of the pool closes it then.
    fn close(self) {
        if park::is_green() && socket::lingers(self.as_fd()) {
            shield(|| blocking::run(blocking::Kind::Waits, move || drop(self)));
        }
    }
}

impl Endpoint for net::TcpListener {
    const BY_MODE: bool = true;
}

impl Endpoint for net::UnixListener {
    const BY_MODE: bool = true;
}

impl Endpoint for file::PipeReader {}
impl Endpoint for file::PipeWriter {}
impl Endpoint for std::os::fd::OwnedFd {}
impl Endpoint for BorrowedFd<'_> {}

impl Endpoint for net::UdpSocket {
    const WRITES_END_IN_SILENCE: bool = true;

    timeouts!();
}

impl Endpoint for net::UnixStream {
    const WRITES_END_IN_SILENCE: bool = true;

    timeouts!();
}

impl Endpoint for net::UnixDatagram {
    const WRITES_END_IN_SILENCE: bool = true;

    timeouts!();
}

/// Closes a descriptor in its own way when dropped. It is `None` once the descriptor has been given away.
pub(super) struct Closing<T: Endpoint>(pub(super) Option<T>);

impl<T: Endpoint> Closing<T> {
    #[inline(always)]
    pub(super) fn get(&self) -> &T {
        self.0.as_ref().expect("only what is no longer there has none")
    }
}

impl<T: Endpoint> Drop for Closing<T> {
    fn drop(&mut self) {
        if let Some(inner) = self.0.take() {
            inner.close();
        }
    }
}
