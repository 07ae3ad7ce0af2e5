//! What Unix adds to files, with the names of [`std::os::unix::fs`].
//!
//! The traits are std's: they work on [`fs::File`](crate::fs::File), [`OpenOptions`](crate::fs::OpenOptions),
//! [`DirBuilder`](crate::fs::DirBuilder) and [`DirEntry`](crate::fs::DirEntry) as well. The functions run on an OS
//! thread of the pool and suspend the green thread, as those of [`fs`](crate::fs) do; [`chroot`] is std's own, as it
//! needs no disk.
//!
//! # Examples
//! ```
//! use greenthread::fs;
//! use greenthread::os::unix::fs::{PermissionsExt, symlink};
//!
//! let path = std::env::temp_dir().join(format!("greenthread-link-{}", std::process::id()));
//! let link = path.with_extension("link");
//! fs::write(&path, "some text")?;
//! fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
//! symlink(&path, &link)?;
//! assert_eq!(fs::read_link(&link)?, path);
//! assert_eq!(fs::metadata(&link)?.permissions().mode() & 0o777, 0o600);
//! fs::remove_file(&link)?;
//! fs::remove_file(&path)?;
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

use crate::fs::{forward, on_pool};
use crate::sys::{disk, file};
use crate::util::dropping::seen_in;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

pub use std::os::unix::fs::{
    DirBuilderExt, DirEntryExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
    chroot,
};

forward! {
    /// Makes a symbolic link at `link` that leads to `original`, as [`std::os::unix::fs::symlink`]. Suspends the green
    /// thread until it is done.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if something is at `link`, [`NotFound`](io::ErrorKind::NotFound)
    /// if there is no such folder, [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be written.
    /// Whether `original` is there does not matter.
    symlink<P, Q>(original: P, link: Q) -> ();
    /// Changes the owner and the group, as [`std::os::unix::fs::chown`]; `None` leaves one as it is. Suspends the green
    /// thread until it is done.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if nothing is at that path,
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) for those who may not, which are mostly all but the
    /// superuser.
    chown<P>(dir: P; uid: Option<u32>, gid: Option<u32>) -> ();
    /// Like [`chown`](chown()), but of a symbolic link itself.
    ///
    /// # Errors
    /// As `chown`.
    lchown<P>(dir: P; uid: Option<u32>, gid: Option<u32>) -> ();
}

/// Like [`chown`](chown()), but of what an open descriptor stands for.
///
/// # Errors
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) as `chown`; too many open files (`EMFILE` or `ENFILE`), as the
/// call needs a duplicate of the descriptor.
///
/// # Examples
/// ```
/// use greenthread::fs::File;
/// use greenthread::os::unix::fs::{MetadataExt, fchown};
///
/// let path = std::env::temp_dir().join(format!("greenthread-owner-{}", std::process::id()));
/// let file = File::create(&path)?;
/// // Anybody may give a file to the group that it has already.
/// fchown(&file, None, Some(file.metadata()?.gid()))?;
/// # std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn fchown<F: AsFd>(fd: F, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let own = seen_in(fd, |fd| file::duplicate(fd.as_fd()))?;
    on_pool(move || disk::fchown(own, uid, gid))
}
