//! Files, with the names and signatures of [`std::fs`]: replacing `std::fs` by `greenthread::fs` in a `use` line is the whole
//! port.
//!
//! A disk gives no sign when it is ready, so what may have to wait for one runs on threads for blocking calls and suspends
//! the calling green thread only. What a [`File`] reads from the system's cache is read at once. On a plain OS thread
//! everything runs where it is, as in std.
//!
//! What may wait for somebody else for ever has no place on those threads, of which there are 64: a FIFO is opened without
//! blocking, again and again until its other end is open too; what else is not on a disk, such as a terminal, has a thread of
//! its own for each call that may wait.
//!
//! A kill or a timeout ends the wait for a function of this module; what the system has begun by then goes on to its end. The
//! methods of a [`File`] are shielded instead: a read or write whose outcome nobody sees would leave the file's position
//! anywhere.
//!
//! # What differs from std
//! - The lock of a file is waited for by trying again, after pauses of at most 10 ms: [`File::lock`].
//! - `Read`, `Write` and `Seek` cannot be implemented for `Arc<File>` outside std; `&*file` has them.
//! - `soft_link`, deprecated in std, is not there: see [`os::unix::fs::symlink`](crate::os::unix::fs::symlink).
//! - The other end of a FIFO is looked for after pauses of at most 10 ms: [`OpenOptions::open`].
#![forbid(unsafe_code)]

mod dir;
#[cfg(test)]
mod faults;
mod file;
mod functions;
mod open_options;

pub use dir::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use file::File;
pub use functions::{
    canonicalize, copy, create_dir, create_dir_all, exists, hard_link, metadata, read, read_link,
    read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions,
    symlink_metadata, write,
};
pub use open_options::OpenOptions;
pub use std::fs::{FileTimes, FileType, Metadata, Permissions, TryLockError};

pub(crate) use functions::forward;

use crate::runtime::blocking::{self, Kind};
use crate::runtime::{park, task};
use crate::thread::shield;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What may make whoever opens it wait for somebody else, for as long as that one likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// For whoever opens the other end.
    Fifo,
    /// A terminal, a tape: for what its driver likes.
    Device,
}

/// Whether the path leads to such a thing. To be called on the pool.
fn waits(path: &Path) -> Option<Waits> {
    let metadata = std::fs::metadata(path).ok()?;
    let kind = metadata.file_type();
    // Those of memory, such as /dev/null, never wait.
    let in_memory = || libc::major(metadata.rdev()) == 1;
    match () {
        () if kind.is_fifo() => Some(Waits::Fifo),
        () if kind.is_char_device() && !in_memory() => Some(Waits::Device),
        () => None,
    }
}

/// Runs `operation` where blocking is no harm. A kill ends the wait for it.
pub(crate) fn on_pool<T: Send + 'static>(operation: impl FnOnce() -> T + Send + 'static) -> T {
    blocking::run(Kind::Files, operation)
}

/// Lets a kill or a timeout that is due strike: before an operation that is [shielded](shielded_on_pool).
fn strike() {
    if task::any_interruption() {
        park::yield_now();
    }
}

/// Like [`on_pool`], and nothing ends the wait.
fn shielded_on_pool<T: Send + 'static>(operation: impl FnOnce() -> T + Send + 'static) -> T {
    shield(|| on_pool(operation))
}
