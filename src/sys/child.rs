//! Child processes: std's, with a [`fault`] check before each call, and what only the system offers.

use super::fault::{self, Syscall};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{CommandArgs, CommandEnvs, ExitStatus, Stdio};
use std::{fmt, io};

/// A program to be started, and how.
pub(crate) struct Command(std::process::Command);

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! settings {
    ($($setting:ident($($arg:ident: $type:ty),*);)*) => {$(
        pub(crate) fn $setting(&mut self, $($arg: $type),*) {
            self.0.$setting($($arg),*);
        }
    )*};
}

macro_rules! asked {
    ($($asked:ident -> $type:ty;)*) => {$(
        pub(crate) fn $asked(&self) -> $type {
            self.0.$asked()
        }
    )*};
}

impl Command {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self(std::process::Command::new(program))
    }

    settings! {
        arg(arg: impl AsRef<OsStr>);
        args(args: impl IntoIterator<Item = impl AsRef<OsStr>>);
        arg0(arg: impl AsRef<OsStr>);
        env(key: impl AsRef<OsStr>, value: impl AsRef<OsStr>);
        envs(all: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>);
        env_remove(key: impl AsRef<OsStr>);
        env_clear();
        current_dir(folder: impl AsRef<Path>);
        stdin(stream: impl Into<Stdio>);
        stdout(stream: impl Into<Stdio>);
        stderr(stream: impl Into<Stdio>);
        uid(user: u32);
        gid(group: u32);
        process_group(group: i32);
    }

    asked! {
        get_program -> &OsStr;
        get_args -> CommandArgs<'_>;
        get_envs -> CommandEnvs<'_>;
        get_current_dir -> Option<&Path>;
    }

    /// As [`CommandExt::pre_exec`].
    ///
    /// # Safety
    /// As there: `before` runs in a forked copy of a process with several threads.
    pub(crate) unsafe fn pre_exec<F>(&mut self, before: F)
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller vouches for `before`.
        unsafe { self.0.pre_exec(before) };
    }

    /// Starts the process. Blocks until the program runs or has failed to start.
    pub(crate) fn start(&mut self) -> io::Result<std::process::Child> {
        fault::check(Syscall::Start)?;
        self.0.spawn()
    }

    /// Replaces this process by the program; returns only where that fails.
    pub(crate) fn exec(&mut self) -> io::Error {
        match fault::check(Syscall::Exec) {
            Ok(()) => self.0.exec(),
            Err(error) => error,
        }
    }
}

/// A process that was started, without its pipes.
#[derive(Debug)]
pub(crate) struct Child(std::process::Child);

impl From<std::process::Child> for Child {
    fn from(inner: std::process::Child) -> Self {
        Self(inner)
    }
}

impl Child {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Kills the process. Does nothing to one that has been waited for.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        fault::check(Syscall::Kill)?;
        self.0.kill()
    }

    /// The status with which it has ended, or `None` if it has not.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        fault::check(Syscall::Wait)?;
        self.0.try_wait()
    }
}

/// A descriptor that is readable when the process has ended. The caller must not have waited for the child yet: until
/// then its number belongs to no other process.
pub(crate) fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    fault::check(Syscall::PidFdOpen)?;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    Ok(pidfd_open(pid.ok_or(io::ErrorKind::InvalidInput)?, PidfdFlags::empty())?)
}

/// Sends a signal to a child that has not been waited for yet.
pub(crate) fn send_signal(pid: u32, signal: i32) -> io::Result<()> {
    fault::check(Syscall::Kill)?;
    let pid = i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: kill touches no memory of this process.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the system end this process when the OS thread that started it ends.
#[allow(dead_code, reason = "functions in other processes alone use it")]
pub(crate) fn die_with_parent() -> io::Result<()> {
    fault::check(Syscall::DieWithParent)?;
    Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?)
}

/// Whether standard input is a Unix socket with somebody at its other end.
#[allow(dead_code, reason = "functions in other processes alone use it")]
pub(crate) fn stdin_has_a_peer() -> bool {
    // Only a Unix socket has credentials.
    fault::check(Syscall::GetSockOpt).is_ok()
        && rustix::net::sockopt::socket_peercred(rustix::stdio::stdin()).is_ok()
}

/// Takes the descriptor of standard input away, and leaves an empty input in its place.
#[allow(dead_code, reason = "functions in other processes alone use it")]
pub(crate) fn take_stdin() -> io::Result<OwnedFd> {
    fault::check(Syscall::Dup)?;
    let own = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    fault::check(Syscall::Disk)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(own)
}

/// Ends the process without anything that `exit` does first.
#[allow(dead_code, reason = "functions in other processes alone use it")]
pub(crate) fn exit_at_once(status: i32) -> ! {
    // SAFETY: it returns to nobody.
    unsafe { libc::_exit(status) }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_process_that_runs_functions_are_told() {
        fault::fail(Syscall::DieWithParent, 0, 1, libc::EPERM);
        assert_eq!(die_with_parent().unwrap_err().raw_os_error(), Some(libc::EPERM));
        fault::fail(Syscall::GetSockOpt, 0, 1, libc::ENOTSOCK);
        assert!(!stdin_has_a_peer());
        for call in [Syscall::Dup, Syscall::Disk] {
            fault::fail(call, 0, 1, libc::EMFILE);
            assert_eq!(take_stdin().unwrap_err().raw_os_error(), Some(libc::EMFILE), "{call:?}");
        }
    }
}
