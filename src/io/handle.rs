//! A descriptor that green threads wait for.
#![forbid(unsafe_code)]

use crate::runtime::park;
use crate::runtime::reactor::{Direction, Source};
use crate::sys::time::deadline_after;
use crate::sys::{file, poll, socket};
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What belongs to the open file description, and so to every duplicate of a descriptor.
#[derive(Debug, Default)]
struct Modes {
    /// The user asked for `WouldBlock` instead of waiting.
    nonblocking: AtomicBool,
    /// A duplicate left this library, so that `O_NONBLOCK` is whatever others made it.
    exported: AtomicBool,
    /// Operations have no other way to be told not to block, so `O_NONBLOCK` is set, whatever the user asked for.
    by_mode: AtomicBool,
    /// How many operations need `O_NONBLOCK` now.
    held: Mutex<u16>,
    /// Nanoseconds, zero for none.
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
}

/// How an operation is kept from blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By what the call itself says.
    AtOnce,
    /// The descriptor is in non-blocking mode.
    ByMode,
    /// It does no more than what is certain to be possible where the descriptor is ready, as it just was.
    AsReady,
}

/// Ends the registration when dropped, which is before the descriptor is closed: see the order of fields below.
struct Registration(Arc<Source>);

impl Drop for Registration {
    fn drop(&mut self) {
        self.0.unbind();
    }
}

/// A descriptor of type `T` with its registration.
pub struct Io<T> {
    registration: Registration,
    modes: Arc<Modes>,
    inner: T,
}

// Between two operations nothing is half changed, as in the kernel's object.
impl<T> UnwindSafe for Io<T> {}
impl<T> RefUnwindSafe for Io<T> {}

impl<T: AsFd + fmt::Debug> fmt::Debug for Io<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// See [`Io::hold_nonblocking`].
pub(crate) struct NonBlocking<'a, T: AsFd>(&'a Io<T>);

impl<T: AsFd> Drop for NonBlocking<'_, T> {
    fn drop(&mut self) {
        let mut held = self.0.modes.held.lock();
        *held -= 1;
        if *held == 0 && !self.0.is_nonblocking() {
            // Should this fail the descriptor is bad, and every operation will say so.
            let _ = socket::set_nonblocking(self.0.as_fd(), false);
        }
    }
}

fn nanos(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX))
}

impl<T: AsFd> Io<T> {
    /// Takes in a descriptor that was just made: blocking mode, no timeouts.
    pub(crate) fn new(inner: T) -> Self {
        Self::with_modes(inner, Arc::default())
    }

    /// Takes in a descriptor from elsewhere, with the modes it has there.
    pub(crate) fn adopt(
        inner: T,
        read_timeout: Option<Duration>,
        write_timeout: Option<Duration>,
    ) -> Self {
        let modes = Modes {
            // A descriptor whose flags cannot be read is not open; every operation will say so.
            nonblocking: AtomicBool::new(socket::is_nonblocking(inner.as_fd()).unwrap_or(false)),
            exported: AtomicBool::new(false),
            by_mode: AtomicBool::new(false),
            held: Mutex::new(0),
            read_timeout: AtomicU64::new(nanos(read_timeout)),
            write_timeout: AtomicU64::new(nanos(write_timeout)),
        };
        Self::with_modes(inner, Arc::new(modes))
    }

    /// Takes in a duplicate of `self`.
    pub(crate) fn duplicate(&self, inner: T) -> Self {
        Self::with_modes(inner, Arc::clone(&self.modes))
    }

    fn with_modes(inner: T, modes: Arc<Modes>) -> Self {
        let registration = Registration(Source::new(inner.as_fd().as_raw_fd()));
        Self { registration, modes, inner }
    }

    /// Gives the descriptor out, no longer registered, in the mode that the user asked for.
    pub(crate) fn into_inner(self) -> T {
        self.modes.exported.store(true, Ordering::Relaxed);
        if self.modes.by_mode.load(Ordering::Relaxed) {
            // Should this fail the descriptor is bad, and every operation will say so.
            let _ = socket::set_nonblocking(self.as_fd(), self.is_nonblocking());
        }
        self.inner
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        &self.inner
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.modes.nonblocking.store(nonblocking, Ordering::Relaxed);
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.modes.nonblocking.load(Ordering::Relaxed)
    }

    /// Whether a duplicate of the descriptor is in use elsewhere.
    pub(crate) fn is_exported(&self) -> bool {
        self.modes.exported.load(Ordering::Relaxed)
    }

    /// Like [`set_nonblocking`](Self::set_nonblocking), for a socket, whose operations do not depend on the mode.
    pub(crate) fn set_socket_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        let held = self.modes.held.lock();
        if *held == 0 {
            socket::set_nonblocking(self.as_fd(), nonblocking)?;
        }
        self.set_nonblocking(nonblocking);
        Ok(())
    }

    /// Keeps a socket in non-blocking mode while the guard lives. `None` where that may disturb others: it is in use outside
    /// this library.
    pub(crate) fn hold_nonblocking(&self) -> io::Result<Option<NonBlocking<'_, T>>> {
        let mut held = self.modes.held.lock();
        if self.is_exported() || *held == u16::MAX {
            return Ok(None);
        }
        if *held == 0 && !self.is_nonblocking() {
            socket::set_nonblocking(self.as_fd(), true)?;
        }
        *held += 1;
        Ok(Some(NonBlocking(self)))
    }

    fn timeout(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Read => &self.modes.read_timeout,
            Direction::Write => &self.modes.write_timeout,
        }
    }

    pub(crate) fn set_timeout(&self, direction: Direction, timeout: Option<Duration>) {
        self.timeout(direction).store(nanos(timeout), Ordering::Relaxed);
    }

    /// Runs `operation`, which must not block, until it says something else than `WouldBlock`, waiting in between.
    ///
    /// # Errors
    /// What the operation said. `WouldBlock` if the timeout of this direction passed, or in non-blocking mode.
    #[inline]
    pub(crate) fn run<R>(
        &self,
        direction: Direction,
        operation: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.run_unless_short(direction, operation, |_| false)
    }

    /// Like [`run`](Self::run); where `is_short` says that a result leaves nothing more to do in this direction, the next
    /// operation waits before it tries.
    #[inline]
    pub(crate) fn run_unless_short<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
        is_short: impl Fn(&R) -> bool,
    ) -> io::Result<R> {
        // Before the operation: a kill or a timeout that strikes here must not take what it has read along.
        park::spend_budget();
        let source = &self.registration.0;
        let mut deadline = None;
        loop {
            let seen = source.look();
            if source.may_be_ready(direction, seen) || self.is_nonblocking() {
                match operation(self.inner.as_fd()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        source.would_block(direction, seen);
                        if self.is_nonblocking() {
                            return Err(error);
                        }
                    }
                    Ok(result) => {
                        if is_short(&result) {
                            source.came_up_short(direction, seen);
                        }
                        return Ok(result);
                    }
                    Err(error) => return Err(error),
                }
            }
            if deadline.is_none() {
                deadline = self.deadline(direction);
            }
            if !source.wait(direction, deadline)? {
                return Err(io::Error::from_raw_os_error(libc::EAGAIN));
            }
        }
    }

    /// Takes in a descriptor whose operations have no way to be told not to block: from here on it is in non-blocking mode.
    pub(crate) fn new_by_mode(inner: T) -> io::Result<Self> {
        let io = Self::new(inner);
        io.go_by_mode()?;
        Ok(io)
    }

    /// Like [`adopt`](Self::adopt) and [`new_by_mode`](Self::new_by_mode): the mode it had is what the user sees.
    pub(crate) fn adopt_by_mode(inner: T) -> Self {
        let io = Self::adopt(inner, None, None);
        // Should this fail the descriptor is bad, and every operation will say so.
        let _ = io.go_by_mode();
        io
    }

    fn go_by_mode(&self) -> io::Result<()> {
        self.modes.by_mode.store(true, Ordering::Relaxed);
        if self.is_exported() { Ok(()) } else { socket::set_nonblocking(self.as_fd(), true) }
    }

    /// Like [`run`](Self::run), for an operation that is told how it may be done. It is asked to do without waiting by
    /// itself, until it says that the system does not [support](file::is_unsupported) that for such a descriptor.
    pub(crate) fn run_somehow<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T, How) -> io::Result<R>,
    ) -> io::Result<R> {
        self.run(direction, |fd| {
            if !self.modes.by_mode.load(Ordering::Relaxed) {
                match operation(&self.inner, How::AtOnce) {
                    Err(error) if file::is_unsupported(&error) => self.go_by_mode()?,
                    other => return other,
                }
            }
            // Where it is shared with code outside this library, that may have made it blocking again.
            if !self.is_exported() || socket::is_nonblocking(fd)? {
                return operation(&self.inner, How::ByMode);
            }
            let write = direction == Direction::Write;
            if !poll::wait_fd(fd.as_raw_fd(), write, Some(Instant::now()))? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            operation(&self.inner, How::AsReady)
        })
    }

    #[cold]
    fn timeout_deadline(nanos: u64) -> Option<Instant> {
        deadline_after(Duration::from_nanos(nanos))
    }

    /// When an operation that begins now has to give up.
    #[inline]
    pub(crate) fn deadline(&self, direction: Direction) -> Option<Instant> {
        match self.timeout(direction).load(Ordering::Relaxed) {
            0 => None,
            nanos => Self::timeout_deadline(nanos),
        }
    }

    /// Waits until the descriptor may be ready; `false` if the deadline passes first.
    pub(crate) fn wait(&self, direction: Direction, deadline: Option<Instant>) -> io::Result<bool> {
        let source = &self.registration.0;
        let seen = source.look();
        if source.may_be_ready(direction, seen) {
            source.would_block(direction, seen);
        }
        source.wait(direction, deadline)
    }
}

impl<T: AsFd> AsFd for Io<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}
