//! Standard input.
#![forbid(unsafe_code)]

use super::stdin_buffer::Buffer;
use super::wait_readable;
use crate::runtime::blocking::{self, Kind};
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::sys::{file, number};
use crate::thread::shield;
use std::fmt;
use std::io::{self, BufRead, IoSliceMut, IsTerminal, Lines, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::LazyLock;

/// Standard input, as [`std::io::Stdin`]: waiting for it suspends only the green thread. All handles share one buffer.
///
/// If a kill or a timeout ends a read of a line, of a string or of a fixed number of bytes, nothing is lost: what has
/// come by then is there for the next read. For [`Read::read_to_end`], it is in the vector.
///
/// The buffer is not that of [`std::io::stdin`]: a program should read by this one or by std's, but not by both.
///
/// # Examples
/// ```no_run
/// for line in greenthread::io::stdin().lines() {
///     println!("{}", line?);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Stdin(std::io::Stdin);

/// Standard input, locked; made by [`Stdin::lock`]. While it lives, others that read standard input are suspended.
pub struct StdinLock<'a> {
    buffer: MutexGuard<'a, Buffer<Raw>>,
}

static STDIN: LazyLock<Mutex<Buffer<Raw>>> = LazyLock::new(|| Mutex::new(Buffer::new(Raw)));

/// A handle to standard input, as [`std::io::stdin`].
///
/// # Examples
/// ```no_run
/// let mut name = String::new();
/// greenthread::io::stdin().read_line(&mut name)?;
/// println!("Hello, {}", name.trim());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "input")]
#[doc(alias = "raw_input")]
#[must_use]
pub fn stdin() -> Stdin {
    Stdin(std::io::stdin())
}

/// Descriptor 0, without a buffer.
#[derive(Debug)]
struct Raw;

impl Read for Raw {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let stdin = file::stdin();
        loop {
            let got = if file::is_on_disk(stdin) {
                read_elsewhere(Kind::Files, buf)
            } else {
                wait_readable(stdin, None)?;
                match file::read_now(stdin, &mut [IoSliceMut::new(buf)]) {
                    // This read cannot be kept from blocking if somebody else reads first, so a thread of the pool
                    // makes it.
                    Err(error) if file::is_unsupported(&error) => read_elsewhere(Kind::Waits, buf),
                    other => other,
                }
            };
            match got {
                // Somebody else has read it first: wait again.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // As in std, a closed standard input is an empty one.
                Err(error) if error.raw_os_error() == Some(number::EBADF) => return Ok(0),
                other => return other,
            }
        }
    }
}

/// Reads on an OS thread of the pool. It is shielded, as a kill that ended the wait would lose what has been read.
fn read_elsewhere(kind: Kind, buf: &mut [u8]) -> io::Result<usize> {
    let mut own = vec![0; buf.len()];
    let (own, got) = shield(|| {
        blocking::run(kind, move || {
            let got = file::read(file::stdin(), &mut own);
            (own, got)
        })
    });
    let got = got?;
    buf[..got].copy_from_slice(&own[..got]);
    Ok(got)
}

impl Stdin {
    /// Locks standard input, for several reads that belong together and for the methods of [`BufRead`]. Suspends the
    /// green thread while somebody else has locked it.
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::io::{BufRead, Read, stdin};
    ///
    /// // A header, and then what it announces; nobody else reads in between.
    /// let mut input = stdin().lock();
    /// let mut header = String::new();
    /// input.read_line(&mut header)?;
    /// let mut body = vec![0; header.trim().parse().unwrap_or(0)];
    /// input.read_exact(&mut body)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lock(&self) -> StdinLock<'static> {
        StdinLock { buffer: STDIN.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Appends the next line, including its end, to `buf`, as [`std::io::Stdin::read_line`]. Returns its length in
    /// bytes; 0 is the end of the input. Suspends the green thread until the line is there.
    ///
    /// # Errors
    /// [`InvalidData`](io::ErrorKind::InvalidData) for a line that is not UTF-8, which is lost, and the errors of
    /// reading the descriptor. A closed standard input is an empty one. `buf` is unchanged.
    ///
    /// # Examples
    /// A prompt; a server in the same program goes on meanwhile:
    /// ```no_run
    /// use greenthread::io::{Write, stdin, stdout};
    ///
    /// let mut line = String::new();
    /// loop {
    ///     write!(stdout(), "> ")?;
    ///     stdout().flush()?;
    ///     line.clear();
    ///     if stdin().read_line(&mut line)? == 0 {
    ///         break; // the end of the input
    ///     }
    ///     println!("you said {}", line.trim_end());
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_line(&self, buf: &mut String) -> io::Result<usize> {
        self.lock().read_line(buf)
    }

    /// An iterator over the lines, without their ends. It keeps standard input locked.
    ///
    /// # Examples
    /// ```no_run
    /// let mut sum = 0.0;
    /// for line in greenthread::io::stdin().lines() {
    ///     sum += line?.trim().parse::<f64>().unwrap_or(0.0);
    /// }
    /// println!("{sum}");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        self.lock().lines()
    }

    /// Whether it is a terminal, as [`IsTerminal::is_terminal`].
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }
}

impl StdinLock<'_> {
    /// Whether it is a terminal, as [`IsTerminal::is_terminal`].
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        std::io::stdin().is_terminal()
    }
}

macro_rules! read_locked {
    ($($type:ty),*) => {$(
        impl Read for $type {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.lock().read(buf)
            }

            fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
                self.lock().read_to_end(buf)
            }

            fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
                self.lock().read_to_string(buf)
            }

            fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
                self.lock().read_exact(buf)
            }
        }
    )*};
}

read_locked!(Stdin, &Stdin);

impl Read for StdinLock<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.buffer.read(buf)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.buffer.read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        self.buffer.read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.buffer.read_exact(buf)
    }
}

impl BufRead for StdinLock<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.buffer.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.buffer.consume(amount);
    }

    fn read_until(&mut self, end: u8, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.buffer.read_until(end, buf)
    }

    fn read_line(&mut self, buf: &mut String) -> io::Result<usize> {
        self.buffer.read_line(buf)
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").finish_non_exhaustive()
    }
}

impl fmt::Debug for StdinLock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdinLock").finish_non_exhaustive()
    }
}

impl AsFd for Stdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Stdin {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for StdinLock<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        file::stdin()
    }
}

impl AsRawFd for StdinLock<'_> {
    fn as_raw_fd(&self) -> RawFd {
        std::io::stdin().as_raw_fd()
    }
}
