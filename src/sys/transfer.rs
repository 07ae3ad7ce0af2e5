//! Moving data between descriptors without copying it into the memory of the process. Whether these calls block depends
//! on the mode of the sockets.
#![forbid(unsafe_code)]

use super::clock;
use super::fault::{self, Syscall};
use super::poll;
use rustix::fs::{fstat, sendfile};
use rustix::io::ReadWriteFlags;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// How much a [`Pipe`] holds, if the system allows as much.
const PIPE_SIZE: usize = 256 * 1024;

/// Sends at most `most` bytes from a place in a file to a socket.
pub(crate) fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    at: u64,
    most: usize,
) -> io::Result<usize> {
    fault::check(Syscall::SendFile)?;
    Ok(sendfile(socket, file, Some(&mut { at }), most)?)
}

/// Whether both ends of this piece of a file can be read without waiting for a disk; the file may end before. `false` where
/// the system cannot say.
pub(crate) fn is_warm(file: BorrowedFd<'_>, at: u64, most: u64) -> bool {
    let stat = fault::check(Syscall::Stat).and_then(|()| Ok(fstat(file)?));
    let Ok(length) = stat.map(|stat| stat.st_size as u64) else { return false };
    let end = length.min(at.saturating_add(most));
    at >= end || (is_cached(file, at) && is_cached(file, end - 1))
}

fn is_cached(file: BorrowedFd<'_>, at: u64) -> bool {
    let (mut byte, no_wait) = ([0], ReadWriteFlags::NOWAIT);
    fault::check(Syscall::ReadCached).is_ok()
        && rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, no_wait).is_ok()
}

/// A pipe that passes data from socket to socket within the kernel.
#[derive(Debug)]
pub(crate) struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    pub(crate) fn new() -> io::Result<Self> {
        fault::check(Syscall::Pipe)?;
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one will do if the user has many pipes already.
        let _ = fcntl_setpipe_size(&writer, PIPE_SIZE);
        Ok(Self { reader, writer })
    }

    /// Fills the pipe, which must be empty, with what there is to read.
    pub(crate) fn fill(&self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        fault::check(Syscall::SpliceIn)?;
        Ok(splice(socket, None, &self.writer, None, PIPE_SIZE, SpliceFlags::NONBLOCK)?)
    }

    /// Whether anybody has opened this FIFO for writing since we opened it for reading without blocking, even if it has
    /// been closed since. The FIFO must be empty, as a new one is, and so must this pipe.
    pub(crate) fn has_writer(&self, fifo: BorrowedFd<'_>) -> io::Result<bool> {
        // There is data, or the end of what a writer had opened: neither comes before the first writer.
        if poll::wait_fd(fifo.as_raw_fd(), false, Some(clock::now()))? {
            return Ok(true);
        }
        fault::check(Syscall::Tee)?;
        // `tee` copies what there is. If there is nothing, it returns the end if nobody can write, and would wait
        // otherwise.
        match rustix::pipe::tee(fifo, &self.writer, 1, SpliceFlags::NONBLOCK) {
            Ok(0) => Ok(false),
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves at most `most` bytes from the pipe into a socket.
    pub(crate) fn drain(&self, socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        fault::check(Syscall::SpliceOut)?;
        Ok(splice(&self.reader, None, socket, None, most, SpliceFlags::NONBLOCK)?)
    }
}
