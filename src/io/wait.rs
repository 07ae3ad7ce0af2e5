//! Waiting for a descriptor of any kind.
#![forbid(unsafe_code)]

use super::{Endpoint, Io};
use crate::runtime::park;
use crate::runtime::reactor::Direction;
use crate::sys::{clock, file, poll};
use crate::util::dropping::Held;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// Waits until a read from `fd` would not block: there is data, or the end, or an error to be fetched. Returns `false`
/// if `timeout` passes first; with `None` there is no timeout. Suspends the calling green thread only. gevent's
/// `socket.wait_read` does the same.
///
/// This is for code that reads by itself, such as C libraries with a descriptor of their own. It works for every kind
/// of descriptor; a regular file is always ready. If others read from it too, one of them may be faster: then a read
/// after the wait blocks all the same, unless the descriptor is in non-blocking mode.
///
/// # Errors
/// The system has no memory or no room for another registration (`ENOSPC`). Nothing has been read.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// // An object of std's, of which greenthread knows nothing.
/// let (mut reader, mut writer) = std::io::pipe()?;
/// assert!(!greenthread::io::wait_readable(&reader, Some(Duration::from_millis(1)))?);
/// let read = greenthread::spawn(move || -> std::io::Result<u8> {
///     assert!(greenthread::io::wait_readable(&reader, None)?);
///     let mut byte = [0];
///     reader.read_exact(&mut byte)?;
///     Ok(byte[0])
/// });
/// writer.write_all(&[7])?;
/// assert_eq!(read.join().unwrap()?, 7);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "wait_read")]
#[doc(alias = "add_reader")]
#[doc(alias = "AsyncFd")]
pub fn wait_readable(fd: impl AsFd, timeout: Option<Duration>) -> io::Result<bool> {
    let fd = Held::new(fd);
    wait(fd.as_fd(), Direction::Read, timeout)
}

/// Like [`wait_readable`], but waits until a write to `fd` would not block. How much can be written then depends on its
/// kind: at least one byte, and 4,096 bytes in a pipe.
///
/// # Errors
/// As [`wait_readable`].
///
/// # Examples
/// ```
/// let (_reader, writer) = std::io::pipe()?;
/// assert!(greenthread::io::wait_writable(&writer, None)?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "wait_write")]
#[doc(alias = "add_writer")]
pub fn wait_writable(fd: impl AsFd, timeout: Option<Duration>) -> io::Result<bool> {
    let fd = Held::new(fd);
    wait(fd.as_fd(), Direction::Write, timeout)
}

fn is_ready(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<bool> {
    poll::wait_fd(fd.as_raw_fd(), direction == Direction::Write, Some(clock::now()))
}

fn wait(fd: BorrowedFd<'_>, direction: Direction, timeout: Option<Duration>) -> io::Result<bool> {
    park::spend_budget();
    // A look without registration comes first: a file that epoll refuses is always ready.
    let ready = is_ready(fd, direction)?;
    if ready || timeout == Some(Duration::ZERO) {
        return Ok(ready);
    }
    if !park::is_green() {
        return wait_on(fd, direction, timeout);
    }
    // epoll takes a descriptor only once, and this one may be registered elsewhere already, or come to be while we wait.
    // So a duplicate is registered.
    match file::duplicate(fd) {
        Ok(own) => wait_on(own, direction, timeout),
        // Too many open files. The descriptor itself will do: mostly it is not registered elsewhere, and a program that
        // reports the lack of descriptors may have to wait for one.
        Err(_) => wait_on(fd, direction, timeout),
    }
}

fn wait_on(fd: impl Endpoint, direction: Direction, timeout: Option<Duration>) -> io::Result<bool> {
    let io = Io::new(fd);
    let try_it = |fd: BorrowedFd<'_>| {
        if is_ready(fd, direction)? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    };
    io.set_timeout(direction, timeout);
    match io.run(direction, try_it) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
