//! What Unix adds to files, with the names of [`std::os::unix::fs`]. The traits are std's: they work on
//! [`fs::File`](crate::fs::File), [`OpenOptions`](crate::fs::OpenOptions), [`DirBuilder`](crate::fs::DirBuilder) and
//! [`DirEntry`](crate::fs::DirEntry) as well.
#![forbid(unsafe_code)]

use crate::fs::{forward, on_pool};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

pub use std::os::unix::fs::{
    DirBuilderExt, DirEntryExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
    chroot,
};

forward! {
    std::os::unix::fs:
    /// Makes a symbolic link, as [`std::os::unix::fs::symlink`].
    symlink<P, Q>(original: P, link: Q) -> ();
    /// Changes the owner and group, as [`std::os::unix::fs::chown`]; `None` leaves one as it is.
    chown<P>(dir: P; uid: Option<u32>, gid: Option<u32>) -> ();
    /// Like [`chown`](chown()), of a symbolic link itself.
    lchown<P>(dir: P; uid: Option<u32>, gid: Option<u32>) -> ();
}

/// Like [`chown`](chown()), of what the descriptor stands for.
///
/// # Errors
/// Those of std's.
pub fn fchown<F: AsFd>(fd: F, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let fd = fd.as_fd().try_clone_to_owned()?;
    on_pool(move || std::os::unix::fs::fchown(fd, uid, gid))
}
