//! The functions of `std::fs`, each run on an OS thread that may block.
#![forbid(unsafe_code)]

use super::{File, bytes, on_pool, owned, waits};
use crate::runtime::blocking;
use crate::sys::disk;
use crate::util::dropping::Held;
use std::fs::{Metadata, Permissions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Defines functions that take paths and call the functions of the same names in `$std`.
macro_rules! forward {
    (
        $(
            $(#[$doc:meta])*
            $name:ident<$($generic:ident),+>($($path:ident: $same:ident),+ $(; $($arg:ident: $type:ty),+)?) -> $result:ty;
        )*
    ) => {
        $(
            $(#[$doc])*
            pub fn $name<$($generic: AsRef<Path>),+>(
                $($path: $same,)+
                $($($arg: $type,)+)?
            ) -> io::Result<$result> {
                $(let $path = crate::util::dropping::Held::new($path);)+
                $(let $path = crate::fs::owned($path.into_inner());)+
                crate::fs::on_pool(move || crate::sys::disk::$name($(&$path,)+ $($($arg,)+)?))
            }
        )*
    };
}

pub(crate) use forward;

forward! {
    /// The absolute path, without symbolic links and dots, as [`std::fs::canonicalize`]. Suspends the green thread
    /// until it is known.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if nothing is at that path,
    /// [`NotADirectory`](io::ErrorKind::NotADirectory) if a part before the last is not a folder.
    #[doc(alias = "realpath")]
    canonicalize<P>(path: P) -> PathBuf;
    /// Makes a directory, as [`std::fs::create_dir`]. Suspends the green thread until it is made.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if something is there, [`NotFound`](io::ErrorKind::NotFound) if
    /// the folder above is not, [`PermissionDenied`](io::ErrorKind::PermissionDenied) if that may not be written.
    #[doc(alias = "mkdir")]
    create_dir<P>(path: P) -> ();
    /// Makes a directory and those above it that are missing, as [`std::fs::create_dir_all`]. Suspends the green thread
    /// until they are made.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) or [`NotADirectory`](io::ErrorKind::NotADirectory) if a file is
    /// in the way, [`PermissionDenied`](io::ErrorKind::PermissionDenied) if a folder may not be written. Some of the
    /// directories may have been made by then.
    #[doc(alias = "makedirs")]
    #[doc(alias = "MkdirAll")]
    create_dir_all<P>(path: P) -> ();
    /// Whether something is there, as [`std::fs::exists`]. Suspends the green thread until it is known.
    ///
    /// # Errors
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied), for example, if it cannot be found out. That nothing is
    /// there is no error.
    exists<P>(path: P) -> bool;
    /// Gives the file `original` a second name, as [`std::fs::hard_link`]. Suspends the green thread until it is done.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if something is at `link`, [`NotFound`](io::ErrorKind::NotFound)
    /// if nothing is at `original`, [`CrossesDevices`](io::ErrorKind::CrossesDevices) if they are on two file systems.
    hard_link<P, Q>(original: P, link: Q) -> ();
    /// Size, times, permissions and so on, as [`std::fs::metadata`]; of a symbolic link, those of what it leads to.
    /// Suspends the green thread until they are known.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if nothing is at that path,
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if a folder on the way may not be entered.
    #[doc(alias = "stat")]
    metadata<P>(path: P) -> Metadata;
    /// Where a symbolic link leads, as [`std::fs::read_link`]. Suspends the green thread until it is known.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is not a symbolic link,
    /// [`NotFound`](io::ErrorKind::NotFound) if nothing is there.
    read_link<P>(path: P) -> PathBuf;
    /// Removes an empty directory, as [`std::fs::remove_dir`]. Suspends the green thread until it is done.
    ///
    /// # Errors
    /// [`DirectoryNotEmpty`](io::ErrorKind::DirectoryNotEmpty), [`NotADirectory`](io::ErrorKind::NotADirectory),
    /// [`NotFound`](io::ErrorKind::NotFound) if nothing is there, [`PermissionDenied`](io::ErrorKind::PermissionDenied)
    /// if the folder above may not be written.
    #[doc(alias = "rmdir")]
    remove_dir<P>(path: P) -> ();
    /// Removes a directory with everything in it, as [`std::fs::remove_dir_all`]. Suspends the green thread until it is
    /// done.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if nothing is there, [`PermissionDenied`](io::ErrorKind::PermissionDenied)
    /// if a folder may not be written. Some of it may have been removed by then.
    #[doc(alias = "rmtree")]
    remove_dir_all<P>(path: P) -> ();
    /// Removes a file, as [`std::fs::remove_file`]. Suspends the green thread until it is done.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if nothing is there, [`IsADirectory`](io::ErrorKind::IsADirectory),
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the folder may not be written.
    #[doc(alias = "unlink")]
    remove_file<P>(path: P) -> ();
    /// Gives a file or directory another name, in the place of what is there, as [`std::fs::rename`]. Suspends the
    /// green thread until it is done.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if nothing is at `from`, [`CrossesDevices`](io::ErrorKind::CrossesDevices)
    /// if they are on two file systems, [`PermissionDenied`](io::ErrorKind::PermissionDenied) if a folder may not be
    /// written, [`DirectoryNotEmpty`](io::ErrorKind::DirectoryNotEmpty) if a directory with something in it is at `to`.
    rename<P, Q>(from: P, to: Q) -> ();
    /// Sets the permissions, as [`std::fs::set_permissions`]. Suspends the green thread until it is done.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if nothing is there, [`PermissionDenied`](io::ErrorKind::PermissionDenied)
    /// if it belongs to another user.
    #[doc(alias = "chmod")]
    set_permissions<P>(path: P; perm: Permissions) -> ();
    /// Like [`metadata`](metadata()), but of a symbolic link itself.
    ///
    /// # Errors
    /// As `metadata`.
    #[doc(alias = "lstat")]
    symlink_metadata<P>(path: P) -> Metadata;
}

/// Runs a function of std's on the pool. If one of the files is of a kind that may wait for somebody else, does nothing
/// and returns `None`.
fn unless_it_waits<T: Send + 'static>(
    paths: impl IntoIterator<Item = PathBuf> + Send + 'static,
    operation: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Option<io::Result<T>> {
    // Only a worker must not be held up; on other OS threads the function may wait where it is.
    let mind = blocking::would_leave();
    on_pool(move || match mind && paths.into_iter().any(|path| waits(&path).is_some()) {
        true => None,
        false => Some(operation()),
    })
}

/// The whole of a file, as [`std::fs::read`]. Suspends the green thread until it is read.
///
/// # Errors
/// [`NotFound`](io::ErrorKind::NotFound), [`IsADirectory`](io::ErrorKind::IsADirectory),
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be read,
/// [`OutOfMemory`](io::ErrorKind::OutOfMemory) if it is larger than the memory that is left.
///
/// # Examples
/// ```
/// use greenthread::fs;
///
/// let path = std::env::temp_dir().join(format!("greenthread-read-{}", std::process::id()));
/// fs::write(&path, [0, 159, 146, 150])?;
/// assert_eq!(fs::read(&path)?.len(), 4);
/// fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "read_bytes")]
#[doc(alias = "ReadFile")]
pub fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    let path = owned(path);
    let own = path.clone();
    unless_it_waits([path.clone()], move || disk::read(&own)).unwrap_or_else(|| {
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

/// The whole of a file that is UTF-8, as [`std::fs::read_to_string`]. Suspends the green thread until it is read.
///
/// # Errors
/// [`InvalidData`](io::ErrorKind::InvalidData) if it is not UTF-8; else as [`read`].
///
/// # Examples
/// ```
/// use greenthread::fs;
/// let path = std::env::temp_dir().join(format!("greenthread-fs-{}", std::process::id()));
/// fs::write(&path, "some text")?;
/// assert_eq!(fs::read_to_string(&path)?, "some text");
/// fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "read_text")]
pub fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    let path = owned(path);
    let own = path.clone();
    unless_it_waits([path.clone()], move || disk::read_to_string(&own)).unwrap_or_else(|| {
        let mut text = String::new();
        File::open(path)?.read_to_string(&mut text)?;
        Ok(text)
    })
}

/// Makes `contents` the whole of a file, which is made if it is not there, as [`std::fs::write`]. Suspends the green
/// thread until it is written.
///
/// # Errors
/// [`NotFound`](io::ErrorKind::NotFound) if there is no such folder,
/// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be written,
/// [`StorageFull`](io::ErrorKind::StorageFull). The file may be empty or have a part of `contents` then.
///
/// # Examples
/// ```
/// use greenthread::fs;
///
/// let path = std::env::temp_dir().join(format!("greenthread-write-{}", std::process::id()));
/// fs::write(&path, "a long text")?;
/// fs::write(&path, "short")?;
/// assert_eq!(fs::read_to_string(&path)?, "short");
/// fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "write_text")]
#[doc(alias = "WriteFile")]
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    let contents = Held::new(contents);
    let (path, contents) = (owned(path), bytes(contents.into_inner()));
    let (own, bytes) = (path.clone(), Arc::clone(&contents));
    unless_it_waits([path.clone()], move || disk::write(&own, &bytes))
        .unwrap_or_else(|| File::create(path)?.write_all(&contents))
}

/// Copies the contents and the permissions of a file, as [`std::fs::copy`]. Returns the number of bytes. Suspends the
/// green thread until it is done.
///
/// # Errors
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if `from` is not a file; else as [`read`] and [`write`](write()). `to`
/// may have a part of the contents then.
///
/// # Examples
/// ```
/// use greenthread::fs;
///
/// let path = std::env::temp_dir().join(format!("greenthread-copy-{}", std::process::id()));
/// let backup = path.with_extension("backup");
/// fs::write(&path, "precious")?;
/// assert_eq!(fs::copy(&path, &backup)?, 8);
/// assert_eq!(fs::read(&backup)?, b"precious");
/// # fs::remove_file(&path)?;
/// # fs::remove_file(&backup)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "copyfile")]
#[doc(alias = "shutil")]
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    let to = Held::new(to);
    let (from, to) = (owned(from), owned(to.into_inner()));
    let (own_from, own_to) = (from.clone(), to.clone());
    unless_it_waits([from.clone(), to.clone()], move || disk::copy(&own_from, &own_to))
        .unwrap_or_else(|| {
            let mut from = File::open(from)?;
            if !from.metadata()?.is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the source path is neither a regular file nor a symlink to a regular file",
                ));
            }
            // Permissions are not copied: `to` is not on a disk, and keeps its own.
            io::copy(&mut from, &mut File::create(to)?)
        })
}
