//! Input and output: all of [`std::io`], with those parts replaced that would block a worker.
//!
//! - [`stdin`], [`stdout`], [`stderr`] and [`pipe`] are as std's, but waiting suspends the calling green thread only.
//! - [`wait_readable`], [`wait_writable`] and [`poll`] wait for any descriptor, for libraries that do their own reading
//!   and writing.
//! - [`send_file`] and [`forward`] pass a file to a connection, and one connection to another, without copying.
//!   [`copy`] is std's, and copies.
//! - Everything else is std's: its traits, adapters and buffered wrappers work unchanged on what is here.
//!
//! On a plain OS thread each of these blocks that thread, as in std.
//!
//! # What differs from std
//! - `print!` and `println!` write by std's own standard output: where that is a pipe whose reader is slow, they hold
//!   up the worker. `writeln!(greenthread::io::stdout(), ...)` does not.
//! - [`IsTerminal`] cannot be implemented outside std: [`Stdin`], [`Stdout`] and [`Stderr`] have a method of that name
//!   instead.

// Invariant: every operation tries first and then waits, and a registration ends before its descriptor does. How each
// wait ends is compared with std in `tests/ends.rs`.

mod endpoint;
#[cfg(test)]
mod faults;
mod forward;
mod handle;
mod modes;
mod pipe;
mod poll;
mod polled;
mod retry;
mod socket;
mod stdin;
mod stdin_buffer;
mod stdout;
mod wait;

pub use forward::{Stream, forward, send_file};
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use poll::{PollFd, poll};
pub use std::io::*;
pub use stdin::{Stdin, StdinLock, stdin};
pub use stdout::{Stderr, StderrLock, Stdout, StdoutLock, stderr, stdout};
pub use wait::{wait_readable, wait_writable};

pub(crate) use endpoint::Endpoint;
pub(crate) use forward::sealed::{Connection, HasIo};
pub(crate) use handle::Io;
pub(crate) use polled::Polled;
pub(crate) use retry::retry;
pub(crate) use socket::{descriptor, from_std, shut_down, socket_methods, stream_traits};
