//! Data that goes from a file to a connection, or from one connection to another, without passing through the process.
#![forbid(unsafe_code)]

use super::{Endpoint, Io};
use crate::fs::File;
use crate::runtime::park;
use crate::runtime::reactor::Direction;
use crate::sys::process::PerProcess;
use crate::sys::transfer::{self, Pipe};
use crate::util::lock::Mutex;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// How much of a file is looked up in the cache, and sent, at a time.
const PIECE: u64 = 1 << 20;
/// How much is read where the cache does not have it.
const COLD_PIECE: u64 = 128 * 1024;
/// How much is read at first: if that much is there at once, more may be expected.
const BUFFER: usize = 8 * 1024;
/// Empty pipes that are kept for the next burst.
const KEEP: usize = 16;

/// A connection that the system can move data to and from by itself: [`TcpStream`](crate::net::TcpStream) and
/// [`UnixStream`](crate::os::unix::net::UnixStream). It cannot be implemented for other types.
pub trait Stream: sealed::HasIo {}

impl<T: sealed::HasIo> Stream for T {}

pub(crate) mod sealed {
    use super::{Endpoint, Io};
    use crate::sys::net;

    pub trait HasIo {
        type Inner: Connection;

        #[doc(hidden)]
        fn io(&self) -> &Io<Self::Inner>;
    }

    pub trait Connection: Endpoint {
        /// Whether a read that gets less than it has room for has taken all there was.
        const READS_ALL: bool;
    }

    impl Connection for net::TcpStream {
        const READS_ALL: bool = true;
    }

    impl Connection for net::UnixStream {
        /// A read ends behind what came with descriptors.
        const READS_ALL: bool = false;
    }
}

/// Sends a range of a file to a connection, until the range or the file ends. As Python's `socket.sendfile`: the data
/// goes from the system's cache to the connection without passing through the memory of the process. Suspends the green
/// thread while there is no room to write.
///
/// The part that has been sent is removed from `range`, whatever the outcome: after an error, a timeout or a kill,
/// `range` begins with the first byte that has not been sent. If `range` is not empty after success, the file ended
/// before it. The position of the file is neither used nor moved.
///
/// The pages of the cache themselves are sent: a change of the file may reach the peer, or not, for as long as the data
/// is on its way, even after this function has returned.
///
/// Parts of the file that are not in the cache are read by an OS thread of the pool and sent from there. Whether a part
/// is in the cache is found out a megabyte at a time, by looking at its first and last page; so the worker may have to
/// wait for the disk where only pages in between are missing.
///
/// While this runs, the socket is in non-blocking mode (`O_NONBLOCK`) for code outside this library that has its
/// descriptor too. If a clone of the socket was turned into std's type, the data is copied instead, and the mode stays.
/// Unlike other writes, this raises the signal `SIGPIPE` if the peer has gone; Rust programs ignore that signal unless
/// they were told otherwise.
///
/// # Errors
/// `range` tells how much was sent before any of them:
/// - [`BrokenPipe`](io::ErrorKind::BrokenPipe) or [`ConnectionReset`](io::ErrorKind::ConnectionReset) if the peer has
///   gone.
/// - [`WouldBlock`](io::ErrorKind::WouldBlock) when the write timeout of the connection has passed, or in its
///   non-blocking mode.
/// - The errors of [`read_at`](std::os::unix::fs::FileExt::read_at) for the file, such as `EBADF` if it is not open for
///   reading.
///
/// # Examples
/// ```
/// use greenthread::io::{self, Read};
/// use greenthread::os::unix::net::UnixStream;
/// use greenthread::fs::{self, File};
///
/// let path = std::env::temp_dir().join(format!("greenthread-send-{}", std::process::id()));
/// fs::write(&path, "the whole file")?;
/// let (here, mut there) = UnixStream::pair()?;
/// let mut range = 4..u64::MAX;
/// io::send_file(&File::open(&path)?, &mut range, &here)?;
/// assert_eq!(range.start, 14);
/// drop(here);
/// let mut text = String::new();
/// there.read_to_string(&mut text)?;
/// assert_eq!(text, "whole file");
/// # fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "sendfile")]
#[doc(alias = "zero_copy")]
pub fn send_file(file: &File, range: &mut Range<u64>, to: &impl Stream) -> io::Result<()> {
    let to = to.io();
    let held = to.hold_nonblocking()?;
    let mut direct = held.is_some();
    // The end of the range of the file that is known to be in the cache.
    let mut warm = range.start;
    while !range.is_empty() {
        let most = (range.end - range.start).min(PIECE);
        let at = range.start;
        if direct
            && !to.is_exported()
            && (at < warm || !park::is_green() || transfer::is_warm(file.as_fd(), at, most))
        {
            warm = warm.max(at + most);
            let sent = to.run(Direction::Write, |fd| {
                transfer::send_file(fd, file.as_fd(), at, most as usize)
            });
            match sent {
                Ok(0) => return Ok(()),
                Ok(sent) => range.start += sent as u64,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_for_copying(&error) => direct = false,
                Err(error) => return Err(error),
            }
        } else {
            let mut bytes = vec![0; most.min(COLD_PIECE) as usize];
            let got = match file.read_at(&mut bytes, at) {
                Ok(0) => return Ok(()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            write_all(to, &bytes[..got], |sent| range.start += sent as u64)?;
        }
    }
    Ok(())
}

/// Passes on everything that comes from one connection to another until its end, as [`copy`](std::io::copy), and
/// returns how many bytes that were. Large pieces go through a pipe within the system rather than through the memory of
/// the process. Suspends the green thread while there is nothing to read or no room to write.
///
/// This is one direction: a proxy runs one for each, on two green threads. The end is not passed on: call `shutdown`
/// for that.
///
/// While this runs, the sockets are now and then in non-blocking mode (`O_NONBLOCK`) for code outside this library that
/// has their descriptors too. If clones of them were turned into std's types, or no descriptors for a pipe are left,
/// the data is copied instead. The signal `SIGPIPE` may be raised as [`send_file`] says.
///
/// # Errors
/// Those of reading from the first connection and of writing to the second:
/// [`ConnectionReset`](io::ErrorKind::ConnectionReset) or [`BrokenPipe`](io::ErrorKind::BrokenPipe) if a peer has gone,
/// [`WouldBlock`](io::ErrorKind::WouldBlock) for a timeout of either. After an error, and after a
/// [`timeout`](crate::timeout()) or a kill, up to 256 KiB that have been read and not been written are lost (`copy`
/// loses up to 8 KiB): end both connections then.
///
/// # Examples
/// ```
/// use greenthread::io::{self, Read, Write};
/// use greenthread::os::unix::net::UnixStream;
///
/// let ((mut source, from), (to, mut sink)) = (UnixStream::pair()?, UnixStream::pair()?);
/// let passed = greenthread::spawn(move || io::forward(&from, &to));
/// source.write_all(b"through")?;
/// drop(source);
/// let mut text = String::new();
/// sink.read_to_string(&mut text)?;
/// assert_eq!((passed.join().unwrap()?, text.as_str()), (7, "through"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "splice")]
#[doc(alias = "proxy")]
#[doc(alias = "copy_bidirectional")]
pub fn forward(from: &impl Stream, to: &impl Stream) -> io::Result<u64> {
    let (from, to) = (from.io(), to.io());
    let (mut buffer, mut total) = ([0; BUFFER], 0);
    loop {
        let got = match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        write_all(to, &buffer[..got], |sent| total += sent as u64)?;
        if got == BUFFER {
            total += forward_burst(from, to)?;
        }
    }
}

/// Writes all of `bytes`, and calls `note` with the length of each piece that was written.
fn write_all<T: Endpoint>(
    to: &Io<T>,
    mut bytes: &[u8],
    mut note: impl FnMut(usize),
) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(sent) => {
                note(sent);
                bytes = &bytes[sent..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

static PIPES: PerProcess<Mutex<Vec<Pipe>>> = PerProcess::new();

/// Passes on what can be had at once without copying; returns how many bytes that were. The end of the connection, and
/// whatever cannot be done in this way, is left to the caller.
fn forward_burst<A: Endpoint, B: Endpoint>(from: &Io<A>, to: &Io<B>) -> io::Result<u64> {
    let (Some(_from_held), Some(_to_held)) = (from.hold_nonblocking()?, to.hold_nonblocking()?)
    else {
        return Ok(0);
    };
    let kept = PIPES.get(Mutex::default).lock().pop();
    let Some(pipe) = kept.or_else(|| Pipe::new().ok()) else { return Ok(0) };
    let mut total = 0;
    while !from.is_exported() && !to.is_exported() {
        let mut inside = match pipe.fill(from.as_fd()) {
            Ok(0) => break,
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // There is nothing more at the moment; the caller's next read waits.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if is_for_copying(&error) => break,
            Err(error) => return Err(error),
        };
        total += inside as u64;
        while inside > 0 {
            match to.run(Direction::Write, |fd| pipe.drain(fd, inside)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => inside -= sent,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    // The pipe is empty, so it can be used again.
    let mut pipes = PIPES.get(Mutex::default).lock();
    if pipes.len() < KEEP {
        pipes.push(pipe);
    }
    Ok(total)
}

/// Whether the data is to be copied instead, as some file systems and some kinds of sockets need. If the error has
/// another cause, copying meets it too.
fn is_for_copying(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}
