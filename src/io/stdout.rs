//! Standard output and standard error.
#![forbid(unsafe_code)]

use super::wait_writable;
use crate::sync::{ReentrantMutex, ReentrantMutexGuard};
use crate::sys::{file, number};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::process::Stdio;

/// What a pipe that is ready takes without blocking, less the 1,024 bytes that std's buffer may still hold.
const PIECE: usize = number::PIPE_BUF - 1024;

/// Waits until something can be written, and returns how many bytes that is at most.
fn room(out: impl AsFd, wanted: usize) -> io::Result<usize> {
    if file::is_on_disk(out.as_fd()) {
        return Ok(wanted);
    }
    wait_writable(out, None)?;
    Ok(wanted.min(PIECE))
}

/// Defines `$name`, which is std's type of that name with two changes: green threads can wait for its lock, and each
/// write waits for room first.
macro_rules! standard_output {
    ($name:ident, $lock:ident, $function:ident, $mutex:ident, $(#[$doc:meta])*) => {
        $(#[$doc])*
        pub struct $name(std::io::$name);

        /// A locked standard stream, made by its `lock`: nobody else writes in between. The same green thread may lock
        /// it again meanwhile.
        pub struct $lock<'a> {
            out: std::io::$name,
            _guard: ReentrantMutexGuard<'a, ()>,
        }

        static $mutex: ReentrantMutex<()> = ReentrantMutex::new(());

        $(#[$doc])*
        pub fn $function() -> $name {
            $name(std::io::$function())
        }

        impl $name {
            /// Locks it, so that nobody writes in between. Suspends the green thread while somebody else has it. The
            /// same green thread may lock it several times, as in std.
            ///
            /// # Examples
            /// A report that nothing of other threads comes between:
            /// ```
            /// use greenthread::io::{Write, stderr};
            ///
            /// let mut out = stderr().lock();
            /// for line in ["first", "second"] {
            ///     writeln!(out, "{line}")?;
            /// }
            /// # Ok::<(), std::io::Error>(())
            /// ```
            pub fn lock(&self) -> $lock<'static> {
                $lock { out: std::io::$function(), _guard: $mutex.lock() }
            }

            /// Whether it is a terminal, as [`IsTerminal::is_terminal`].
            pub fn is_terminal(&self) -> bool {
                self.0.is_terminal()
            }
        }

        impl $lock<'_> {
            /// Whether it is a terminal, as [`IsTerminal::is_terminal`].
            pub fn is_terminal(&self) -> bool {
                self.out.is_terminal()
            }
        }

        impl Write for $lock<'_> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                loop {
                    let room = room(&self.out, buf.len())?;
                    match self.out.write(&buf[..room]) {
                        // Somebody else has filled it meanwhile, and the descriptor is in non-blocking mode.
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        other => return other,
                    }
                }
            }

            fn flush(&mut self) -> io::Result<()> {
                loop {
                    room(&self.out, 0)?;
                    match self.out.flush() {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        other => return other,
                    }
                }
            }
        }

        standard_output!(write $name, &$name);

        /// The descriptor, for a child process.
        impl From<$name> for Stdio {
            fn from(own: $name) -> Self {
                own.0.into()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        impl fmt::Debug for $lock<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($lock)).finish_non_exhaustive()
            }
        }

        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl AsRawFd for $name {
            fn as_raw_fd(&self) -> RawFd {
                self.0.as_raw_fd()
            }
        }

        impl AsFd for $lock<'_> {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.out.as_fd()
            }
        }

        impl AsRawFd for $lock<'_> {
            fn as_raw_fd(&self) -> RawFd {
                self.out.as_raw_fd()
            }
        }
    };
    (write $($type:ty),*) => {$(
        impl Write for $type {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.lock().write(buf)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.lock().flush()
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                self.lock().write_all(buf)
            }

            fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> io::Result<()> {
                self.lock().write_fmt(args)
            }
        }
    )*};
}

standard_output!(
    Stdout,
    StdoutLock,
    stdout,
    STDOUT,
    /// Standard output, as [`std::io::Stdout`]: if its reader is slow, only the green thread waits.
    ///
    /// It writes through std's own buffer, so what `println!` and this write keeps its order. A line that has not ended is
    /// flushed when the program ends, as in std.
    ///
    /// # Examples
    /// ```
    /// use greenthread::io::{self, Write};
    ///
    /// writeln!(io::stdout(), "hello")?;
    /// // Nobody writes between these two lines.
    /// let mut out = io::stdout().lock();
    /// writeln!(out, "one")?;
    /// writeln!(out, "two")?;
    /// # Ok::<(), io::Error>(())
    /// ```
);

standard_output!(
    Stderr,
    StderrLock,
    stderr,
    STDERR,
    /// Standard error, as [`std::io::Stderr`]: if its reader is slow, only the green thread waits. It has no buffer.
    ///
    /// # Examples
    /// ```
    /// use greenthread::io::{self, Write};
    ///
    /// writeln!(io::stderr(), "something went wrong")?;
    /// # Ok::<(), io::Error>(())
    /// ```
);
