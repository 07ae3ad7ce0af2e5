//! The functions of `std::fs`, each run where blocking is no harm.
#![forbid(unsafe_code)]

use super::{File, on_pool, waits};
use crate::runtime::blocking;
use std::fs::{Metadata, Permissions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Defines functions that take paths, and call those of the same names in `$std` with them.
macro_rules! forward {
    (
        $($std:ident)::+ :
        $(
            $(#[$doc:meta])*
            $name:ident<$($generic:ident),+>($($path:ident: $same:ident),+ $(; $($arg:ident: $type:ty),+)?) -> $result:ty;
        )*
    ) => {
        use $($std)::+ as std_module;

        $(
            $(#[$doc])*
            ///
            /// Suspends the green thread until it is done.
            ///
            /// # Errors
            /// Those of std's.
            pub fn $name<$($generic: AsRef<Path>),+>(
                $($path: $same,)+
                $($($arg: $type,)+)?
            ) -> io::Result<$result> {
                $(let $path = $path.as_ref().to_owned();)+
                crate::fs::on_pool(move || std_module::$name($($path,)+ $($($arg,)+)?))
            }
        )*
    };
}

pub(crate) use forward;

forward! {
    std::fs:
    /// The absolute path without links and dots, as [`std::fs::canonicalize`].
    canonicalize<P>(path: P) -> PathBuf;
    /// Makes a directory, as [`std::fs::create_dir`].
    create_dir<P>(path: P) -> ();
    /// Makes a directory and those above it, as [`std::fs::create_dir_all`].
    create_dir_all<P>(path: P) -> ();
    /// Whether something is there, as [`std::fs::exists`].
    exists<P>(path: P) -> bool;
    /// Gives a file another name, as [`std::fs::hard_link`].
    hard_link<P, Q>(original: P, link: Q) -> ();
    /// Size, times, permissions and so on, as [`std::fs::metadata`].
    metadata<P>(path: P) -> Metadata;
    /// Where a symbolic link leads, as [`std::fs::read_link`].
    read_link<P>(path: P) -> PathBuf;
    /// Removes an empty directory, as [`std::fs::remove_dir`].
    remove_dir<P>(path: P) -> ();
    /// Removes a directory with everything in it, as [`std::fs::remove_dir_all`].
    remove_dir_all<P>(path: P) -> ();
    /// Removes a file, as [`std::fs::remove_file`].
    remove_file<P>(path: P) -> ();
    /// Renames a file or directory, as [`std::fs::rename`].
    rename<P, Q>(from: P, to: Q) -> ();
    /// Sets the permissions, as [`std::fs::set_permissions`].
    set_permissions<P>(path: P; perm: Permissions) -> ();
    /// Like [`metadata`](metadata()), of a symbolic link itself.
    symlink_metadata<P>(path: P) -> Metadata;
}

/// Runs a function of std's on the pool, unless one of the files may make it wait for ever.
fn unless_it_waits<T: Send + 'static>(
    paths: impl IntoIterator<Item = PathBuf> + Send + 'static,
    operation: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Option<io::Result<T>> {
    // Elsewhere than on a worker it may wait where it is.
    let mind = blocking::would_leave();
    on_pool(move || match mind && paths.into_iter().any(|path| waits(&path).is_some()) {
        true => None,
        false => Some(operation()),
    })
}

/// The whole of a file, as [`std::fs::read`].
///
/// Suspends the green thread until it is done.
///
/// # Errors
/// Those of std's.
pub fn read<P: AsRef<Path>>(path: P) -> io::Result<Vec<u8>> {
    let path = path.as_ref().to_owned();
    let own = path.clone();
    unless_it_waits([path.clone()], || std::fs::read(own)).unwrap_or_else(|| {
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

/// The whole of a file that is UTF-8, as [`std::fs::read_to_string`].
///
/// Suspends the green thread until it is done.
///
/// # Errors
/// Those of std's.
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
pub fn read_to_string<P: AsRef<Path>>(path: P) -> io::Result<String> {
    let path = path.as_ref().to_owned();
    let own = path.clone();
    unless_it_waits([path.clone()], || std::fs::read_to_string(own)).unwrap_or_else(|| {
        let mut text = String::new();
        File::open(path)?.read_to_string(&mut text)?;
        Ok(text)
    })
}

/// Makes `contents` the whole of a file, as [`std::fs::write`].
///
/// Suspends the green thread until it is done.
///
/// # Errors
/// Those of std's.
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    let (path, contents) = (path.as_ref().to_owned(), Arc::<[u8]>::from(contents.as_ref()));
    let (own, bytes) = (path.clone(), Arc::clone(&contents));
    unless_it_waits([path.clone()], move || std::fs::write(own, bytes))
        .unwrap_or_else(|| File::create(path)?.write_all(&contents))
}

/// Copies the contents and permissions of a file, as [`std::fs::copy`]. Returns the number of bytes.
///
/// Suspends the green thread until it is done.
///
/// # Errors
/// Those of std's.
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    let (from, to) = (from.as_ref().to_owned(), to.as_ref().to_owned());
    let (own_from, own_to) = (from.clone(), to.clone());
    unless_it_waits([from.clone(), to.clone()], move || std::fs::copy(own_from, own_to))
        .unwrap_or_else(|| {
            let mut from = File::open(from)?;
            if !from.metadata()?.is_file() {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the source path is neither a regular file nor a symlink to a regular file",
                ));
            }
            // What is written to is not on a disk, and has its permissions.
            io::copy(&mut from, &mut File::create(to)?)
        })
}
