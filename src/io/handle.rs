//! A descriptor that green threads wait for.
#![forbid(unsafe_code)]

use super::polled::Polled;
use crate::runtime::reactor::{Direction, Source};
use crate::runtime::{blocking, park};
use crate::sys::time::deadline_after;
use crate::sys::{file, poll, socket};
use crate::thread::shield;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What belongs to the open file description, and so to every duplicate of a descriptor.
#[derive(Debug, Default)]
struct Modes {
    /// The user asked for `WouldBlock` instead of waiting.
    nonblocking: AtomicBool,
    /// A duplicate has left this library, so code outside may change `O_NONBLOCK` at any time.
    exported: AtomicBool,
    /// The system has no other way to keep operations on this descriptor from blocking, so `O_NONBLOCK` is set,
    /// whatever the user asked for.
    by_mode: AtomicBool,
    /// How many operations need `O_NONBLOCK` now.
    held: Mutex<u16>,
    /// Nanoseconds, zero for none.
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
}

/// How far a wait has come.
struct Wait {
    begun: bool,
    /// Computed when the wait begins.
    deadline: Option<Instant>,
    /// How long until it looks again although no sign has come.
    pause: Duration,
}

/// Somebody who has waited this long for a peer does not mind a quarter of a second more.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(256);

impl Wait {
    #[inline(always)]
    fn new() -> Self {
        Self { begun: false, deadline: None, pause: Duration::from_millis(1) }
    }
}

/// What is at the other side of a descriptor.
pub trait Endpoint: AsFd {
    /// Whether a write that waits for room may come to fail, or even to succeed, without a sign from the system; then
    /// it is tried now and then all the same. Linux does not tell those who poll a full Unix or datagram socket when
    /// this end is shut down for writing or the other one for reading. (It does wake those who block.)
    #[doc(hidden)]
    const WRITES_END_IN_SILENCE: bool = false;

    /// Closes it. Must not block a worker.
    #[doc(hidden)]
    fn close(self)
    where
        Self: Sized,
    {
        drop(self);
    }
}

impl Endpoint for std::net::TcpStream {
    /// With `SO_LINGER` the system makes whoever closes wait until the peer has everything, or the time is over.
    fn close(self) {
        if park::is_green() && socket::lingers(self.as_fd()) {
            shield(|| blocking::run(blocking::Kind::Waits, move || drop(self)));
        }
    }
}

impl Endpoint for std::net::TcpListener {}
impl Endpoint for std::os::unix::net::UnixListener {}
impl Endpoint for std::io::PipeReader {}
impl Endpoint for std::io::PipeWriter {}
impl Endpoint for std::os::fd::OwnedFd {}
impl Endpoint for BorrowedFd<'_> {}

impl Endpoint for std::net::UdpSocket {
    const WRITES_END_IN_SILENCE: bool = true;
}

impl Endpoint for std::os::unix::net::UnixStream {
    const WRITES_END_IN_SILENCE: bool = true;
}

impl Endpoint for std::os::unix::net::UnixDatagram {
    const WRITES_END_IN_SILENCE: bool = true;
}

/// How an operation is kept from blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By what the call itself says.
    AtOnce,
    /// The descriptor is in non-blocking mode.
    ByMode,
    /// It does no more than is certain to be possible on a descriptor that is ready, as it just was.
    AsReady,
}

/// Ends the registration when dropped, which is before the descriptor is closed: see the order of fields below.
struct Registration(Arc<Source>);

impl Drop for Registration {
    fn drop(&mut self) {
        self.0.unbind();
    }
}

/// Closes a descriptor in its own way when dropped. It is `None` once the descriptor has been given away.
struct Closing<T: Endpoint>(Option<T>);

impl<T: Endpoint> Closing<T> {
    #[inline(always)]
    fn get(&self) -> &T {
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

/// A descriptor of type `T` with its registration.
pub struct Io<T: Endpoint> {
    registration: Registration,
    modes: Arc<Modes>,
    inner: Closing<T>,
}

// No operation leaves anything half changed, as in the kernel's object.
impl<T: Endpoint> UnwindSafe for Io<T> {}
impl<T: Endpoint> RefUnwindSafe for Io<T> {}

impl<T: Endpoint + fmt::Debug> fmt::Debug for Io<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Keeps a socket in non-blocking mode; see [`Io::hold_nonblocking`].
pub(crate) struct NonBlocking<'a, T: Endpoint>(&'a Io<T>);

impl<T: Endpoint> Drop for NonBlocking<'_, T> {
    fn drop(&mut self) {
        let mut held = self.0.modes.held.lock();
        *held -= 1;
        if *held == 0 && !self.0.is_nonblocking() {
            // If this fails the descriptor is bad, and every operation will say so.
            let _ = socket::set_nonblocking(self.0.as_fd(), false);
        }
    }
}

fn nanos(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, |timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX))
}

impl<T: Endpoint> Io<T> {
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
        Self { registration, modes, inner: Closing(Some(inner)) }
    }

    /// Gives the descriptor away: it is no longer registered, and in the mode that the user asked for.
    pub(crate) fn into_inner(mut self) -> T {
        self.modes.exported.store(true, Ordering::Relaxed);
        if self.modes.by_mode.load(Ordering::Relaxed) {
            // If this fails the descriptor is bad, and every operation will say so.
            let _ = socket::set_nonblocking(self.as_fd(), self.is_nonblocking());
        }
        self.inner.0.take().expect("it is given away only once")
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        self.inner.get()
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

    /// Runs `operation`, which must not block, again and again until it returns something other than `WouldBlock`, and
    /// waits in between.
    ///
    /// # Errors
    /// Those of the operation. `WouldBlock` if the timeout of this direction has passed, or in non-blocking mode.
    #[inline]
    pub(crate) fn run<R>(
        &self,
        direction: Direction,
        operation: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.run_unless_short(direction, operation, |_| false)
    }

    /// Like [`run`](Self::run); and if `is_short` tells that a result leaves nothing more to read, the next operation
    /// waits before it tries. A write is tried in any case: the system tells of room only when there is much of it, so
    /// a write may be possible before, and a write of nothing always is.
    #[inline]
    pub(crate) fn run_unless_short<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
        is_short: impl Fn(&R) -> bool,
    ) -> io::Result<R> {
        // Before the operation: a kill or a timeout that strikes here must not lose what the operation has read.
        park::spend_budget();
        let source = &self.registration.0;
        let (mut try_it, mut wait) = (direction == Direction::Write, Wait::new());
        loop {
            let seen = source.look();
            if try_it || source.may_be_ready(direction, seen) || self.is_nonblocking() {
                match operation(self.get().as_fd()) {
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
                    Err(error) => return Err(if wait.begun { self.met(error) } else { error }),
                }
            }
            try_it = self.wait_or_look_again(direction, &mut wait)?;
        }
    }

    /// The error that ended a wait. A call that waits by itself returns the cause; an attempt that begins after it only
    /// says `EPIPE`, so the cause is fetched here.
    #[cold]
    fn met(&self, error: io::Error) -> io::Error {
        if error.raw_os_error() != Some(libc::EPIPE) {
            return error;
        }
        socket::take_error(self.as_fd()).ok().flatten().unwrap_or(error)
    }

    /// Waits until the source may be ready. Returns `true` if it is time to look although there was no sign.
    ///
    /// # Errors
    /// `WouldBlock` when the timeout of this direction has passed.
    fn wait_or_look_again(&self, direction: Direction, wait: &mut Wait) -> io::Result<bool> {
        let source = &self.registration.0;
        wait.begun = true;
        if wait.deadline.is_none() {
            wait.deadline = self.deadline(direction);
        }
        if T::WRITES_END_IN_SILENCE && direction == Direction::Write {
            let look_again = Instant::now() + wait.pause;
            wait.pause = (wait.pause * 2).min(LONGEST_PAUSE);
            if wait.deadline.is_none_or(|at| look_again < at) {
                return Ok(!source.wait(direction, Some(look_again))?);
            }
        }
        if !source.wait(direction, wait.deadline)? {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        Ok(false)
    }

    /// Whether the next operation is worth trying, as far as that is known.
    pub(crate) fn may_be_ready(&self, direction: Direction) -> bool {
        let source = &self.registration.0;
        source.may_be_ready(direction, source.look())
    }

    /// As [`run_unless_short`](Self::run_unless_short), for a future: where that would wait, `polled` has the future polled
    /// again later. The timeouts of the descriptor and its mode do not count.
    #[inline]
    pub(crate) fn poll_unless_short<R>(
        &self,
        direction: Direction,
        polled: &mut Polled,
        context: &Context<'_>,
        mut operation: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
        is_short: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        let source = &self.registration.0;
        let is_silent = T::WRITES_END_IN_SILENCE && direction == Direction::Write;
        let mut try_it = is_silent && polled.is_due();
        loop {
            let seen = source.look();
            if try_it || source.may_be_ready(direction, seen) {
                let done = match operation(self.as_fd()) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        source.would_block(direction, seen);
                        None
                    }
                    Ok(result) => {
                        if is_short(&result) {
                            source.came_up_short(direction, seen);
                        }
                        Some(Ok(result))
                    }
                    Err(error) => Some(Err(error)),
                };
                if let Some(done) = done {
                    if is_silent {
                        polled.done(source, direction);
                    }
                    return Poll::Ready(done);
                }
            }
            try_it = false;
            match polled.poll(source, direction, context) {
                Poll::Ready(may_be_ready) => may_be_ready?,
                Poll::Pending => {
                    if is_silent {
                        polled.look_again_later(context);
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ends a wait that [`poll_unless_short`](Self::poll_unless_short) began and did not finish.
    pub(crate) fn leave(&self, direction: Direction, polled: &mut Polled) {
        polled.leave(&self.registration.0, direction);
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
        // If this fails the descriptor is bad, and every operation will say so.
        let _ = io.go_by_mode();
        io
    }

    fn go_by_mode(&self) -> io::Result<()> {
        self.modes.by_mode.store(true, Ordering::Relaxed);
        if self.is_exported() { Ok(()) } else { socket::set_nonblocking(self.as_fd(), true) }
    }

    /// Like [`run`](Self::run), for an operation that is told how to keep from blocking. At first it is asked to do so
    /// by the call itself, until it says that the system does not [support](file::is_unsupported) that for such a
    /// descriptor.
    pub(crate) fn run_somehow<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T, How) -> io::Result<R>,
    ) -> io::Result<R> {
        self.run(direction, |fd| {
            if !self.modes.by_mode.load(Ordering::Relaxed) {
                match operation(self.get(), How::AtOnce) {
                    Err(error) if file::is_unsupported(&error) => self.go_by_mode()?,
                    other => return other,
                }
            }
            // If it is shared with code outside this library, that code may have made it blocking again.
            if !self.is_exported() || socket::is_nonblocking(fd)? {
                return operation(self.get(), How::ByMode);
            }
            let write = direction == Direction::Write;
            if !poll::wait_fd(fd.as_raw_fd(), write, Some(Instant::now()))? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            operation(self.get(), How::AsReady)
        })
    }

    /// Repeats an operation of this direction that waits by itself, if it returns `WouldBlock` all the same: in
    /// non-blocking mode, or because of a timeout. For servers, which do not care for a mode that somebody else has
    /// asked for.
    pub(crate) fn in_any_mode<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.0.wait(direction, None)?;
                }
                other => return other,
            }
        }
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

impl<T: Endpoint> AsFd for Io<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get().as_fd()
    }
}
