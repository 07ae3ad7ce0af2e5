//! What belongs to an open file description, and so to every duplicate of a descriptor: its mode, and its timeouts.
//!
//! Operations do not wait in the system, whatever the user has asked for. Most of them say so with each call, and then
//! `O_NONBLOCK` is left to others. It has to be set where the system has no such flag, or where code of others makes
//! the calls. Three values decide what it is:
//!
//! | `exported` | `by_mode` | `held` | `O_NONBLOCK` |
//! |---|---|---|---|
//! | no | no | 0 | what the user asked for, for a socket; for others what it was at first |
//! | no | no | more | set |
//! | no | yes | any | set |
//! | yes | any | any | what code outside of this library makes it: each operation looks |
//!
//! `exported` never goes back, nor does `by_mode`. A descriptor that is given away is put into the mode that the user
//! asked for. These values also decide [`how`](Modes::how) an operation is kept from blocking if the flag of the call
//! may not be supported:
//!
//! | `by_mode` | `exported` | `O_NONBLOCK` | is ready | how |
//! |---|---|---|---|---|
//! | no | | | | [`How::AtOnce`], until the system says that it does not support that |
//! | yes | no | set | | [`How::ByMode`] |
//! | yes | yes | set by others | | [`How::ByMode`] |
//! | yes | yes | cleared by others | yes | [`How::AsReady`] |
//! | yes | yes | cleared by others | no | not now: `WouldBlock` |
#![forbid(unsafe_code)]

use crate::runtime::reactor::Direction;
use crate::sys::time::deadline_after;
use crate::sys::{clock, poll, socket};
use crate::util::lock::Mutex;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How an operation is kept from blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By a flag of the call itself.
    AtOnce,
    /// The descriptor is in non-blocking mode.
    ByMode,
    /// The descriptor was just seen to be ready, and the operation does no more than is certain to be possible then.
    AsReady,
}

/// The user asked for `WouldBlock` instead of waiting.
const NONBLOCKING: u8 = 1;
/// A duplicate has left this library, so code outside may change `O_NONBLOCK` at any time.
const EXPORTED: u8 = 2;
/// The system has no other way to keep operations on this descriptor from blocking.
const BY_MODE: u8 = 4;

#[derive(Debug, Default)]
pub(super) struct Modes {
    /// The bits `NONBLOCKING`, `EXPORTED` and `BY_MODE`.
    state: AtomicU8,
    /// How many operations need `O_NONBLOCK` now. Whoever changes `O_NONBLOCK` holds this lock.
    held: Mutex<u16>,
    /// Nanoseconds, zero for none.
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
}

fn nanos(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX))
}

impl Modes {
    /// The modes of a descriptor that was just made; `by_mode` if it was made with `O_NONBLOCK`, as there is no other
    /// way.
    pub(super) fn new(by_mode: bool) -> Self {
        Self { state: AtomicU8::new(if by_mode { BY_MODE } else { 0 }), ..Self::default() }
    }

    /// The modes of a descriptor from elsewhere; `by_mode` if `O_NONBLOCK` is to be set, as there is no other way.
    pub(super) fn of(fd: BorrowedFd<'_>, by_mode: bool, timeouts: [Option<Duration>; 2]) -> Self {
        let mut modes = Self::new(by_mode);
        // A descriptor whose flags cannot be read or set is not open; every operation will say so.
        modes.set_nonblocking(socket::is_nonblocking(fd).unwrap_or(false));
        if by_mode {
            let _ = socket::set_nonblocking(fd, true);
        }
        let [read, write] = timeouts.map(|timeout| AtomicU64::new(nanos(timeout)));
        (modes.read_timeout, modes.write_timeout) = (read, write);
        modes
    }

    #[inline(always)]
    fn is(&self, bit: u8) -> bool {
        self.state.load(Ordering::Relaxed) & bit != 0
    }

    #[inline]
    pub(super) fn is_nonblocking(&self) -> bool {
        self.is(NONBLOCKING)
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) {
        if nonblocking {
            self.state.fetch_or(NONBLOCKING, Ordering::Relaxed);
        } else {
            self.state.fetch_and(!NONBLOCKING, Ordering::Relaxed);
        }
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
        self.is(EXPORTED)
    }

    /// How an operation that begins now is kept from blocking: see the second table above.
    ///
    /// # Errors
    /// `WouldBlock` where there is no way to begin it now.
    pub(super) fn how(&self, fd: BorrowedFd<'_>, direction: Direction) -> io::Result<How> {
        if !self.is(BY_MODE) {
            return Ok(How::AtOnce);
        }
        if !self.is(EXPORTED) || socket::is_nonblocking(fd)? {
            return Ok(How::ByMode);
        }
        let write = direction == Direction::Write;
        if poll::wait_fd(fd.as_raw_fd(), write, Some(clock::now()))? {
            return Ok(How::AsReady);
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// From here on operations go by `O_NONBLOCK`. It is set, whatever the user asked for, unless code outside has a
    /// duplicate: then each operation looks at it. Where it cannot be set, nothing changes.
    pub(super) fn go_by_mode(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let _held = self.held.lock();
        if !self.is_exported() {
            socket::set_nonblocking(fd, true)?;
        }
        self.state.fetch_or(BY_MODE, Ordering::Relaxed);
        Ok(())
    }

    /// Sets `O_NONBLOCK` of a socket until [`release`](Self::release). Returns `false`, and sets nothing, where that
    /// may disturb others.
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

    /// Called when the descriptor leaves this library.
    pub(super) fn give_away(&self, fd: BorrowedFd<'_>) {
        let _held = self.held.lock();
        if self.state.fetch_or(EXPORTED, Ordering::Relaxed) & BY_MODE != 0 {
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

    /// The deadline of an operation that begins now.
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
