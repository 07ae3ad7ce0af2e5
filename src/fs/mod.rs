//! Files, with the names and signatures of [`std::fs`]. To port a program, replace `std::fs` by `greenthread::fs` in
//! its `use` lines.
//!
//! A disk gives no sign when it is ready. So a call that may have to wait for one runs on an OS thread of a pool, and
//! suspends the calling green thread only. What a [`File`] reads from the system's cache is read at once. On a plain OS
//! thread every call runs where it is, as in std.
//!
//! The pool has 64 threads, so nothing may stay there for ever: a FIFO is opened without blocking, again and again
//! until its other end is open too, and for anything else that is not on a disk, such as a terminal, each call that may
//! wait has an OS thread of its own.
//!
//! A kill or a timeout ends the wait for a function of this module; what the system has begun by then goes on to its
//! end. The methods of a [`File`] are [shielded](crate::shield) instead: if the outcome of a read or a write were lost,
//! nobody would know the position of the file.
//!
//! # What differs from std
//! - A lock of a file is waited for by trying again, after pauses of at most 10 ms: [`File::lock`].
//! - The other end of a FIFO is looked for after pauses of at most 10 ms: [`OpenOptions::open`].
//! - `Read`, `Write` and `Seek` cannot be implemented for `Arc<File>` outside std; `&*file` has them.
//! - `soft_link`, which std has deprecated, is missing: see [`os::unix::fs::symlink`](crate::os::unix::fs::symlink).
//!
//! # Examples
//! ```
//! use greenthread::fs;
//!
//! let folder = std::env::temp_dir().join(format!("greenthread-example-{}", std::process::id()));
//! fs::create_dir_all(&folder)?;
//! let (first, second) = (folder.join("first"), folder.join("second"));
//! fs::write(&first, "some text")?;
//! assert_eq!(fs::copy(&first, &second)?, 9);
//! fs::rename(&second, folder.join("third"))?;
//! assert!(fs::exists(&first)? && !fs::exists(&second)?);
//! assert_eq!(fs::metadata(&first)?.len(), 9);
//! fs::remove_file(&first)?;
//! fs::remove_dir_all(&folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```
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
use crate::util::dropping::seen_in;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A thing that, when it is opened, may wait for somebody else for any length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// It waits until somebody opens the other end.
    Fifo,
    /// A terminal or a tape: it waits for whatever its driver likes.
    Device,
}

/// Whether the path leads to such a thing. To be called on the pool, as looking may wait for the disk.
fn waits(path: &Path) -> Option<Waits> {
    let metadata = std::fs::metadata(path).ok()?;
    let kind = metadata.file_type();
    // Devices that are only memory, such as /dev/null, never wait.
    let in_memory = || libc::major(metadata.rdev()) == 1;
    match () {
        () if kind.is_fifo() => Some(Waits::Fifo),
        () if kind.is_char_device() && !in_memory() => Some(Waits::Device),
        () => None,
    }
}

/// The path, without what the caller gave it in, whose destructor is the caller's: that must not be left to the wait.
pub(crate) fn owned(path: impl AsRef<Path>) -> PathBuf {
    seen_in(path, |path| path.as_ref().to_owned())
}

/// As [`owned`], for bytes.
fn bytes(contents: impl AsRef<[u8]>) -> Arc<[u8]> {
    seen_in(contents, |contents| contents.as_ref().into())
}

/// Runs `operation` on an OS thread that may block. A kill ends the wait for it.
pub(crate) fn on_pool<T: Send + 'static>(operation: impl FnOnce() -> T + Send + 'static) -> T {
    blocking::run(Kind::Files, operation)
}

/// Lets a kill or a timeout that is due strike: before an operation that is [shielded](shielded_on_pool).
fn strike() {
    if task::any_interruption() {
        park::yield_now();
    }
}

/// Like [`on_pool`], but nothing ends the wait.
fn shielded_on_pool<T: Send + 'static>(operation: impl FnOnce() -> T + Send + 'static) -> T {
    shield(|| on_pool(operation))
}
