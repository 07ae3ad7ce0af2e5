//! Where operations on files run, and what must not be waited for there.
#![forbid(unsafe_code)]

use crate::runtime::blocking::{self, Kind};
use crate::runtime::{park, task};
use crate::sys::{disk, file};
use crate::thread::shield;
use crate::util::dropping::seen_in;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What may wait for somebody else without a limit when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// It waits until somebody opens the other end.
    Fifo,
    /// A terminal or a tape: it waits for whatever its driver waits for.
    Device,
}

/// Whether the path leads to something that may wait. To be called on the pool, as looking may wait for the disk.
pub(super) fn waits(path: &Path) -> Option<Waits> {
    let metadata = disk::metadata(path).ok()?;
    let kind = metadata.file_type();
    let in_memory = || file::is_in_memory(metadata.rdev());
    match () {
        () if kind.is_fifo() => Some(Waits::Fifo),
        () if kind.is_char_device() && !in_memory() => Some(Waits::Device),
        () => None,
    }
}

/// A copy of the path. The caller's value is dropped here: its destructor is the caller's code, and must not run after
/// the wait.
pub(crate) fn owned(path: impl AsRef<Path>) -> PathBuf {
    seen_in(path, |path| path.as_ref().to_owned())
}

/// Like [`owned`], for bytes.
pub(super) fn bytes(contents: impl AsRef<[u8]>) -> Arc<[u8]> {
    seen_in(contents, |contents| contents.as_ref().into())
}

/// Runs `operation` on an OS thread that may block. A kill ends the wait for it.
pub(crate) fn on_pool<T: Send + 'static>(operation: impl FnOnce() -> T + Send + 'static) -> T {
    blocking::run(Kind::Files, operation)
}

/// Lets a kill or a timeout that is due strike now, before an operation that is [shielded](shielded_on_pool).
pub(super) fn strike() {
    if task::any_interruption() {
        park::yield_now();
    }
}

/// Like [`on_pool`], but nothing ends the wait.
pub(super) fn shielded_on_pool<T: Send + 'static>(
    operation: impl FnOnce() -> T + Send + 'static,
) -> T {
    shield(|| on_pool(operation))
}
