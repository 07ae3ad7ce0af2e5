//! What a descriptor leads to, as far as waiting for it and closing it differ.
#![forbid(unsafe_code)]

use crate::runtime::{blocking, park};
use crate::sys::{file, net, socket};
use crate::thread::shield;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// What is at the other side of a descriptor.
pub trait Endpoint: AsFd {
    /// Whether a write that waits for room may come to fail, or even to succeed, without a sign from the system; then
    /// it is tried now and then all the same. Linux does not tell those who poll a full Unix or datagram socket when
    /// this end is shut down for writing or the other one for reading. (It does wake those who block.)
    #[doc(hidden)]
    const WRITES_END_IN_SILENCE: bool = false;

    /// Whether its operations have no way to be told not to block: so it is in non-blocking mode, made so where it is made or taken in.
    #[doc(hidden)]
    const BY_MODE: bool = false;

    /// The timeouts that it has in the system, for reading and for writing.
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

/// A socket without timeouts that can be asked has none.
macro_rules! timeouts {
    () => {
        fn timeouts(&self) -> [Option<Duration>; 2] {
            [self.read_timeout(), self.write_timeout()].map(|timeout| timeout.unwrap_or(None))
        }
    };
}

impl Endpoint for net::TcpStream {
    timeouts!();

    /// With `SO_LINGER` the system makes whoever closes wait until the peer has everything, or the time is over.
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
