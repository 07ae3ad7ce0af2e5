//! Files and folders: std's, with a [`fault`] check before each call. Each call may wait for a disk, so green threads
//! leave it to a thread of the pool. A test's plan of failures holds on the test's own thread only.
#![forbid(unsafe_code)]

use super::behind::behind;
use super::fault::{self, Syscall};
use std::ffi::OsString;
use std::fs::{self, FileTimes, FileType, Metadata, Permissions, TryLockError};
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{self as unix, DirBuilderExt, DirEntryExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Functions of std's.
macro_rules! calls {
    ($module:ident: $($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {$(
        pub(crate) fn $name($($arg: $type),*) -> io::Result<$result> {
            fault::check(Syscall::Disk)?;
            $module::$name($($arg),*)
        }
    )*};
}

calls! { fs:
    canonicalize(path: &Path) -> PathBuf;
    copy(from: &Path, to: &Path) -> u64;
    create_dir(path: &Path) -> ();
    create_dir_all(path: &Path) -> ();
    exists(path: &Path) -> bool;
    hard_link(original: &Path, link: &Path) -> ();
    metadata(path: &Path) -> Metadata;
    read(path: &Path) -> Vec<u8>;
    read_link(path: &Path) -> PathBuf;
    read_to_string(path: &Path) -> String;
    remove_dir(path: &Path) -> ();
    remove_dir_all(path: &Path) -> ();
    remove_file(path: &Path) -> ();
    rename(from: &Path, to: &Path) -> ();
    set_permissions(path: &Path, permissions: Permissions) -> ();
    symlink_metadata(path: &Path) -> Metadata;
    write(path: &Path, contents: &[u8]) -> ();
}

calls! { unix:
    symlink(original: &Path, link: &Path) -> ();
    chown(path: &Path, user: Option<u32>, group: Option<u32>) -> ();
    lchown(path: &Path, user: Option<u32>, group: Option<u32>) -> ();
    fchown(fd: OwnedFd, user: Option<u32>, group: Option<u32>) -> ();
}

/// Makes a folder, and those above it if that is asked for, with these permissions.
pub(crate) fn make_dir(path: &Path, recursive: bool, mode: u32) -> io::Result<()> {
    fault::check(Syscall::Disk)?;
    fs::DirBuilder::new().recursive(recursive).mode(mode).create(path)
}

/// What is in a folder.
pub(crate) struct ReadDir(fs::ReadDir);

pub(crate) fn read_dir(path: &Path) -> io::Result<ReadDir> {
    fault::check(Syscall::Disk)?;
    fs::read_dir(path).map(ReadDir)
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.0.next()?;
        Some(fault::check(Syscall::ReadDir).and_then(|()| entry.map(DirEntry)))
    }
}

/// One thing in a folder.
pub(crate) struct DirEntry(fs::DirEntry);

impl std::fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl DirEntry {
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path()
    }

    pub(crate) fn file_name(&self) -> OsString {
        self.0.file_name()
    }

    pub(crate) fn ino(&self) -> u64 {
        self.0.ino()
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        fault::check(Syscall::Disk)?;
        self.0.metadata()
    }

    pub(crate) fn file_type(&self) -> io::Result<FileType> {
        fault::check(Syscall::Disk)?;
        self.0.file_type()
    }
}

/// How a file is opened.
#[derive(Clone)]
pub(crate) struct OpenOptions(fs::OpenOptions);

impl std::fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! options {
    ($($option:ident: $type:ty;)*) => {$(
        pub(crate) fn $option(&mut self, $option: $type) -> &mut Self {
            self.0.$option($option);
            self
        }
    )*};
}

impl OpenOptions {
    pub(crate) fn new() -> Self {
        Self(fs::OpenOptions::new())
    }

    options! {
        read: bool;
        write: bool;
        append: bool;
        truncate: bool;
        create: bool;
        create_new: bool;
        mode: u32;
        custom_flags: i32;
    }

    pub(crate) fn open(&self, path: &Path) -> io::Result<File> {
        fault::check(Syscall::Disk)?;
        self.0.open(path).map(File)
    }
}

/// An open file.
pub(crate) struct File(fs::File);

behind! { File, fs::File:
    Disk sync_all() -> ();
    Disk sync_data() -> ();
    Disk set_len(size: u64) -> ();
    Disk metadata() -> Metadata;
    Disk set_permissions(permissions: Permissions) -> ();
    Disk set_times(times: FileTimes) -> ();
    Disk set_modified(time: SystemTime) -> ();
    Disk unlock() -> ();
    Recv read_at(buf: &mut [u8], at: u64) -> usize;
    Send write_at(buf: &[u8], at: u64) -> usize;
}

/// A write that another thread is to make. It is asked here whether it fails: a test's plan holds on its own thread only.
pub(crate) fn write_elsewhere(
    bytes: Vec<u8>,
) -> io::Result<impl FnOnce(&File) -> io::Result<usize> + Send + 'static> {
    fault::check(Syscall::Send)?;
    Ok(move |file: &File| file.write(&bytes))
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into())
    }
}

impl File {
    pub(crate) fn try_lock(&self) -> Result<(), TryLockError> {
        fault::check(Syscall::Disk).map_err(TryLockError::Error)?;
        self.0.try_lock()
    }

    pub(crate) fn try_lock_shared(&self) -> Result<(), TryLockError> {
        fault::check(Syscall::Disk).map_err(TryLockError::Error)?;
        self.0.try_lock_shared()
    }

    pub(crate) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        fault::check(Syscall::Recv)?;
        (&self.0).read(buf)
    }

    pub(crate) fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        fault::check(Syscall::Recv)?;
        (&self.0).read_vectored(bufs)
    }

    pub(crate) fn write(&self, buf: &[u8]) -> io::Result<usize> {
        fault::check(Syscall::Send)?;
        (&self.0).write(buf)
    }

    pub(crate) fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        fault::check(Syscall::Send)?;
        (&self.0).write_vectored(bufs)
    }

    /// Moves the position, which waits for nothing but on a file system of the network.
    pub(crate) fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        fault::check(Syscall::Disk)?;
        (&self.0).seek(to)
    }
}
