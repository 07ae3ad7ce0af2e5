//! Programs that are started, and waiting for them: all of [`std::process`], with those parts replaced that would block
//! a worker.
//!
//! - [`Command`] and [`Child`] have the names and signatures of std: the `use` line is the port. Starting, waiting, and
//!   the pipes suspend only the calling green thread; on a plain OS thread they block that thread, as in std. Beyond
//!   std there are [`Child::wait_timeout`], [`Child::terminate`] and [`Child::handle`], by which several wait for one
//!   child.
//! - With the feature `processes`: `Process`, a function that runs in another process of this program, as Python's
//!   `multiprocessing.Process`; and `shared`, queues, locks and more that such processes use together.
//! - Everything else is std's. The traits of Unix are in [`os::unix::process`](crate::os::unix::process).
//!
//! # Examples
//! ```
//! use greenthread::process::Command;
//!
//! // Three programs at once, each waited for by a green thread.
//! let sums = [[1, 2], [3, 4], [5, 6]].map(|[a, b]| {
//!     greenthread::spawn(move || Command::new("expr").args([&a.to_string(), "+", &b.to_string()]).output())
//! });
//! let mut texts = Vec::new();
//! for sum in sums {
//!     texts.push(String::from_utf8(sum.join().unwrap()?.stdout).unwrap());
//! }
//! assert_eq!(texts, ["3\n", "7\n", "11\n"]);
//! # Ok::<(), std::io::Error>(())
//! ```

// Invariant: a process's number is used only while nobody has waited for the process, and in the end somebody always
// does.

mod child;
mod child_handle;
mod command;
mod drain;
#[cfg(test)]
mod faults;
#[cfg(feature = "processes")]
mod frame;
#[cfg(feature = "processes")]
mod function;
#[cfg(feature = "processes")]
mod init;
mod reaper;
#[cfg(feature = "processes")]
pub mod shared;
#[cfg(feature = "processes")]
mod start;
mod stdio;
#[cfg(feature = "processes")]
pub(crate) mod worker;

#[cfg(feature = "processes")]
#[doc(inline)]
pub use crate::__process_function as function;
pub use child::Child;
pub use child_handle::ChildHandle;
pub use command::Command;
pub use std::process::*;
pub use stdio::{ChildStderr, ChildStdin, ChildStdout};
#[cfg(feature = "processes")]
#[doc(hidden)]
pub use {
    crate::sys::image::{Failed as __Failed, Record as __Record},
    function::{__run, __types},
};
#[cfg(feature = "processes")]
pub use {
    frame::MAX_MESSAGE,
    function::Function,
    init::{current_name, init, is_worker},
    start::{Process, ProcessBuilder},
    worker::CallError,
};
