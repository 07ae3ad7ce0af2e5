//! Pipes.
#![forbid(unsafe_code)]

use super::modes::How;
use super::{Io, descriptor, from_std};
use crate::runtime::reactor::Direction;
use crate::sys::file;
use crate::sys::number::PIPE_BUF;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::AsFd;
use std::process::Stdio;

/// Makes a pipe, as [`std::io::pipe`], whose ends suspend only the green thread. Both are closed on `exec`; to give one
/// to a child process, turn it into a [`Stdio`].
///
/// # Errors
/// Too many open files (`EMFILE` or `ENFILE`).
///
/// # Examples
/// ```
/// use greenthread::io::{Read, Write};
///
/// let (mut reader, mut writer) = greenthread::io::pipe()?;
/// let read = greenthread::spawn(move || {
///     let mut text = String::new();
///     reader.read_to_string(&mut text).map(|_| text)
/// });
/// writer.write_all(b"through the pipe")?;
/// drop(writer);
/// assert_eq!(read.join().unwrap()?, "through the pipe");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = file::pipe()?;
    Ok((PipeReader { io: Io::new(reader) }, PipeWriter { io: Io::new(writer) }))
}

/// The reading end of a [`pipe`](pipe()), as [`std::io::PipeReader`]. A read suspends the green thread until there is
/// data; it returns 0, the end, once all writing ends are closed.
///
/// A FIFO, or whatever else can be read and polled, can be made one by `From<OwnedFd>`. See [`PipeWriter`] for the
/// mode.
///
/// # Examples
/// What another program has opened, or left in a folder:
/// ```
/// use greenthread::io::{PipeReader, Read};
/// use std::os::fd::OwnedFd;
///
/// let (theirs, writer) = std::io::pipe()?;
/// drop(writer);
/// let mut reader = PipeReader::from(OwnedFd::from(theirs));
/// assert_eq!(reader.read(&mut [0])?, 0, "the end");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PipeReader {
    io: Io<file::PipeReader>,
}

/// The writing end of a [`pipe`](pipe()), as [`std::io::PipeWriter`]. A write suspends the green thread while the pipe
/// is full; it fails with `BrokenPipe` once all reading ends are closed.
///
/// # The mode of the descriptor
/// A pipe stays in blocking mode (no `O_NONBLOCK`) for other processes and code that have it too, such as a child
/// process. That takes Linux 6.4 and a pipe without a name. On older systems, and for FIFOs, the descriptor is put into
/// non-blocking mode when it is first used. If a clone of such a one was turned into std's type, it is in blocking mode
/// again: then a write may block its worker if another writer fills the pipe in the same moment, and a read if another
/// reader empties it.
///
/// # Examples
/// ```
/// use greenthread::io::{ErrorKind, Write, pipe};
///
/// let (reader, mut writer) = pipe()?;
/// writer.write_all(b"unheard")?;
/// drop(reader);
/// assert_eq!(writer.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PipeWriter {
    io: Io<file::PipeWriter>,
}

impl PipeReader {
    /// A second handle to the same end; each byte goes to one of them.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`); this handle stays as it was.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { io: self.io.duplicate(self.io.get().try_clone()?) })
    }
}

impl PipeWriter {
    /// A second handle to the same end; the pipe stays open until both are closed.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`); this handle stays as it was.
    ///
    /// # Examples
    /// Several write, and the reader sees the end when all are done:
    /// ```
    /// use greenthread::io::{Read, Write, pipe};
    ///
    /// let (mut reader, mut first) = pipe()?;
    /// let mut second = first.try_clone()?;
    /// greenthread::spawn(move || first.write_all(b"a"));
    /// greenthread::spawn(move || second.write_all(b"b"));
    /// let mut text = String::new();
    /// reader.read_to_string(&mut text)?;
    /// assert_eq!(text.len(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { io: self.io.duplicate(self.io.get().try_clone()?) })
    }
}

impl Read for &PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(buf)])
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            // An empty read waits for nobody, whatever there is to read.
            return self.io.get().read_vectored(bufs);
        }
        self.io.run_somehow(Direction::Read, |reader, how| match how {
            How::AtOnce => file::read_now(reader.as_fd(), bufs),
            How::ByMode | How::AsReady => reader.read_vectored(bufs),
        })
    }
}

impl Read for PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for &PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.io.run_somehow(Direction::Write, |writer, how| match how {
            How::AtOnce => file::write_now(writer.as_fd(), bufs),
            How::ByMode => writer.write_vectored(bufs),
            How::AsReady => {
                let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
                writer.write(&first[..first.len().min(PIPE_BUF)])
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

descriptor!(PipeReader, std::io::PipeReader);
descriptor!(PipeWriter, std::io::PipeWriter);

from_std!(PipeReader, std::io::PipeReader);
from_std!(PipeWriter, std::io::PipeWriter);

impl From<PipeReader> for Stdio {
    fn from(reader: PipeReader) -> Self {
        let reader: std::io::PipeReader = reader.into();
        reader.into()
    }
}

impl From<PipeWriter> for Stdio {
    fn from(writer: PipeWriter) -> Self {
        let writer: std::io::PipeWriter = writer.into();
        writer.into()
    }
}
