//! Reading and writing a file: what is in the system's cache is read at once, everything else is copied to or from a
//! thread of the pool.
//!
//! Invariant: only the calling thread touches the caller's buffers, as what borrows them may be left for ever. Where a
//! file is not on a disk, a thread of the pool is asked only when it need not wait.
#![forbid(unsafe_code)]

use super::File;
use crate::io::{wait_readable, wait_writable};
use crate::runtime::park;
use crate::sys::{disk, file, number, socket};
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

/// One call on the pool copies no more than this; the rest is left for the next call.
const MOST: usize = 1 << 20;

/// Copies what the pool has read into the caller's buffer.
fn hand_over(bytes: &[u8], buf: &mut [u8]) -> usize {
    buf[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

fn length<T: Deref<Target = [u8]>>(bufs: &[T]) -> usize {
    bufs.iter().map(|buf| buf.len()).sum()
}

impl File {
    /// Reads what is in the cache, which needs no waiting.
    fn read_at_once(&self, bufs: &mut [IoSliceMut<'_>]) -> Option<usize> {
        if !self.on_disk {
            return None;
        }
        // Before the read: a kill or a timeout that strikes here must not lose what was read.
        park::spend_budget();
        file::read_cached(self.as_fd(), bufs)
    }

    /// Whether an operation could block a thread of the pool for any length of time.
    fn has_to_be_awaited(&self) -> io::Result<bool> {
        Ok(!self.on_disk && !socket::is_nonblocking(self.as_fd())?)
    }

    /// How many of `wanted` bytes one call on the pool may write.
    fn writable(&self, wanted: usize) -> io::Result<usize> {
        if !self.has_to_be_awaited()? {
            return Ok(wanted.min(MOST));
        }
        wait_writable(self, None)?;
        // A FIFO that is ready takes this much without blocking.
        Ok(wanted.min(number::PIPE_BUF))
    }
}

/// This has only a `read` of its own, so that the methods which std builds on it are std's.
struct Plain<'a>(&'a File);

impl Read for Plain<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Read for &File {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !park::is_green() {
            return self.inner.read(buf);
        }
        if buf.is_empty() {
            // An empty read waits for nobody, whatever there is to read.
            return self.inner.read(buf);
        }
        self.read_vectored(&mut [IoSliceMut::new(buf)])
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if !park::is_green() {
            return self.inner.read_vectored(bufs);
        }
        if let Some(got) = self.read_at_once(bufs) {
            return Ok(got);
        }
        let most = length(bufs).min(MOST);
        if most == 0 {
            return self.inner.read_vectored(bufs);
        }
        if self.has_to_be_awaited()? {
            wait_readable(*self, None)?;
        }
        let bytes = self.on_pool(move |file| file::read_vec(file.as_fd(), most))?;
        let mut rest = &bytes[..];
        for buf in bufs {
            let (piece, others) = rest.split_at(rest.len().min(buf.len()));
            rest = others;
            hand_over(piece, buf);
        }
        Ok(bytes.len())
    }

    /// Makes room for the rest of the file first, if its size is known.
    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        if self.on_disk {
            let left = self.metadata()?.len().saturating_sub(self.stream_position()?);
            buf.try_reserve(usize::try_from(left).unwrap_or(usize::MAX))?;
        }
        Plain(self).read_to_end(buf)
    }
}

impl Write for &File {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !park::is_green() {
            return self.inner.write(buf);
        }
        if !self.on_disk && buf.is_empty() {
            return self.inner.write(buf);
        }
        let bytes = buf[..self.writable(buf.len())?].to_owned();
        self.on_pool(disk::write_elsewhere(bytes)?)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if !park::is_green() {
            return self.inner.write_vectored(bufs);
        }
        if !self.on_disk && length(bufs) == 0 {
            return self.inner.write_vectored(bufs);
        }
        let mut bytes = Vec::new();
        let most = self.writable(length(bufs))?;
        for buf in bufs {
            bytes.extend_from_slice(&buf[..buf.len().min(most - bytes.len())]);
        }
        self.on_pool(disk::write_elsewhere(bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Never suspends, as moving the position waits for no disk.
impl Seek for &File {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        self.inner.seek(pos)
    }
}

impl Read for File {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        (&*self).read_to_end(buf)
    }
}

impl Write for File {
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

impl Seek for File {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        (&*self).seek(pos)
    }
}

impl FileExt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        if !park::is_green() {
            return self.inner.read_at(buf, offset);
        }
        let mut bytes = vec![0; buf.len().min(MOST)];
        let bytes = self.on_pool(move |file| {
            let got = file.read_at(&mut bytes, offset)?;
            bytes.truncate(got);
            io::Result::Ok(bytes)
        })?;
        Ok(hand_over(&bytes, buf))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        if !park::is_green() {
            return self.inner.write_at(buf, offset);
        }
        let bytes = buf[..buf.len().min(MOST)].to_owned();
        self.on_pool(move |file| file.write_at(&bytes, offset))
    }
}
