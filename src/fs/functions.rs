//! The functions of `std::fs`, each run where blocking is no harm.
#![forbid(unsafe_code)]

use super::on_pool;
use std::fs::{Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

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
    /// Copies the contents and permissions of a file, as [`std::fs::copy`]. Returns the number of bytes.
    copy<P, Q>(from: P, to: Q) -> u64;
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
    /// The whole of a file, as [`std::fs::read`].
    read<P>(path: P) -> Vec<u8>;
    /// Where a symbolic link leads, as [`std::fs::read_link`].
    read_link<P>(path: P) -> PathBuf;
    /// The whole of a file that is UTF-8, as [`std::fs::read_to_string`].
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
    read_to_string<P>(path: P) -> String;
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

/// Makes `contents` the whole of a file, as [`std::fs::write`].
///
/// Suspends the green thread until it is done.
///
/// # Errors
/// Those of std's.
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    let (path, contents) = (path.as_ref().to_owned(), contents.as_ref().to_owned());
    on_pool(move || std::fs::write(path, contents))
}
