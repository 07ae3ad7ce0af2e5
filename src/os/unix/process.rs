//! What Unix adds to [`process`](crate::process), with the names of [`std::os::unix::process`].

use crate::process::Command;
use std::ffi::OsStr;
use std::io;
pub use std::os::unix::process::{ExitStatusExt, parent_id};

mod sealed {
    pub trait Sealed {}

    impl Sealed for crate::process::Command {}
}

/// What Unix adds to [`Command`], as [`std::os::unix::process::CommandExt`]. It cannot be implemented for other types.
///
/// # Examples
/// ```
/// use greenthread::os::unix::process::CommandExt;
/// use greenthread::process::Command;
///
/// let output = Command::new("sh").arg0("renamed").args(["-c", "echo $0"]).output()?;
/// assert_eq!(output.stdout, b"renamed\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait CommandExt: sealed::Sealed {
    /// Sets the user that the process runs as, as [`uid`](std::os::unix::process::CommandExt::uid).
    fn uid(&mut self, id: u32) -> &mut Command;

    /// Sets the group that the process runs as, as [`gid`](std::os::unix::process::CommandExt::gid).
    fn gid(&mut self, id: u32) -> &mut Command;

    /// Has `f` called in the new process just before it becomes the program, as
    /// [`pre_exec`](std::os::unix::process::CommandExt::pre_exec).
    ///
    /// # Safety
    /// The same as std's: `f` runs in a forked copy of a process with several threads, where only what is safe in a
    /// signal handler may be done, so no allocation and no lock. Nothing of this library may be called.
    unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static;

    /// The old name of [`pre_exec`](Self::pre_exec).
    ///
    /// # Safety
    /// As [`pre_exec`](Self::pre_exec).
    #[deprecated(note = "use `pre_exec` instead")]
    unsafe fn before_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller promises what `pre_exec` asks for.
        unsafe { self.pre_exec(f) }
    }

    /// Becomes the program instead of starting it, as [`exec`](std::os::unix::process::CommandExt::exec). Returns only
    /// if that fails, with the error: [`NotFound`](io::ErrorKind::NotFound) or
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied), for example. Does not suspend: all other threads of this
    /// process end at once, green or not.
    #[must_use]
    fn exec(&mut self) -> io::Error;

    /// Sets what the program sees as its own name, as [`arg0`](std::os::unix::process::CommandExt::arg0).
    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command;

    /// Sets the process group of the process, as [`process_group`](std::os::unix::process::CommandExt::process_group);
    /// 0 is a new one.
    fn process_group(&mut self, pgroup: i32) -> &mut Command;
}

impl CommandExt for Command {
    fn uid(&mut self, id: u32) -> &mut Command {
        self.inner().uid(id);
        self
    }

    fn gid(&mut self, id: u32) -> &mut Command {
        self.inner().gid(id);
        self
    }

    unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller vouches for `f`, as this trait asks in the words of std's.
        unsafe { self.inner().pre_exec(f) };
        self
    }

    fn exec(&mut self) -> io::Error {
        self.inner().exec()
    }

    fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner().arg0(arg);
        self
    }

    fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.inner().process_group(pgroup);
        self
    }
}
