//! Waiting for several descriptors at once.
#![forbid(unsafe_code)]

use super::Io;
use crate::runtime::park;
use crate::runtime::reactor::Direction;
use crate::sys::clock;
use crate::sys::poll::{self, PollFlags};
use crate::sys::time::deadline_after;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// A descriptor that [`poll`] waits for, and what it has seen there.
///
/// # Examples
/// ```
/// use greenthread::io::{self, PollFd, Write};
/// use std::time::Duration;
///
/// let (reader, mut writer) = io::pipe()?;
/// let mut fds = [PollFd::readable(&reader), PollFd::writable(&writer)];
/// assert_eq!(io::poll(&mut fds, Some(Duration::ZERO))?, 1);
/// assert!(!fds[0].is_readable() && fds[1].is_writable());
///
/// writer.write_all(b"x")?;
/// drop(writer);
/// let mut fds = [PollFd::readable(&reader)];
/// io::poll(&mut fds, None)?;
/// // There is data, and the other end is gone.
/// assert!(fds[0].is_readable() && fds[0].is_hung_up() && !fds[0].is_error());
/// # Ok::<(), io::Error>(())
/// ```
#[doc(alias = "pollfd")]
#[doc(alias = "select")]
#[derive(Clone, Debug)]
pub struct PollFd<'fd> {
    fd: poll::PollFd<'fd>,
    wanted: PollFlags,
}

const READ: PollFlags = PollFlags::IN.union(PollFlags::RDHUP);

impl<'fd> PollFd<'fd> {
    fn new(fd: BorrowedFd<'fd>, wanted: PollFlags) -> Self {
        Self { fd: poll::PollFd::from_borrowed_fd(fd, wanted), wanted }
    }

    /// Waits for data to read, or for the end.
    ///
    /// # Examples
    /// A descriptor of another library's, of which it is known only that it will be readable;
    /// [`writable`](Self::writable), [`both`](Self::both) and [`priority`](Self::priority) wait for other things:
    /// ```
    /// use greenthread::io::{self, PollFd};
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (here, mut there) = UnixStream::pair()?;
    /// greenthread::spawn(move || there.write_all(b"x"));
    /// let mut fds = [PollFd::readable(&here)];
    /// assert_eq!(io::poll(&mut fds, None)?, 1);
    /// assert!(fds[0].is_readable() && !fds[0].is_writable());
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn readable<F: AsFd>(fd: &'fd F) -> Self {
        Self::new(fd.as_fd(), READ)
    }

    /// Waits for room to write.
    pub fn writable<F: AsFd>(fd: &'fd F) -> Self {
        Self::new(fd.as_fd(), PollFlags::OUT)
    }

    /// Waits for whichever comes first: something to read, or room to write. For the rest it is like
    /// [`readable`](Self::readable).
    pub fn both<F: AsFd>(fd: &'fd F) -> Self {
        Self::new(fd.as_fd(), READ | PollFlags::OUT)
    }

    /// Waits for out-of-band data (`POLLPRI`, the exceptional condition of Python's `select`). For the rest it is like
    /// [`readable`](Self::readable).
    pub fn priority<F: AsFd>(fd: &'fd F) -> Self {
        Self::new(fd.as_fd(), PollFlags::PRI)
    }

    fn saw(&self, flags: PollFlags) -> bool {
        self.fd.revents().intersects(flags)
    }

    /// Whether this was waited for, and a read would not block: there is data, the end, or an error.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.wanted.contains(PollFlags::IN) && self.saw(READ | PollFlags::HUP | PollFlags::ERR)
    }

    /// Whether this was waited for, and a write would not block. It may fail, though.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.wanted.contains(PollFlags::OUT)
            && self.saw(PollFlags::OUT | PollFlags::HUP | PollFlags::ERR)
    }

    /// Whether there is out-of-band data. It is looked for only if it was waited for.
    #[must_use]
    pub fn is_priority(&self) -> bool {
        self.saw(PollFlags::PRI)
    }

    /// Whether the other end is gone (`POLLHUP`). This is seen whatever was waited for.
    ///
    /// # Examples
    /// See also [`is_error`](Self::is_error).
    /// ```
    /// use greenthread::io::{self, PollFd};
    ///
    /// let (reader, writer) = io::pipe()?;
    /// drop(reader);
    /// let mut fds = [PollFd::writable(&writer)];
    /// io::poll(&mut fds, None)?;
    /// // Nobody would read what is written there.
    /// assert!(fds[0].is_ready() && fds[0].is_error() && !fds[0].is_hung_up());
    /// # Ok::<(), io::Error>(())
    /// ```
    #[must_use]
    pub fn is_hung_up(&self) -> bool {
        self.saw(PollFlags::HUP)
    }

    /// Whether there is an error to be fetched, or this is not an open descriptor (`POLLERR` or `POLLNVAL`). This is
    /// seen whatever was waited for.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.saw(PollFlags::ERR | PollFlags::NVAL)
    }

    /// Whether anything at all was seen.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.fd.revents().is_empty()
    }
}

impl AsFd for PollFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Waits until at least one of several descriptors is ready, as `poll(2)` and Python's `select` do. Each of `fds` then
/// tells what was seen on it. Returns how many are ready, or 0 if `timeout` passes first. With `None` there is no
/// timeout; with zero this looks and does not wait. Suspends the calling green thread only.
///
/// Every kind of descriptor can be waited for; a regular file is always ready. A descriptor may be there more than
/// once.
///
/// With a timeout of zero the system looks at one descriptor after the other, as `poll(2)` itself does: if somebody
/// meanwhile takes a byte from one and puts it into another, it may be missed in both. A wait misses nothing.
///
/// # Errors
/// Too many open files (`EMFILE` or `ENFILE`), as a wait for several needs one more descriptor; or the system has no
/// memory or no room for another registration (`ENOSPC`). `fds` are unchanged then. A descriptor that is not
/// open is no error: see [`is_error`](PollFd::is_error).
///
/// # Examples
/// ```
/// use greenthread::io::{self, PollFd, Write};
///
/// let (quiet, _kept) = io::pipe()?;
/// let (chatty, mut writer) = io::pipe()?;
/// greenthread::spawn(move || writer.write_all(b"hello"));
/// let mut fds = [PollFd::readable(&quiet), PollFd::readable(&chatty)];
/// assert_eq!(io::poll(&mut fds, None)?, 1);
/// assert!(!fds[0].is_ready() && fds[1].is_readable());
/// # Ok::<(), io::Error>(())
/// ```
#[doc(alias = "select")]
#[doc(alias = "epoll")]
#[doc(alias = "selectors")]
pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let deadline = timeout.and_then(deadline_after);
    let mut plain: Vec<_> = fds.iter().map(|fd| fd.fd.clone()).collect();
    let ready = wait(&mut plain, fds, deadline)?;
    for (fd, plain) in fds.iter_mut().zip(plain) {
        fd.fd = plain;
    }
    Ok(ready)
}

fn wait(
    plain: &mut [poll::PollFd<'_>],
    fds: &[PollFd<'_>],
    deadline: Option<Instant>,
) -> io::Result<usize> {
    if !park::is_green() {
        let mut ready = 0;
        park::block_os_thread(deadline, |deadline| {
            ready = poll::wait_fds(plain, deadline)?;
            Ok::<_, io::Error>(ready > 0)
        })?;
        return Ok(ready);
    }
    let now = clock::now();
    let ready = poll::wait_fds(plain, Some(now))?;
    if ready > 0 || deadline.is_some_and(|at| at <= now) {
        park::spend_budget();
        return Ok(ready);
    }
    let wanted: Vec<_> = fds.iter().map(|fd| fd.wanted).collect();
    let all = Io::new(poll::gather(plain, &wanted)?);
    all.set_timeout(Direction::Read, deadline.map(|at| at - now));
    let ready = all.run(Direction::Read, |_| match poll::wait_fds(plain, Some(clock::now()))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        ready => Ok(ready),
    });
    match ready {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
