//! Child processes: what the system offers beyond [`std::process`].

use super::fault::{self, Call};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A descriptor that is readable when the process has ended. The caller has not waited for the child yet, so the number
/// belongs to no other process.
pub(crate) fn open_pidfd(pid: u32) -> io::Result<OwnedFd> {
    fault::check(Call::PidFdOpen)?;
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    Ok(pidfd_open(pid.ok_or(io::ErrorKind::InvalidInput)?, PidfdFlags::empty())?)
}

/// Sends a signal to a child that has not been waited for yet.
pub(crate) fn send_signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: kill touches no memory of this process.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the system end this process when the OS thread that started it ends.
#[allow(dead_code, reason = "functions in other processes alone use it")]
pub(crate) fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?)
}

/// Whether standard input is a Unix socket with somebody at its other end.
#[allow(dead_code, reason = "functions in other processes alone use it")]
pub(crate) fn stdin_has_a_peer() -> bool {
    // Only a Unix socket has credentials.
    rustix::net::sockopt::socket_peercred(rustix::stdio::stdin()).is_ok()
}

/// Takes standard input away, so that there is nothing to read in its place from now on.
#[allow(dead_code, reason = "functions in other processes alone use it")]
pub(crate) fn take_stdin() -> io::Result<OwnedFd> {
    fault::check(Call::Dup)?;
    let own = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    Ok(own)
}

/// Ends the process without anything that `exit` does before.
#[allow(dead_code, reason = "functions in other processes alone use it")]
pub(crate) fn exit_at_once(status: i32) -> ! {
    // SAFETY: it returns to nobody.
    unsafe { libc::_exit(status) }
}

/// As [`CommandExt::pre_exec`].
///
/// # Safety
/// As there: `before` runs in a forked copy of a process with several threads.
pub(crate) unsafe fn pre_exec<F>(command: &mut Command, before: F)
where
    F: FnMut() -> io::Result<()> + Send + Sync + 'static,
{
    // SAFETY: the caller vouches for `before`.
    unsafe { command.pre_exec(before) };
}
