//! The pipes to a child process.
#![forbid(unsafe_code)]

use crate::io::{PipeReader, PipeWriter};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;

/// The writing end of a child's standard input, as [`std::process::ChildStdin`]: see
/// [`Child::stdin`](super::Child::stdin). A write suspends only the green thread while the pipe is full, and fails with
/// `BrokenPipe` once the child reads no more. Dropping it is the end of the input.
///
/// # Examples
/// ```
/// use greenthread::io::Write;
/// use greenthread::process::{Command, Stdio};
///
/// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// child.stdin.take().unwrap().write_all(b"through the child")?;
/// assert_eq!(child.wait_with_output()?.stdout, b"through the child");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ChildStdin(PipeWriter);

/// The reading end of a child's standard output, as [`std::process::ChildStdout`]: see
/// [`Child::stdout`](super::Child::stdout). A read suspends only the green thread until there is data or the end.
///
/// # Examples
/// ```
/// use greenthread::io::{BufRead, BufReader};
/// use greenthread::process::{Command, Stdio};
///
/// let mut child = Command::new("printf").arg(r"one\ntwo\n").stdout(Stdio::piped()).spawn()?;
/// let lines = BufReader::new(child.stdout.take().unwrap()).lines();
/// assert_eq!(lines.collect::<Result<Vec<_>, _>>()?, ["one", "two"]);
/// child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ChildStdout(PipeReader);

/// The reading end of a child's standard error, as [`std::process::ChildStderr`]: see
/// [`Child::stderr`](super::Child::stderr). A read suspends only the green thread until there is data or the end.
///
/// # Examples
/// ```
/// use greenthread::io::Read;
/// use greenthread::process::{Command, Stdio};
///
/// let mut child = Command::new("sh").args(["-c", "echo oh no >&2"]).stderr(Stdio::piped()).spawn()?;
/// let mut complaint = String::new();
/// child.stderr.take().unwrap().read_to_string(&mut complaint)?;
/// assert_eq!(complaint, "oh no\n");
/// child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ChildStderr(PipeReader);

impl Write for &ChildStdin {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&self.0).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.0).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for ChildStdin {
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

macro_rules! reads {
    ($($name:ident),*) => {$(
        impl Read for $name {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.0.read_vectored(bufs)
            }
        }
    )*};
}

reads!(ChildStdout, ChildStderr);

macro_rules! conversions {
    ($($name:ident),*) => {$(
        impl From<std::process::$name> for $name {
            fn from(pipe: std::process::$name) -> Self {
                OwnedFd::from(pipe).into()
            }
        }

        impl From<OwnedFd> for $name {
            fn from(fd: OwnedFd) -> Self {
                Self(fd.into())
            }
        }

        impl From<$name> for OwnedFd {
            fn from(pipe: $name) -> Self {
                pipe.0.into()
            }
        }

        /// For connecting one child with the next.
        impl From<$name> for Stdio {
            fn from(pipe: $name) -> Self {
                pipe.0.into()
            }
        }

        impl std::os::fd::AsFd for $name {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl std::os::fd::AsRawFd for $name {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.0.as_raw_fd()
            }
        }

        impl std::os::fd::IntoRawFd for $name {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                self.0.into_raw_fd()
            }
        }
    )*};
}

conversions!(ChildStdin, ChildStdout, ChildStderr);
