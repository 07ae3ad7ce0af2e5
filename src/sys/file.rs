//! Operations on descriptors of files, pipes and standard input.
#![forbid(unsafe_code)]

use super::behind::behind;
use super::fault::{self, Syscall};
use rustix::buffer::spare_capacity;
use rustix::fs::{FileType, fstat};
use rustix::io::ReadWriteFlags;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};

/// As `pipe(2)`.
pub(crate) fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    fault::check(Syscall::Pipe)?;
    io::pipe().map(|(reader, writer)| (PipeReader(reader), PipeWriter(writer)))
}

/// The reading end of a pipe.
pub(crate) struct PipeReader(io::PipeReader);

/// The writing end of a pipe.
pub(crate) struct PipeWriter(io::PipeWriter);

behind! { PipeReader, io::PipeReader: }
behind! { PipeWriter, io::PipeWriter: }

impl PipeReader {
    pub(crate) fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        fault::check(Syscall::Recv)?;
        (&self.0).read_vectored(buffers)
    }
}

impl PipeWriter {
    pub(crate) fn write(&self, buffer: &[u8]) -> io::Result<usize> {
        fault::check(Syscall::Send)?;
        (&self.0).write(buffer)
    }

    pub(crate) fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        fault::check(Syscall::Send)?;
        (&self.0).write_vectored(buffers)
    }
}

/// A second descriptor of the same open file.
pub(crate) fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fault::check(Syscall::Dup)?;
    fd.try_clone_to_owned()
}

/// The system's standard input, without std's buffer.
pub(crate) fn stdin() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

/// As `read(2)`.
pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    fault::check(Syscall::Recv)?;
    Ok(rustix::io::read(fd, buffer)?)
}

/// An offset that makes `preadv2` and `pwritev2` use and move the file's position, if it has one.
const AT_THE_POSITION: u64 = u64::MAX;

/// As `readv(2)`, without waiting. The error [`is_unsupported`] where the descriptor has no such call: for pipes with a
/// name, and on systems older than Linux 6.4 for all pipes.
pub(crate) fn read_now(fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    fault::check(Syscall::Recv)?;
    Ok(rustix::io::preadv2(fd, buffers, AT_THE_POSITION, ReadWriteFlags::NOWAIT)?)
}

/// As `writev(2)`, without waiting; for the rest like [`read_now`].
pub(crate) fn write_now(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    fault::check(Syscall::Send)?;
    Ok(rustix::io::pwritev2(fd, buffers, AT_THE_POSITION, ReadWriteFlags::NOWAIT)?)
}

/// Whether the error says that the system does not have the call, or not for such a descriptor.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS))
}

/// Reads what is in the system's cache. `None` where that would wait for the disk, or the system cannot say.
pub(crate) fn read_cached(fd: BorrowedFd<'_>, buffers: &mut [IoSliceMut<'_>]) -> Option<usize> {
    fault::check(Syscall::ReadCached).ok()?;
    rustix::io::preadv2(fd, buffers, AT_THE_POSITION, ReadWriteFlags::NOWAIT).ok()
}

/// As `read(2)`, of at most `most` bytes.
pub(crate) fn read_vec(fd: BorrowedFd<'_>, most: usize) -> io::Result<Vec<u8>> {
    fault::check(Syscall::Recv)?;
    let mut bytes = Vec::with_capacity(most);
    rustix::io::read(fd, spare_capacity(&mut bytes))?;
    bytes.truncate(most);
    Ok(bytes)
}

/// Whether a device, given its number, is one of those for memory, such as `/dev/null`. Opening these never waits.
pub(crate) fn is_in_memory(device: u64) -> bool {
    libc::major(device) == 1
}

/// Whether it is a pipe, with or without a name.
pub(crate) fn is_fifo(fd: BorrowedFd<'_>) -> bool {
    kind(fd).is_ok_and(|kind| kind == FileType::Fifo)
}

/// Whether reading may have to wait for a disk, of which no readiness tells.
pub(crate) fn is_on_disk(fd: BorrowedFd<'_>) -> bool {
    kind(fd).is_ok_and(|kind| matches!(kind, FileType::RegularFile | FileType::BlockDevice))
}

fn kind(fd: BorrowedFd<'_>) -> io::Result<FileType> {
    fault::check(Syscall::Stat)?;
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
}
