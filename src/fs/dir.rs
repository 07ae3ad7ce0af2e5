//! Directories.
#![forbid(unsafe_code)]

use super::{FileType, Metadata, on_pool, owned, shielded_on_pool, strike};
use crate::sys::disk;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::fs::{DirBuilderExt, DirEntryExt};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

/// This many entries are read at once.
const BATCH: usize = 128;

/// The entries of a directory, as [`std::fs::read_dir`], without `.` and `..`, and in no order. Suspends the green
/// thread while it reads; 128 entries are read at once.
///
/// # Errors
/// [`NotFound`](io::ErrorKind::NotFound), [`NotADirectory`](io::ErrorKind::NotADirectory),
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be read. An error that comes later is an item of
/// the iterator.
///
/// # Examples
/// ```
/// let names: Vec<_> = greenthread::fs::read_dir("/")?
///     .map(|entry| entry.map(|entry| entry.file_name()))
///     .collect::<Result<_, _>>()?;
/// assert!(names.contains(&"proc".into()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "listdir")]
#[doc(alias = "scandir")]
pub fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    let path = owned(path);
    let inner = on_pool(move || disk::read_dir(&path))?;
    Ok(ReadDir { inner: Some(inner), batch: Vec::new().into_iter() })
}

/// An iterator over the entries of a directory; made by [`read_dir`]. Suspends the green thread while it reads the next
/// ones.
#[must_use = "iterators are lazy"]
pub struct ReadDir {
    /// `None` at the end.
    inner: Option<disk::ReadDir>,
    batch: vec::IntoIter<io::Result<DirEntry>>,
}

// An error among the entries that were read ahead may hold any type, but nobody can see it half changed.
impl UnwindSafe for ReadDir {}
impl RefUnwindSafe for ReadDir {}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.batch.next() {
            return Some(entry);
        }
        strike();
        let mut inner = self.inner.take()?;
        let (inner, batch) = shielded_on_pool(move || {
            let entries = inner.by_ref().take(BATCH);
            let entries = entries.map(|entry| entry.map(DirEntry::new));
            let batch: Vec<_> = entries.collect();
            (inner, batch)
        });
        if batch.len() == BATCH {
            self.inner = Some(inner);
        }
        self.batch = batch.into_iter();
        self.batch.next()
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadDir").finish_non_exhaustive()
    }
}

/// An entry of a directory, as [`std::fs::DirEntry`]; an item of [`read_dir`].
///
/// # Examples
/// ```
/// use greenthread::fs;
///
/// let folder = std::env::temp_dir().join(format!("greenthread-dir-{}", std::process::id()));
/// fs::create_dir(&folder)?;
/// fs::write(folder.join("file"), "1234")?;
/// let entry = fs::read_dir(&folder)?.next().unwrap()?;
/// assert_eq!(entry.file_name(), "file");
/// assert_eq!(entry.path(), folder.join("file"));
/// assert!(entry.file_type()?.is_file());
/// assert_eq!(entry.metadata()?.len(), 4);
/// fs::remove_dir_all(&folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct DirEntry {
    inner: Arc<disk::DirEntry>,
    /// Most directories have it beside the name. Where they do not, finding it out means a look at the disk.
    file_type: Option<FileType>,
}

impl DirEntry {
    /// To be called on the pool.
    fn new(inner: disk::DirEntry) -> Self {
        Self { file_type: inner.file_type().ok(), inner: Arc::new(inner) }
    }

    /// The path that was given to [`read_dir`], followed by the name of the entry.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.inner.path()
    }

    /// The name alone.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.inner.file_name()
    }

    /// Size, times, permissions and so on; of a symbolic link itself. Suspends the green thread until they are known.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if the entry has been removed meanwhile.
    pub fn metadata(&self) -> io::Result<Metadata> {
        let entry = Arc::clone(&self.inner);
        on_pool(move || entry.metadata())
    }

    /// Whether it is a file, a directory or something else. Suspends the green thread only on file systems that do not
    /// keep this beside the name.
    ///
    /// # Errors
    /// As [`metadata`](Self::metadata).
    pub fn file_type(&self) -> io::Result<FileType> {
        match self.file_type {
            Some(file_type) => Ok(file_type),
            None => self.metadata().map(|metadata| metadata.file_type()),
        }
    }
}

impl DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        self.inner.ino()
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// How a directory is made, as [`std::fs::DirBuilder`].
///
/// # Examples
/// ```
/// use greenthread::fs::{self, DirBuilder};
/// use greenthread::os::unix::fs::DirBuilderExt;
///
/// let folder = std::env::temp_dir().join(format!("greenthread-builder-{}", std::process::id()));
/// DirBuilder::new().recursive(true).mode(0o700).create(folder.join("a/b"))?;
/// assert!(fs::exists(folder.join("a/b"))?);
/// fs::remove_dir_all(&folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct DirBuilder {
    recursive: bool,
    mode: u32,
}

impl DirBuilder {
    /// Makes directories with the usual permissions, and only if the one above is there.
    #[expect(clippy::new_without_default, reason = "std has no default either")]
    #[must_use]
    pub fn new() -> Self {
        Self { recursive: false, mode: 0o777 }
    }

    /// Whether missing directories above it are made too; then it is no error either if it is there already.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// Makes the directory. Suspends the green thread until it is made.
    ///
    /// # Errors
    /// As [`create_dir`](super::create_dir); if it is recursive, as [`create_dir_all`](super::create_dir_all).
    ///
    /// # Examples
    /// ```
    /// use greenthread::fs::{self, DirBuilder};
    /// use std::io::ErrorKind;
    ///
    /// let folder = std::env::temp_dir().join(format!("greenthread-made-{}", std::process::id()));
    /// let error = DirBuilder::new().create(folder.join("a/b")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound, "nothing is above it");
    /// DirBuilder::new().recursive(true).create(folder.join("a/b"))?;
    /// fs::remove_dir_all(&folder)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path = owned(path);
        let (recursive, mode) = (self.recursive, self.mode);
        on_pool(move || disk::make_dir(&path, recursive, mode))
    }
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }
}
