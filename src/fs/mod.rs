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

// Invariant: a call that may wait for a disk runs on the pool, and one that may wait for somebody else takes no place there.
// What the pool has read or written is never lost to a kill, as none ends the wait of a `File`'s method.

mod dir;
#[cfg(test)]
mod faults;
mod file;
mod functions;
mod open_options;
mod pool;
mod transfer;

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
pub(crate) use pool::{on_pool, owned};

use pool::{Waits, bytes, shielded_on_pool, strike, waits};
