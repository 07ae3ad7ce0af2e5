//! Directories.
#![forbid(unsafe_code)]

use super::{FileType, Metadata, on_pool, shielded_on_pool, strike};
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::fs::{DirBuilderExt, DirEntryExt};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

/// So many entries are read at once.
const BATCH: usize = 128;

/// The entries of a directory, as [`std::fs::read_dir`], except `.` and `..`, in no order.
///
/// # Errors
/// Those of std's.
///
/// # Examples
/// ```
/// let names: Vec<_> = greenthread::fs::read_dir("/")?
///     .map(|entry| entry.map(|entry| entry.file_name()))
///     .collect::<Result<_, _>>()?;
/// assert!(names.contains(&"proc".into()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    let inner = on_pool(move || std::fs::read_dir(path))?;
    Ok(ReadDir { inner: Some(inner), batch: Vec::new().into_iter() })
}

/// Iterator over the entries of a directory; made by [`read_dir`]. Suspends the green thread while it reads the next ones.
#[must_use = "iterators are lazy"]
pub struct ReadDir {
    /// `None` at the end.
    inner: Option<std::fs::ReadDir>,
    batch: vec::IntoIter<io::Result<DirEntry>>,
}

// An error among the entries read ahead may be anything; nobody can see it half changed.
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

/// An entry of a directory, as [`std::fs::DirEntry`].
pub struct DirEntry {
    inner: Arc<std::fs::DirEntry>,
    /// Most directories say it themselves. Where they do not, asking takes a look at the disk.
    file_type: Option<FileType>,
}

impl DirEntry {
    /// To be called on the pool.
    fn new(inner: std::fs::DirEntry) -> Self {
        Self { file_type: inner.file_type().ok(), inner: Arc::new(inner) }
    }

    /// The path that was given to [`read_dir`] with the name of the entry.
    pub fn path(&self) -> PathBuf {
        self.inner.path()
    }

    /// The name alone.
    pub fn file_name(&self) -> OsString {
        self.inner.file_name()
    }

    /// Size, times, permissions and so on; of a symbolic link itself. Suspends the green thread until they are known.
    ///
    /// # Errors
    /// Those of std's.
    pub fn metadata(&self) -> io::Result<Metadata> {
        let entry = Arc::clone(&self.inner);
        on_pool(move || entry.metadata())
    }

    /// Whether it is a file, a directory or something else.
    ///
    /// # Errors
    /// Those of std's.
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
#[derive(Debug)]
pub struct DirBuilder {
    recursive: bool,
    mode: u32,
}

impl DirBuilder {
    /// With the usual permissions, and not recursive.
    #[expect(clippy::new_without_default, reason = "std has no default either")]
    pub fn new() -> Self {
        Self { recursive: false, mode: 0o777 }
    }

    /// Whether those above it are made too, and it is no error if it is there.
    pub fn recursive(&mut self, recursive: bool) -> &mut Self {
        self.recursive = recursive;
        self
    }

    /// Makes it. Suspends the green thread until that is done.
    ///
    /// # Errors
    /// Those of std's.
    pub fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path = path.as_ref().to_owned();
        let (recursive, mode) = (self.recursive, self.mode);
        on_pool(move || std::fs::DirBuilder::new().recursive(recursive).mode(mode).create(path))
    }
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }
}
