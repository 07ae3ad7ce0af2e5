//! The operating system: every system call that the library makes itself goes through here.
//!
//! Invariant: each call first asks [`fault`] whether a test wants it to fail, and each failure is an `io::Error`.

pub(crate) mod fault;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod poll;
pub(crate) mod prefetch;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod time;
pub(crate) mod unwind;
