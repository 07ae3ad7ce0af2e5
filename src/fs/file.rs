//! An open file: all of its operations except reading and writing, which are in `transfer.rs`.
#![forbid(unsafe_code)]

use super::{FileTimes, Metadata, OpenOptions, Permissions, TryLockError, strike};
use crate::io::retry;
use crate::runtime::blocking::{self, Kind};
use crate::sys::{disk, file};
use crate::thread::shield;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::SystemTime;

/// An open file, as [`std::fs::File`]: same methods, same errors, but waiting for the disk suspends only the green
/// thread.
///
/// What is in the system's cache is read at once. A file that is not on a disk, such as a FIFO or a terminal, is waited
/// for like a pipe, unless it was opened with `O_NONBLOCK`: then `WouldBlock` says that nothing can be done now.
///
/// # Examples
/// ```
/// use greenthread::fs::{self, File};
/// use std::io::{Read, Seek, Write};
///
/// let path = std::env::temp_dir().join(format!("greenthread-file-{}", std::process::id()));
/// let mut file = File::create_new(&path)?;
/// file.write_all(b"contents")?;
/// file.sync_all()?;
/// file.seek(std::io::SeekFrom::Start(3))?;
/// let mut text = String::new();
/// file.read_to_string(&mut text)?;
/// assert_eq!(text, "tents");
/// fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "open")]
#[doc(alias = "aiofiles")]
pub struct File {
    /// A call on the pool has a share of it while it runs; during that, `self` is borrowed.
    pub(super) inner: Arc<disk::File>,
    pub(super) on_disk: bool,
}

/// Methods of std's that need nothing but the file, and wait for the disk.
macro_rules! on_pool {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty)?) -> $result:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self $(, $arg: $type)?) -> $result {
            self.on_pool(move |file| file.$name($($arg)?))
        }
    )*};
}

impl File {
    pub(super) fn of(inner: disk::File) -> Self {
        let on_disk = file::is_on_disk(inner.as_fd());
        Self { inner: Arc::new(inner), on_disk }
    }

    /// Opens a file for reading, as [`std::fs::File::open`]. Suspends the green thread until it is open.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound), [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be
    /// read; too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// Lines of a file, while others go on:
    /// ```
    /// use greenthread::fs::{self, File};
    /// use greenthread::io::{BufRead, BufReader};
    ///
    /// let path = std::env::temp_dir().join(format!("greenthread-open-{}", std::process::id()));
    /// fs::write(&path, "one\ntwo\n")?;
    /// let lines = BufReader::new(File::open(&path)?).lines();
    /// assert_eq!(lines.collect::<Result<Vec<_>, _>>()?, ["one", "two"]);
    /// fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::options().read(true).open(path)
    }

    /// Opens a file for writing, and makes it empty, or makes it if it is not there, as [`std::fs::File::create`].
    /// Suspends the green thread until it is open.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no such folder, [`IsADirectory`](io::ErrorKind::IsADirectory),
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be written; too many open files (`EMFILE` or
    /// `ENFILE`).
    ///
    /// # Examples
    /// See also [`create_new`](Self::create_new), which never empties what is there.
    /// ```
    /// use greenthread::fs::{self, File};
    /// use std::io::{ErrorKind, Write};
    ///
    /// let path = std::env::temp_dir().join(format!("greenthread-create-{}", std::process::id()));
    /// File::create(&path)?.write_all(b"first")?;
    /// assert_eq!(File::create_new(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
    /// File::create(&path)?.write_all(b"new")?;
    /// assert_eq!(fs::read(&path)?, b"new");
    /// fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn create<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::options().write(true).create(true).truncate(true).open(path)
    }

    /// Makes a file that must not be there yet, and opens it for reading and writing, as [`std::fs::File::create_new`].
    /// Suspends the green thread until it is open.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if something is there; else as [`create`](Self::create).
    pub fn create_new<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::options().read(true).write(true).create_new(true).open(path)
    }

    /// The same as [`OpenOptions::new`].
    ///
    /// # Examples
    /// ```
    /// use greenthread::fs::{self, File};
    /// use std::io::Write;
    ///
    /// let path = std::env::temp_dir().join(format!("greenthread-log-{}", std::process::id()));
    /// fs::write(&path, "begun\n")?;
    /// File::options().append(true).open(&path)?.write_all(b"ended\n")?;
    /// assert_eq!(fs::read(&path)?, b"begun\nended\n");
    /// fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    on_pool! {
        /// Waits until everything that was written, contents and metadata, is on the disk. Suspends the green thread.
        ///
        /// # Errors
        /// The system could not write it, as for a disk that is full or broken; what was written before may be lost.
        #[doc(alias = "fsync")]
        sync_all() -> io::Result<()>;
        /// Like [`sync_all`](Self::sync_all), but without metadata that is not needed to find the contents again.
        ///
        /// # Errors
        /// As `sync_all`.
        #[doc(alias = "fdatasync")]
        sync_data() -> io::Result<()>;
        /// Cuts the file, or fills it with zeros, so that it has `size` bytes. Suspends the green thread until it is
        /// done.
        ///
        /// # Errors
        /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the file is not open for writing,
        /// [`StorageFull`](io::ErrorKind::StorageFull) or [`FileTooLarge`](io::ErrorKind::FileTooLarge).
        #[doc(alias = "truncate")]
        set_len(size: u64) -> io::Result<()>;
        /// Size, times, permissions and so on. Suspends the green thread until they are known.
        ///
        /// # Errors
        /// Only if the disk cannot be read.
        #[doc(alias = "fstat")]
        metadata() -> io::Result<Metadata>;
        /// Sets the permissions. Suspends the green thread until it is done.
        ///
        /// # Errors
        /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file belongs to another user.
        #[doc(alias = "fchmod")]
        set_permissions(perm: Permissions) -> io::Result<()>;
        /// Sets the times of the last access and the last change. Suspends the green thread until it is done.
        ///
        /// # Errors
        /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file belongs to another user.
        set_times(times: FileTimes) -> io::Result<()>;
        /// Sets the time of the last change. Suspends the green thread until it is done.
        ///
        /// # Errors
        /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the file belongs to another user.
        set_modified(time: SystemTime) -> io::Result<()>;
        /// Like [`lock`](Self::lock), if that does not have to wait for others.
        ///
        /// # Errors
        /// [`TryLockError::WouldBlock`] if another handle has it; else [`TryLockError::Error`] as `lock`.
        try_lock() -> Result<(), TryLockError>;
        /// Like [`lock_shared`](Self::lock_shared), if that does not have to wait for others.
        ///
        /// # Errors
        /// [`TryLockError::WouldBlock`] if another handle has it alone; else [`TryLockError::Error`] as `lock`.
        try_lock_shared() -> Result<(), TryLockError>;
        /// Gives up the lock. Dropping all handles of the open file does that too.
        ///
        /// # Errors
        /// Only if the file system has no locks. A file that is not locked is no error.
        unlock() -> io::Result<()>;
    }

    /// Locks the file for this handle and its clones alone, as [`std::fs::File::lock`]. Suspends the green thread until
    /// it can be had; it tries again after pauses of at most 10 ms, so somebody who came later may be faster. Others
    /// must ask for the lock too: reads and writes do not look at it.
    ///
    /// # Errors
    /// Only if the file system has no locks.
    ///
    /// # Examples
    /// ```
    /// use greenthread::fs::{self, File};
    ///
    /// let path = std::env::temp_dir().join(format!("greenthread-lock-{}", std::process::id()));
    /// let (file, other) = (File::create(&path)?, File::open(&path)?);
    /// file.lock()?;
    /// assert!(other.try_lock().is_err());
    /// let waiter = greenthread::spawn(move || other.lock());
    /// file.unlock()?;
    /// waiter.join().unwrap()?;
    /// fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "flock")]
    pub fn lock(&self) -> io::Result<()> {
        retry(None, || self.try_lock().map_err(io::Error::from))
    }

    /// Locks the file together with others who lock it in this way, as [`std::fs::File::lock_shared`]. Suspends the
    /// green thread as [`lock`](Self::lock) does.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    ///
    /// # Examples
    /// Any number of readers, and no writer meanwhile:
    /// ```
    /// use greenthread::fs::{self, File};
    ///
    /// let path = std::env::temp_dir().join(format!("greenthread-shared-{}", std::process::id()));
    /// let (writer, one, two) = (File::create(&path)?, File::open(&path)?, File::open(&path)?);
    /// one.lock_shared()?;
    /// two.lock_shared()?;
    /// assert!(writer.try_lock().is_err());
    /// drop((one, two));
    /// writer.lock()?;
    /// fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lock_shared(&self) -> io::Result<()> {
        retry(None, || self.try_lock_shared().map_err(io::Error::from))
    }

    /// A second handle to the same open file: both have one position and one lock.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`); this handle stays as it was.
    ///
    /// # Examples
    /// ```
    /// use greenthread::fs::{self, File};
    /// use std::io::{Read, Write};
    ///
    /// let path = std::env::temp_dir().join(format!("greenthread-clone-{}", std::process::id()));
    /// fs::write(&path, "abcd")?;
    /// let (mut one, mut text) = (File::open(&path)?, [0; 2]);
    /// let mut other = one.try_clone()?;
    /// one.read_exact(&mut text)?;
    /// // It goes on where the first has come to.
    /// other.read_exact(&mut text)?;
    /// assert_eq!(&text, b"cd");
    /// fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "dup")]
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { inner: Arc::new(self.inner.try_clone()?), on_disk: self.on_disk })
    }

    /// Runs `operation` on an OS thread that may block. Nothing ends the wait: see the [module](super).
    pub(super) fn on_pool<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&disk::File) -> T + Send + 'static,
    ) -> T {
        strike();
        let inner = Arc::clone(&self.inner);
        let kind = if self.on_disk { Kind::Files } else { Kind::Waits };
        let operation = move || {
            let result = operation(&inner);
            // Before anybody gets the result: the conversion to std's file relies on being the only owner.
            drop(inner);
            result
        };
        shield(|| blocking::run(kind, operation))
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl From<std::fs::File> for File {
    fn from(inner: std::fs::File) -> Self {
        Self::of(inner.into())
    }
}

impl From<File> for std::fs::File {
    fn from(file: File) -> Self {
        Arc::into_inner(file.inner).expect("no call runs while nobody borrows the file").into()
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> Self {
        Self::of(fd.into())
    }
}

impl From<File> for OwnedFd {
    fn from(file: File) -> Self {
        let inner: std::fs::File = file.into();
        inner.into()
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        let inner: std::fs::File = file.into();
        inner.into()
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_fd().as_raw_fd()
    }
}

impl IntoRawFd for File {
    fn into_raw_fd(self) -> RawFd {
        OwnedFd::from(self).into_raw_fd()
    }
}
