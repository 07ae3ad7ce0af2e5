//! Waiting for child processes and for OS threads.

use super::hook::{Hook, interpose};
use super::names::elsewhere;
use super::wait::{WaitFailed, wait_once};
use crate::runtime::blocking::Kind;
use crate::runtime::reactor::Direction::Read;
use crate::sys::bare::{address, syscall, to_libc};
use libc::{c_int, c_long, c_void, id_t, idtype_t, pid_t, pthread_t, rusage, siginfo_t};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// A descriptor that becomes readable when the process ends; `None` where there is none.
fn watch(pid: pid_t) -> Option<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = unsafe { syscall(libc::SYS_pidfd_open, [pid.into(), 0, 0, 0, 0, 0]) };
    // SAFETY: it was made just now and is nobody else's.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as c_int) })
}

/// Whether the call waits for the end of a process only, which a descriptor announces.
fn waits_for_an_end(options: c_int) -> bool {
    options & !(libc::__WALL | libc::__WCLONE | libc::__WNOTHREAD | libc::WNOWAIT | libc::WEXITED)
        == 0
}

/// Repeats `attempt`, which is told whether it may block, until the process `pid` has ended.
fn until_ended(
    hook: &Hook,
    pid: pid_t,
    mut attempt: impl FnMut() -> c_long,
) -> Result<c_long, WaitFailed> {
    let descriptor = watch(pid).ok_or(WaitFailed::Os(libc::ENOSYS))?;
    loop {
        let result = attempt();
        if result != 0 {
            return Ok(result);
        }
        wait_once(hook, descriptor.as_raw_fd(), Read, None)?;
    }
}

unsafe fn wait4_green(
    hook: &Hook,
    pid: pid_t,
    status: *mut c_int,
    options: c_int,
    usage: *mut rusage,
) -> c_long {
    let wait = move |options: c_int| {
        // SAFETY: as the caller promises.
        unsafe {
            syscall(
                libc::SYS_wait4,
                [pid.into(), address(status), options.into(), address(usage), 0, 0],
            )
        }
    };
    let first = wait(options | libc::WNOHANG);
    if first != 0 || options & libc::WNOHANG != 0 {
        return first;
    }
    if pid > 0 && waits_for_an_end(options) {
        match until_ended(hook, pid, || wait(options | libc::WNOHANG)) {
            Ok(result) => return result,
            Err(WaitFailed::Cancelled) => return WaitFailed::Cancelled.result(),
            // The system has no descriptors for processes, or no number is left for one.
            Err(_) => {}
        }
    }
    // Children belong to the whole process, so another thread of it can wait for them.
    elsewhere(hook, Kind::User, move || wait(options))
}

unsafe fn waitid_green(
    hook: &Hook,
    kind: idtype_t,
    id: id_t,
    info: *mut siginfo_t,
    options: c_int,
) -> c_long {
    let wait = move |options: c_int| {
        // SAFETY: as the caller promises.
        unsafe {
            syscall(libc::SYS_waitid, [kind.into(), id.into(), address(info), options.into(), 0, 0])
        }
    };
    if options & libc::WNOHANG != 0 {
        return wait(options);
    }
    if matches!(kind, libc::P_PID | libc::P_PIDFD) && waits_for_an_end(options) {
        // With WNOHANG, a process number of zero means "none yet".
        let mut seen: siginfo_t = {
            // SAFETY: all-zero is a valid `siginfo_t`.
            unsafe { std::mem::zeroed() }
        };
        let ended = |seen: &mut siginfo_t| {
            // SAFETY: the buffer is valid.
            let result = unsafe {
                syscall(
                    libc::SYS_waitid,
                    [
                        kind.into(),
                        id.into(),
                        address(seen),
                        (options | libc::WNOHANG | libc::WNOWAIT).into(),
                        0,
                        0,
                    ],
                )
            };
            if result != 0 {
                return result;
            }
            // SAFETY: a call that has succeeded has filled this field.
            let pid = unsafe { seen.si_pid() };
            c_long::from(pid != 0)
        };
        let waited = if kind == libc::P_PID {
            until_ended(hook, id as pid_t, || ended(&mut seen))
        } else {
            loop {
                match ended(&mut seen) {
                    0 => {}
                    other => break Ok(other),
                }
                if let Err(failed) = wait_once(hook, id as c_int, Read, None) {
                    break Err(failed);
                }
            }
        };
        match waited {
            // The thread has ended, so this does not wait.
            Ok(1) => return wait(options),
            Ok(error) => return error,
            Err(WaitFailed::Cancelled) => return WaitFailed::Cancelled.result(),
            Err(_) => {}
        }
    }
    elsewhere(hook, Kind::User, move || wait(options))
}

unsafe fn bare_wait4(pid: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
    // SAFETY: as the caller promises.
    to_libc(unsafe {
        syscall(
            libc::SYS_wait4,
            [pid.into(), address(status), options.into(), address(usage), 0, 0],
        )
    }) as pid_t
}

interpose! {
    Process fn waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t {
        bare bare_wait4(pid, status, options, ptr::null_mut());
        green |hook| to_libc(wait4_green(hook, pid, status, options, ptr::null_mut())) as pid_t;
    }
    Process fn wait4(pid: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
        bare bare_wait4(pid, status, options, usage);
        green |hook| to_libc(wait4_green(hook, pid, status, options, usage)) as pid_t;
    }
    Process fn wait(status: *mut c_int) -> pid_t {
        bare bare_wait4(-1, status, 0, ptr::null_mut());
        green |hook| to_libc(wait4_green(hook, -1, status, 0, ptr::null_mut())) as pid_t;
    }
    Process fn waitid(kind: idtype_t, id: id_t, info: *mut siginfo_t, options: c_int) -> c_int {
        bare to_libc(syscall(libc::SYS_waitid, [kind.into(), id.into(), address(info), options.into(), 0, 0])) as c_int;
        green |hook| to_libc(waitid_green(hook, kind, id, info, options)) as c_int;
    }
    Process fn pthread_join(thread: pthread_t, result: *mut *mut c_void) -> c_int {
        bare {
            hooks::pthread_join.resolve_or_abort();
            original::pthread_join(thread, result)
        };
        green |hook| elsewhere(hook, Kind::User, move || original::pthread_join(thread, result));
    }
}
