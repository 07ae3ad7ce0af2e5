//! How a file is opened.
#![forbid(unsafe_code)]

use super::{File, Waits, on_pool, owned, shielded_on_pool, waits};
use crate::io::retry;
use crate::runtime::blocking;
use crate::sys::transfer::Pipe;
use crate::sys::{disk, file, number, socket};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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
pub struct OpenOptions {
    inner: disk::OpenOptions,
    reads: bool,
    writes: bool,
    flags: i32,
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident $(sets $field:ident)?;)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, $name: bool) -> &mut Self {
            self.inner.$name($name);
            $(self.$field = $name;)?
            self
        }
    )*};
}

impl OpenOptions {
    /// Options that allow nothing yet: a file can be opened once [`read`](Self::read), [`write`](Self::write) or
    /// [`append`](Self::append) has been set.
    #[expect(clippy::new_without_default, reason = "std has no default either")]
    #[must_use]
    pub fn new() -> Self {
        Self { inner: disk::OpenOptions::new(), reads: false, writes: false, flags: 0 }
    }

    options! {
        /// Whether the file may be read; not unless set.
        read sets reads;
        /// Whether the file may be written; not unless set.
        write sets writes;
        /// Whether each write goes to the end of the file, wherever the position is; not unless set.
        append;
        /// Whether the file is made empty; not unless set.
        truncate;
        /// Whether the file is made if it is not there; not unless set.
        create;
        /// Whether the file is made, and must not be there yet; not unless set.
        create_new;
    }

    /// Opens the file. Suspends the green thread until it is open; a FIFO, until somebody has opened its other end,
    /// which is looked for after pauses of at most 10 ms.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound), [`AlreadyExists`](io::ErrorKind::AlreadyExists) for
    /// [`create_new`](Self::create_new), [`IsADirectory`](io::ErrorKind::IsADirectory),
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied); [`InvalidInput`](io::ErrorKind::InvalidInput) for options
    /// that do not fit together; too many open files (`EMFILE` or `ENFILE`).
    ///
    /// # Examples
    /// To change a part in the middle:
    /// ```
    /// use greenthread::fs::{self, OpenOptions};
    /// use std::io::{Seek, SeekFrom, Write};
    ///
    /// let path = std::env::temp_dir().join(format!("greenthread-part-{}", std::process::id()));
    /// fs::write(&path, "hello world")?;
    /// let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    /// file.seek(SeekFrom::Start(6))?;
    /// file.write_all(b"there")?;
    /// assert_eq!(fs::read(&path)?, b"hello there");
    /// fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "O_CREAT")]
    pub fn open<P: AsRef<Path>>(&self, path: P) -> io::Result<File> {
        let (options, path) = (self.clone(), owned(path));
        if !blocking::would_leave() {
            return options.inner.open(&path).map(File::of);
        }
        let at_once = options.flags & number::O_NONBLOCK != 0;
        let (own, at) = (options.clone(), path.clone());
        let opened = on_pool(move || match waits(&at) {
            Some(_) if !at_once => None,
            _ => Some(own.inner.open(&at).map(File::of)),
        });
        match opened {
            Some(opened) => opened,
            None => options.open_what_waits(path),
        }
    }

    /// Opens something that may wait for somebody else. The path may lead to something else by the time that it is
    /// opened, so each attempt looks again.
    #[cold]
    fn open_what_waits(self, path: PathBuf) -> io::Result<File> {
        // The system tells only those who block that the other end is open, so this tries again and again. No kill ends
        // the wait for one attempt, which is short: an attempt that went on would open the FIFO for somebody who has
        // been killed.
        let file = retry(None, || {
            let (options, path) = (self.clone(), path.clone());
            shielded_on_pool(move || {
                if waits(&path) != Some(Waits::Fifo) {
                    return Ok(None);
                }
                let mut at_once = options.inner.clone();
                match at_once.custom_flags(options.flags | number::O_NONBLOCK).open(&path) {
                    Err(error) if error.raw_os_error() == Some(number::ENXIO) => {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                    other => other.map(Some),
                }
            })
        })?;
        let Some(file) = file else {
            return blocking::run(blocking::Kind::Waits, move || {
                self.inner.open(&path).map(File::of)
            });
        };
        if self.reads && !self.writes && file::is_fifo(file.as_fd()) {
            let other_end = Pipe::new()?;
            retry(None, || match other_end.has_writer(file.as_fd())? {
                true => Ok(()),
                false => Err(io::ErrorKind::WouldBlock.into()),
            })?;
        }
        socket::set_nonblocking(file.as_fd(), false)?;
        Ok(File::of(file))
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.inner.mode(mode);
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.inner.custom_flags(flags);
        self.flags = flags;
        self
    }
}
