//! Waiting for descriptors: mio's registry and waker, and a wait of our own that is exact to the nanosecond.
//!
//! mio rounds a timeout up to whole milliseconds; a hub's next timer is often nearer. So the wait itself is
//! `epoll_pwait2` on mio's descriptor, and `epoll_wait` with rounding where the kernel (before 5.11) has no such call.

use super::clock;
use super::fault::{self, Syscall};
use mio::unix::SourceFd;
use mio::{Interest, Poll, Registry, Token, Waker};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The token of a poller's waker; sources have others.
const WAKER: usize = usize::MAX;
/// How many events one wait returns at most. Fewer (64 and 128), so that what the kernel has touched for them is still
/// in the cache when they are served, made no difference with 1000 busy connections of hyper.
const MAX_EVENTS: usize = 1024;

/// What the kernel said of one source, in the kernel's form.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct PollEvent(libc::epoll_event);

impl PollEvent {
    pub(crate) const READABLE: u8 = 1;
    pub(crate) const WRITABLE: u8 = 2;
    /// The peer will send nothing more.
    pub(crate) const READ_CLOSED: u8 = 4;
    /// The connection is broken or was shut down.
    pub(crate) const WRITE_CLOSED: u8 = 8;
    /// Out-of-band data has come.
    pub(crate) const URGENT: u8 = 16;

    /// The token that the source was added with. A poller's waker has one that no source has.
    #[inline(always)]
    pub(crate) fn token(self) -> usize {
        self.0.u64 as usize
    }

    /// The bits that it has, of the constants above.
    #[inline(always)]
    pub(crate) fn bits(self) -> u8 {
        const USUAL: u32 = (libc::EPOLLIN | libc::EPOLLOUT) as u32;
        const {
            assert!(libc::EPOLLIN as u8 == Self::READABLE);
            assert!(libc::EPOLLOUT as u8 == Self::WRITABLE << 1);
        }
        let events = self.0.events;
        if events & !USUAL == 0 {
            return events as u8 & Self::READABLE | (events >> 1) as u8 & Self::WRITABLE;
        }
        Self::unusual(events)
    }

    #[cold]
    fn unusual(events: u32) -> u8 {
        let is = |bits: libc::c_int| events & bits as u32 != 0;
        let mut bits = 0;
        if is(libc::EPOLLIN | libc::EPOLLPRI) {
            bits |= Self::READABLE;
            if is(libc::EPOLLPRI) {
                bits |= Self::URGENT;
            }
        }
        if is(libc::EPOLLOUT) {
            bits |= Self::WRITABLE;
        }
        if is(libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) {
            bits |= Self::READABLE | Self::READ_CLOSED;
            if is(libc::EPOLLHUP | libc::EPOLLERR) {
                bits |= Self::WRITABLE | Self::WRITE_CLOSED;
            }
        }
        bits
    }
}

/// One epoll instance.
#[derive(Debug)]
pub(crate) struct Poller {
    poll: Poll,
    events: Vec<PollEvent>,
}

/// Ends a wait from another thread.
pub(crate) type PollWaker = Waker;

/// Adds and removes sources; can be used from any thread.
#[derive(Debug)]
pub(crate) struct SourceRegistry(Registry);

impl SourceRegistry {
    /// Begins to report readiness of `fd`, both ways, edge-triggered.
    pub(crate) fn add(&self, fd: RawFd, token: usize) -> io::Result<()> {
        fault::check(Syscall::EpollCtl)?;
        let all = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        self.0.register(&mut SourceFd(&fd), Token(token), all)
    }

    /// Whether there are events that nobody has fetched.
    pub(crate) fn has_news(&self) -> bool {
        matches!(wait_fd(self.0.as_raw_fd(), false, Some(clock::now())), Ok(true))
    }

    pub(crate) fn remove(&self, fd: RawFd) -> io::Result<()> {
        fault::check(Syscall::EpollRemove)?;
        self.0.deregister(&mut SourceFd(&fd))
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        fault::check(Syscall::EpollCreate)?;
        Ok(Self { poll: Poll::new()?, events: Vec::with_capacity(MAX_EVENTS) })
    }

    pub(crate) fn waker(&self) -> io::Result<PollWaker> {
        fault::check(Syscall::EventFd)?;
        Waker::new(self.poll.registry(), Token(WAKER))
    }

    pub(crate) fn registry(&self) -> io::Result<SourceRegistry> {
        fault::check(Syscall::Dup)?;
        self.poll.registry().try_clone().map(SourceRegistry)
    }

    /// Waits until there are events or `timeout` is over, and returns whether there are any; `None` is for ever. A
    /// signal ends the wait as an event does.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        self.events.clear();
        let got = wait(self.poll.as_raw_fd(), &mut self.events, timeout);
        match got {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            got => got.map(|()| !self.events.is_empty()),
        }
    }

    /// The events of the last wait, those of the waker included.
    pub(crate) fn events(&self) -> &[PollEvent] {
        &self.events
    }
}

fn wait(epoll: RawFd, events: &mut Vec<PollEvent>, timeout: Option<Duration>) -> io::Result<()> {
    static NO_PWAIT2: AtomicBool = AtomicBool::new(false);
    fault::check(Syscall::EpollWait)?;
    let room = events.capacity().min(MAX_EVENTS) as libc::c_int;
    let whole_millis = timeout.is_none_or(|timeout| timeout.is_zero());
    let mut got = -1;
    let mut tried = false;
    if !whole_millis && !NO_PWAIT2.load(Ordering::Relaxed) {
        let timeout = timeout.unwrap_or_default();
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // SAFETY: the buffer has room for `room` events, the timespec lives through the call, and a null signal mask
        // leaves the mask as it is.
        got = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                epoll,
                events.as_mut_ptr(),
                room,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        } as libc::c_int;
        tried = true;
        if got < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) {
            NO_PWAIT2.store(true, Ordering::Relaxed);
            tried = false;
        }
    }
    if !tried {
        // SAFETY: the buffer has room for `room` events.
        got = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr().cast(), room, millis(timeout)) };
    }
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has filled the first `got` events, at most `room`.
    unsafe { events.set_len(got as usize) };
    Ok(())
}

/// A timeout in milliseconds, rounded up; -1 is for ever.
fn millis(timeout: Option<Duration>) -> libc::c_int {
    timeout.map_or(-1, |timeout| {
        let millis = timeout.as_nanos().div_ceil(1_000_000);
        libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX)
    })
}

/// Blocks the OS thread until `fd` is ready, and returns `true`, or until the deadline passes, and returns `false`.
pub(crate) fn wait_fd(fd: RawFd, write: bool, deadline: Option<Instant>) -> io::Result<bool> {
    let events = if write { libc::POLLOUT } else { libc::POLLIN };
    loop {
        fault::check(Syscall::Poll)?;
        let timeout = deadline.map(|at| at.saturating_duration_since(clock::now()));
        let mut entry = libc::pollfd { fd, events, revents: 0 };
        // SAFETY: one valid entry.
        match unsafe { libc::poll(&mut entry, 1, millis(timeout)) } {
            0 if deadline.is_some_and(|at| clock::now() >= at) => return Ok(false),
            0 => {}
            1.. => return Ok(true),
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
}

/// A descriptor with what is waited for and what the system says of it.
pub(crate) use rustix::event::{PollFd, PollFlags};

/// Asks for the readiness of all of them; blocks the OS thread until one is ready or the deadline passes. Returns how many
/// are ready.
pub(crate) fn wait_fds(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<usize> {
    loop {
        fault::check(Syscall::Poll)?;
        let left = deadline.map(|at| at.saturating_duration_since(clock::now()));
        // A timeout that is too long for the system counts as none.
        let timeout = left.and_then(|left| rustix::event::Timespec::try_from(left).ok());
        match rustix::event::poll(fds, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// One descriptor that is readable when one of `fds` is ready.
pub(crate) fn gather(fds: &[PollFd<'_>], wanted: &[PollFlags]) -> io::Result<OwnedFd> {
    let all = gather_none()?;
    gather_into(all.as_fd(), fds, wanted)?;
    Ok(all)
}

/// A descriptor as [`gather`] returns it, for no descriptors yet.
pub(crate) fn gather_none() -> io::Result<OwnedFd> {
    use rustix::event::epoll;
    fault::check(Syscall::EpollCreate)?;
    Ok(epoll::create(epoll::CreateFlags::CLOEXEC)?)
}

/// Adds descriptors to one that [`gather_none`] has made.
pub(crate) fn gather_into(
    all: BorrowedFd<'_>,
    fds: &[PollFd<'_>],
    wanted: &[PollFlags],
) -> io::Result<()> {
    use rustix::event::epoll;
    use rustix::io::Errno;
    for (at, fd) in fds.iter().enumerate() {
        fault::check(Syscall::EpollCtl)?;
        let data = epoll::EventData::new_u64(0);
        let flags = |wanted: PollFlags| epoll::EventFlags::from_bits_retain(wanted.bits().into());
        match epoll::add(all, fd, data, flags(wanted[at])) {
            Err(Errno::EXIST) => {
                // The descriptor is named more than once: the flags of all its entries are put together.
                let number = fd.as_fd().as_raw_fd();
                let same =
                    fds.iter().zip(wanted).filter(|(fd, _)| fd.as_fd().as_raw_fd() == number);
                let wanted = same.fold(PollFlags::empty(), |all, (_, wanted)| all | *wanted);
                epoll::modify(all, fd, data, flags(wanted))?;
            }
            // For a regular file the answer never changes, and it was looked at before.
            Err(Errno::PERM) => {}
            other => other?,
        }
    }
    Ok(())
}

/// Whether nothing more will ever come in at this socket.
pub(crate) fn is_read_closed(fd: BorrowedFd<'_>) -> io::Result<bool> {
    fault::check(Syscall::Poll)?;
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: one valid entry.
    match unsafe { libc::poll(&mut entry, 1, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(entry.revents & libc::POLLRDHUP != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn reports_readiness_wake_ups_and_timeouts() {
        let mut poller = Poller::new().unwrap();
        let waker = poller.waker().unwrap();
        let registry = poller.registry().unwrap();
        let (mut a, b) = UnixStream::pair().unwrap();
        registry.add(b.as_raw_fd(), 7).unwrap();
        poller.wait(None).unwrap();
        let seen = |poller: &Poller| -> Vec<_> {
            poller.events().iter().map(|event| (event.token(), event.bits())).collect()
        };
        assert_eq!(seen(&poller), [(7, PollEvent::WRITABLE)]);
        a.write_all(b"x").unwrap();
        drop(a);
        poller.wait(None).unwrap();
        let all = PollEvent::READABLE | PollEvent::READ_CLOSED;
        assert_eq!(seen(&poller)[0].1 & all, all);
        registry.remove(b.as_raw_fd()).unwrap();
        let before = Instant::now();
        poller.wait(Some(Duration::from_micros(300))).unwrap();
        assert!(before.elapsed() >= Duration::from_micros(300));
        waker.wake().unwrap();
        poller.wait(None).unwrap();
        assert_eq!(seen(&poller).iter().map(|(token, _)| *token).collect::<Vec<_>>(), [WAKER]);
    }

    #[test]
    fn failures_of_the_poller_are_errors() {
        fault::fail(Syscall::EpollCreate, 0, 1, libc::EMFILE);
        assert_eq!(Poller::new().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        let mut poller = Poller::new().unwrap();
        fault::fail(Syscall::EventFd, 0, 1, libc::ENFILE);
        assert_eq!(poller.waker().unwrap_err().raw_os_error(), Some(libc::ENFILE));
        fault::fail(Syscall::Dup, 0, 1, libc::EMFILE);
        assert_eq!(poller.registry().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        fault::fail(Syscall::EpollCtl, 0, 1, libc::ENOSPC);
        assert_eq!(
            poller.registry().unwrap().add(0, 1).unwrap_err().raw_os_error(),
            Some(libc::ENOSPC)
        );
        let (_a, b) = UnixStream::pair().unwrap();
        let registry = poller.registry().unwrap();
        registry.add(b.as_raw_fd(), 1).unwrap();
        fault::fail(Syscall::EpollRemove, 0, 1, libc::EBADF);
        let error = registry.remove(b.as_raw_fd()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        registry.remove(b.as_raw_fd()).unwrap();
        fault::fail(Syscall::EpollWait, 0, 1, libc::EINVAL);
        assert_eq!(poller.wait(None).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        fault::fail(Syscall::Poll, 0, 1, libc::ENOMEM);
        assert_eq!(wait_fd(0, false, None).unwrap_err().raw_os_error(), Some(libc::ENOMEM));
    }
}
