//! What belongs to an open file description, and so to every duplicate of a descriptor: its mode, and its timeouts.
//!
//! Operations do not wait in the system, whatever the user has asked for. Most say so with each call, and then `O_NONBLOCK` is left to
//! others; where the system knows no such call, or code of others makes the calls, it has to be set. So what it is, is told by:
//!
//! | `exported` | `by_mode` | `held` | `O_NONBLOCK` |
//! |---|---|---|---|
//! | no | no | 0 | what the user asked for, for a socket; for others what it was at first |
//! | no | no | more | set |
//! | no | yes | any | set |
//! | yes | any | any | what code outside of this library makes it: each operation looks |
//!
//! `exported` never goes back, nor does `by_mode`. A descriptor that is given away is put into the mode that the user asked for.
#![forbid(unsafe_code)]

use crate::runtime::reactor::Direction;
use crate::sys::socket;
use crate::sys::time::deadline_after;
use crate::util::lock::Mutex;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub(super) struct Modes {
    /// The user asked for `WouldBlock` instead of waiting.
    nonblocking: AtomicBool,
    /// A duplicate has left this library, so code outside may change `O_NONBLOCK` at any time.
    exported: AtomicBool,
    /// The system has no other way to keep operations on this descriptor from blocking.
    by_mode: AtomicBool,
    /// How many operations need `O_NONBLOCK` now.
    held: Mutex<u16>,
    /// Nanoseconds, zero for none.
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
}

fn nanos(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX))
}

impl Modes {
    /// Those of a descriptor from elsewhere.
    pub(super) fn of(
        fd: BorrowedFd<'_>,
        read_timeout: Option<Duration>,
        write_timeout: Option<Duration>,
    ) -> Self {
        Self {
            // A descriptor whose flags cannot be read is not open; every operation will say so.
            nonblocking: AtomicBool::new(socket::is_nonblocking(fd).unwrap_or(false)),
            read_timeout: AtomicU64::new(nanos(read_timeout)),
            write_timeout: AtomicU64::new(nanos(write_timeout)),
            ..Self::default()
        }
    }

    #[inline]
    pub(super) fn is_nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed)
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) {
        self.nonblocking.store(nonblocking, Ordering::Relaxed);
    }

    /// As [`set_nonblocking`](Self::set_nonblocking), for a socket: others who have a duplicate see it too.
    pub(super) fn set_socket_nonblocking(
        &self,
        fd: BorrowedFd<'_>,
        nonblocking: bool,
    ) -> io::Result<()> {
        let held = self.held.lock();
        if *held == 0 {
            socket::set_nonblocking(fd, nonblocking)?;
        }
        self.set_nonblocking(nonblocking);
        Ok(())
    }

    pub(super) fn is_exported(&self) -> bool {
        self.exported.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn is_by_mode(&self) -> bool {
        self.by_mode.load(Ordering::Relaxed)
    }

    /// From here on `O_NONBLOCK` is set, whatever the user asked for.
    pub(super) fn go_by_mode(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.by_mode.store(true, Ordering::Relaxed);
        if self.is_exported() { Ok(()) } else { socket::set_nonblocking(fd, true) }
    }

    /// Sets `O_NONBLOCK` of a socket until [`release`](Self::release). `false` where that may disturb others.
    pub(super) fn hold(&self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        let mut held = self.held.lock();
        if self.is_exported() || *held == u16::MAX {
            return Ok(false);
        }
        if *held == 0 && !self.is_nonblocking() {
            socket::set_nonblocking(fd, true)?;
        }
        *held += 1;
        Ok(true)
    }

    pub(super) fn release(&self, fd: BorrowedFd<'_>) {
        let mut held = self.held.lock();
        *held -= 1;
        if *held == 0 && !self.is_nonblocking() {
            // If this fails the descriptor is bad, and every operation will say so.
            let _ = socket::set_nonblocking(fd, false);
        }
    }

    /// The descriptor leaves this library.
    pub(super) fn give_away(&self, fd: BorrowedFd<'_>) {
        self.exported.store(true, Ordering::Relaxed);
        if self.is_by_mode() {
            // If this fails the descriptor is bad, and every operation will say so.
            let _ = socket::set_nonblocking(fd, self.is_nonblocking());
        }
    }

    fn timeout(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Read => &self.read_timeout,
            Direction::Write => &self.write_timeout,
        }
    }

    pub(super) fn set_timeout(&self, direction: Direction, timeout: Option<Duration>) {
        self.timeout(direction).store(nanos(timeout), Ordering::Relaxed);
    }

    /// When an operation that begins now has to give up.
    #[inline]
    pub(super) fn deadline(&self, direction: Direction) -> Option<Instant> {
        #[cold]
        fn after(nanos: u64) -> Option<Instant> {
            deadline_after(Duration::from_nanos(nanos))
        }
        match self.timeout(direction).load(Ordering::Relaxed) {
            0 => None,
            nanos => after(nanos),
        }
    }
}
