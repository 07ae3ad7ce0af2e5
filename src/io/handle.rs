//! A descriptor that green threads wait for.
#![forbid(unsafe_code)]

use super::endpoint::{Closing, Endpoint};
use super::modes::{How, Modes};
use super::polled::Polled;
use crate::runtime::park;
use crate::runtime::reactor::{Direction, Source};
use crate::sys::{clock, file, number, socket};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The state of one wait.
struct Wait {
    begun: bool,
    /// Computed when the wait begins.
    deadline: Option<Instant>,
    /// How long to wait for a sign before the operation is tried without one.
    pause: Duration,
}

/// The longest of the growing pauses: who has waited this long for a peer does not mind a quarter of a second more.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_millis(256);

impl Wait {
    #[inline(always)]
    fn new() -> Self {
        Self { begun: false, deadline: None, pause: Duration::from_millis(1) }
    }
}

/// Ends the registration when dropped, which is before the descriptor is closed: see the order of fields below.
struct EndsRegistration(Arc<Source>);

impl Drop for EndsRegistration {
    fn drop(&mut self) {
        self.0.unbind();
    }
}

/// A descriptor of type `T` with its registration.
pub struct Io<T: Endpoint> {
    registration: EndsRegistration,
    modes: Arc<Modes>,
    inner: Closing<T>,
}

// A panic leaves nothing half changed: the state is the kernel's.
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
        self.0.modes.release(self.0.as_fd());
    }
}

impl<T: Endpoint> Io<T> {
    /// Takes in a descriptor that was just made, for which the user has set neither mode nor timeouts.
    pub(crate) fn new(inner: T) -> Self {
        Self::with_modes(inner, Arc::new(Modes::new(T::BY_MODE)))
    }

    /// Takes in a descriptor from elsewhere. The mode and the timeouts that it has are taken for what the user asked
    /// for.
    pub(crate) fn adopt(inner: T) -> Self {
        let modes = Modes::of(inner.as_fd(), T::BY_MODE, inner.timeouts());
        Self::with_modes(inner, Arc::new(modes))
    }

    /// Takes in a duplicate of `self`.
    pub(crate) fn duplicate(&self, inner: T) -> Self {
        Self::with_modes(inner, Arc::clone(&self.modes))
    }

    fn with_modes(inner: T, modes: Arc<Modes>) -> Self {
        let registration = EndsRegistration(Source::new(inner.as_fd().as_raw_fd()));
        Self { registration, modes, inner: Closing(Some(inner)) }
    }

    /// Gives the descriptor away: it is no longer registered, and is in the mode that the user asked for.
    pub(crate) fn into_inner(mut self) -> T {
        self.modes.give_away(self.as_fd());
        self.inner.0.take().expect("it is given away only once")
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        self.inner.get()
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.modes.set_nonblocking(nonblocking);
    }

    #[inline]
    pub(crate) fn is_nonblocking(&self) -> bool {
        self.modes.is_nonblocking()
    }

    /// Whether a duplicate of the descriptor has ever left this library, so that code outside may be using it.
    pub(crate) fn is_exported(&self) -> bool {
        self.modes.is_exported()
    }

    /// Like [`set_nonblocking`](Self::set_nonblocking), for a socket, whose operations do not depend on the mode.
    pub(crate) fn set_socket_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.modes.set_socket_nonblocking(self.as_fd(), nonblocking)
    }

    /// Keeps a socket in non-blocking mode while the guard lives. `None` where code outside this library may have the
    /// descriptor, which that would disturb.
    pub(crate) fn hold_nonblocking(&self) -> io::Result<Option<NonBlocking<'_, T>>> {
        Ok(self.modes.hold(self.as_fd())?.then(|| NonBlocking(self)))
    }

    pub(crate) fn set_timeout(&self, direction: Direction, timeout: Option<Duration>) {
        self.modes.set_timeout(direction, timeout);
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
        // This comes before the operation, as a kill or a timeout that strikes here must not lose what the operation
        // has read.
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

    /// The error that ended a wait. A call that blocks in the system returns the cause. An attempt that is made after
    /// the wait only returns `EPIPE`, so the cause is fetched here.
    #[cold]
    fn met(&self, error: io::Error) -> io::Error {
        if error.raw_os_error() != Some(number::EPIPE) {
            return error;
        }
        socket::take_error(self.as_fd()).ok().flatten().unwrap_or(error)
    }

    /// Waits until the source may be ready. Returns `true` if the operation is to be tried although there was no sign.
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
            let look_again = clock::now() + wait.pause;
            wait.pause = (wait.pause * 2).min(LONGEST_PAUSE);
            if wait.deadline.is_none_or(|at| look_again < at) {
                return Ok(!source.wait(direction, Some(look_again))?);
            }
        }
        if !source.wait(direction, wait.deadline)? {
            return Err(io::Error::from_raw_os_error(number::EAGAIN));
        }
        Ok(false)
    }

    /// Whether the next operation is worth trying, as far as the source knows.
    pub(crate) fn may_be_ready(&self, direction: Direction) -> bool {
        let source = &self.registration.0;
        source.may_be_ready(direction, source.look())
    }

    /// Like [`run_unless_short`](Self::run_unless_short), for a future: where that would wait, `polled` has the future
    /// polled again later. The timeouts and the mode of the descriptor do not count.
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

    /// Like [`run`](Self::run), for an operation that can be kept from blocking in several ways and is told which one
    /// to use. At first that is the flag of the call itself, until the operation says that the system does not
    /// [support](file::is_unsupported) it for such a descriptor.
    pub(crate) fn run_somehow<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T, How) -> io::Result<R>,
    ) -> io::Result<R> {
        self.run(direction, |fd| {
            loop {
                let how = self.modes.how(fd, direction)?;
                match operation(self.get(), how) {
                    Err(error) if how == How::AtOnce && file::is_unsupported(&error) => {
                        self.modes.go_by_mode(fd)?;
                    }
                    other => return other,
                }
            }
        })
    }

    /// Repeats an operation that waits by itself if it returns `WouldBlock` all the same, because of non-blocking mode
    /// or a timeout. This is for servers, which ignore a mode that somebody else has set.
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

    /// The deadline of an operation that begins now.
    #[inline]
    pub(crate) fn deadline(&self, direction: Direction) -> Option<Instant> {
        self.modes.deadline(direction)
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
