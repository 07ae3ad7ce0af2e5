//! How a file is opened.
#![forbid(unsafe_code)]

use super::{File, on_pool};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How a file is opened, as [`std::fs::OpenOptions`].
///
/// # Examples
/// ```
/// use greenthread::fs::{self, OpenOptions};
/// use std::io::Write;
/// let path = std::env::temp_dir().join(format!("greenthread-options-{}", std::process::id()));
/// for text in ["one ", "two"] {
///     OpenOptions::new().create(true).append(true).open(&path)?.write_all(text.as_bytes())?;
/// }
/// assert_eq!(fs::read_to_string(&path)?, "one two");
/// fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions(std::fs::OpenOptions);

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, $name: bool) -> &mut Self {
            self.0.$name($name);
            self
        }
    )*};
}

impl OpenOptions {
    /// Nothing is allowed and nothing made, until it is said.
    #[expect(clippy::new_without_default, reason = "std has no default either")]
    pub fn new() -> Self {
        Self(std::fs::OpenOptions::new())
    }

    options! {
        /// Whether it may be read.
        read;
        /// Whether it may be written.
        write;
        /// Whether each write goes to the end.
        append;
        /// Whether it is made empty.
        truncate;
        /// Whether it is made if it is not there.
        create;
        /// Whether it is made, and must not be there.
        create_new;
    }

    /// Opens the file. Suspends the green thread until that is done.
    ///
    /// # Errors
    /// Those of [`std::fs::OpenOptions::open`].
    pub fn open<P: AsRef<Path>>(&self, path: P) -> io::Result<File> {
        let (options, path) = (self.0.clone(), path.as_ref().to_owned());
        on_pool(move || options.open(path)).map(File::from)
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.0.mode(mode);
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.0.custom_flags(flags);
        self
    }
}
