//! Data that goes from a file to a connection, or from one connection to another, without coming by.
#![forbid(unsafe_code)]

use super::{Endpoint, Io};
use crate::fs::File;
use crate::runtime::park;
use crate::runtime::reactor::Direction;
use crate::sys::process::PerProcess;
use crate::sys::transfer::{self, Pipe};
use parking_lot::Mutex;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// How much of a file is looked up in the cache, and sent, at a time.
const PIECE: u64 = 1 << 20;
/// How much is read where the cache does not have it.
const COLD_PIECE: u64 = 128 * 1024;
/// What is read at first: more than this at once is a sign of more to come.
const BUFFER: usize = 8 * 1024;
/// Empty pipes that are kept for the next burst.
const KEEP: usize = 16;

/// A connection that the system can move data to and from by itself: [`TcpStream`](crate::net::TcpStream) and
/// [`UnixStream`](crate::os::unix::net::UnixStream). It cannot be implemented for others.
pub trait Stream: sealed::HasIo {}

impl<T: sealed::HasIo> Stream for T {}

pub(crate) mod sealed {
    use super::{Endpoint, Io};

    pub trait HasIo {
        type Inner: Connection;

        #[doc(hidden)]
        fn io(&self) -> &Io<Self::Inner>;
    }

    pub trait Connection: Endpoint {
        /// Whether a read that gets less than it has room for has taken all there was.
        const READS_ALL: bool;
    }

    impl Connection for std::net::TcpStream {
        const READS_ALL: bool = true;
    }

    impl Connection for std::os::unix::net::UnixStream {
        /// A read ends behind what came with descriptors.
        const READS_ALL: bool = false;
    }
}

/// Sends a range of a file to a connection, until its end or that of the file. As Python's `socket.sendfile`: the data goes
/// from the system's cache to the connection without passing through the memory of the process. Suspends the green thread
/// while there is no room to write.
///
/// What has been sent is taken from `range`, whatever the outcome: after an error, a timeout or a kill it begins with the
/// first byte that has not been sent. Where `range` is not empty after success, the file ended before it. The position of the
/// file is neither used nor moved.
///
/// What is sent are the pages of the cache themselves: a change of the file may arrive, or not, for as long as the data is on
/// its way, even after this has returned.
///
/// What is not in the cache is read by the pool and sent from there. That is found out a megabyte at a time, by its
/// ends, so it may happen that the worker waits for what lies in between.
///
/// While it runs the socket is in non-blocking mode (`O_NONBLOCK`) for whoever has its descriptor outside this library;
/// it copies instead where a clone of it was turned into std's type. Unlike other writes this raises `SIGPIPE` where the peer
/// has gone; Rust programs ignore that signal unless they were told otherwise.
///
/// # Errors
/// As for writing to the connection: `BrokenPipe` or `ConnectionReset` where the peer has gone, `WouldBlock` for its write
/// timeout. As for reading the file at a place.
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
pub fn send_file(file: &File, range: &mut Range<u64>, to: &impl Stream) -> io::Result<()> {
    let to = to.io();
    let held = to.hold_nonblocking()?;
    let mut direct = held.is_some();
    // Up to where the file is known to be in the cache.
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

/// Passes on everything that comes from one connection to another, until its end, as [`copy`](std::io::copy); returns how
/// many bytes that were. What comes in large pieces goes through a pipe within the system rather than through the memory of
/// the process, as fast as both sides allow. Suspends the green thread while there is nothing to read or no room to write.
///
/// After an error, a timeout or a kill, up to 256 KiB that have been read and not been written are lost, as up to 8 KiB are
/// with `copy`: end both connections then.
///
/// While it runs the sockets are now and then in non-blocking mode (`O_NONBLOCK`) for whoever has their descriptors outside
/// this library; it copies instead where clones of them were turned into std's types, or no descriptors for a pipe are
/// left. As for `SIGPIPE`, see [`send_file`].
///
/// # Errors
/// As for reading from and for writing to the connections.
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

/// Tells `note` of each piece.
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

/// Passes on what there is, as far as that needs no copying; returns how much. The end, and what cannot be done like this,
/// is left to the caller.
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
            // With nothing there, the next read waits.
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
    // Empty, so another may have it.
    let mut pipes = PIPES.get(Mutex::default).lock();
    if pipes.len() < KEEP {
        pipes.push(pipe);
    }
    Ok(total)
}

/// Not every file system and every kind of socket can do this; or the error is one that copying will meet too.
fn is_for_copying(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}
