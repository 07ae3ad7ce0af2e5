//! The operating system: every system call that the library makes itself goes through here.
//!
//! Invariant: each call first asks [`fault`] whether a test wants it to fail, and each failure is an `io::Error`.

pub(crate) mod ancillary;
#[cfg(feature = "monkey")]
pub(crate) mod bare;
pub(crate) mod child;
pub(crate) mod fault;
pub(crate) mod file;
#[cfg(feature = "processes")]
pub(crate) mod image;
pub(crate) mod limits;
#[cfg(feature = "watchdog")]
pub(crate) mod look;
pub(crate) mod memory;
pub(crate) mod notify;
#[cfg(feature = "io-uring")]
pub(crate) mod outbox;
pub(crate) mod panic_count;
pub(crate) mod poll;
pub(crate) mod prefetch;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod thread_end;
pub(crate) mod time;
pub(crate) mod transfer;
pub(crate) mod unwind;

/// Tells the user what went wrong where there is nobody to return it to. Unlike `eprintln` it does not panic where standard
/// error is gone: it may be called in a destructor.
pub(crate) fn report(what: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "greenthread: {what}");
}
