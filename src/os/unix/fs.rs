//! What Unix adds to files, with the names of [`std::os::unix::fs`]. The traits are std's: they work on
//! [`fs::File`](crate::fs::File), [`OpenOptions`](crate::fs::OpenOptions), [`DirBuilder`](crate::fs::DirBuilder) and
//! [`DirEntry`](crate::fs::DirEntry) as well.
#![forbid(unsafe_code)]

use crate::fs::forward;
use std::io;
use std::path::Path;

pub use std::os::unix::fs::{
    DirBuilderExt, DirEntryExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
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
