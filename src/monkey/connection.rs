//! How connections begin: `accept` and `connect`, for which there is no flag that keeps them from blocking.

use super::hook::{Hook, interpose};
use super::identity;
use super::table;
use super::wait::{
    AGAIN, WaitFailed, cancelled, has_connections, is_nonblocking, is_ready, pause,
    socket_deadline, until_ready, wait_for_socket,
};
use crate::runtime::park;
use crate::runtime::reactor::Direction::{Read, Write};
use crate::sys::bare::{address, socket_option, syscall, to_libc};
use libc::{c_int, sockaddr, socklen_t};
use std::ffi::c_long;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A duplicate of the caller's descriptor under a number of our own. The caller's number may be closed and used again
/// by others at any time.
struct Copy(c_int);

impl Copy {
    fn of(fd: c_int) -> Result<Self, c_long> {
        let arguments = [fd.into(), libc::F_DUPFD_CLOEXEC.into(), 0, 0, 0, 0];
        // SAFETY: makes a new number.
        let copy = unsafe { syscall(libc::SYS_fcntl, arguments) };
        if copy < 0 { Err(copy) } else { Ok(Self(copy as c_int)) }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // SAFETY: nobody else knows the number.
        unsafe { syscall(libc::SYS_close, [self.0.into(), 0, 0, 0, 0, 0]) };
    }
}

/// The result where no number is left for a descriptor.
const NO_NUMBER: c_long = -(libc::EMFILE as c_long);

/// `accept4` on a green thread. The call has no flag that keeps it from blocking. So one green thread at a time looks
/// whether a connection is there and takes it. Both go by a duplicate, as the caller's number may come to mean another
/// listener in between.
unsafe fn accept_waiting(
    hook: &Hook,
    fd: c_int,
    from: *mut sockaddr,
    from_len: *mut socklen_t,
    flags: c_int,
) -> c_long {
    // SAFETY: as the caller promises.
    let accept = |fd: c_int| unsafe {
        syscall(
            libc::SYS_accept4,
            [fd.into(), address(from), address(from_len), flags.into(), 0, 0],
        )
    };
    if is_nonblocking(fd) {
        return accept(fd);
    }
    let Some((identity::FileKind::Socket, _)) = identity::examine(fd) else { return accept(fd) };
    let known = table::known_socket(fd);
    let Some(entry) = table::socket(fd, known.as_ref()) else { return WaitFailed::Closed.result() };
    let deadline = socket_deadline(fd, Read, None);
    // A kill that strikes while others accept must not unwind from here.
    let Ok(_turn) = catch_unwind(AssertUnwindSafe(|| entry.accepting.lock())) else {
        return cancelled(hook).result();
    };
    // A descriptor that does not listen counts as ready; then `accept` returns the error.
    let take =
        |number| entry.alone(|| is_ready(number, Read).map(|ready| ready.then(|| accept(number))));
    loop {
        // The listener was closed while others accepted; the number may mean something else by now.
        if entry.is_closed() {
            return WaitFailed::Closed.result();
        }
        let seen = entry.source.look();
        let taken = match Copy::of(fd) {
            Ok(copy) if !entry.is_of(copy.0) => return WaitFailed::Closed.result(),
            Ok(copy) => match take(copy.0) {
                // The duplicate has taken the last number that was left.
                Ok(Some(NO_NUMBER)) => {
                    drop(copy);
                    take(fd)
                }
                taken => taken,
            },
            Err(NO_NUMBER) => take(fd),
            Err(error) => return error,
        };
        match taken {
            Ok(Some(accepted)) => {
                park::spend_budget_holding();
                return accepted;
            }
            Ok(None) => entry.source.would_block(Read, seen),
            Err(failed) => return failed.result(),
        }
        if let Err(failed) = wait_for_socket(hook, fd, &entry, Read, deadline) {
            return failed.result();
        }
    }
}

/// `connect` on a green thread. The descriptor is in non-blocking mode for the duration of one system call.
unsafe fn connect_waiting(hook: &Hook, fd: c_int, to: *const sockaddr, len: socklen_t) -> c_long {
    // SAFETY: as the caller promises.
    let connect =
        || unsafe { syscall(libc::SYS_connect, [fd.into(), address(to), len.into(), 0, 0, 0]) };
    let is_socket = matches!(identity::examine(fd), Some((identity::FileKind::Socket, _)));
    // A socket without connections only notes the address.
    if !is_socket || is_nonblocking(fd) || !has_connections(fd) {
        return connect();
    }
    let deadline = socket_deadline(fd, Write, None);
    loop {
        set_nonblocking(fd, true);
        let result = connect();
        set_nonblocking(fd, false);
        if result == -c_long::from(libc::EINPROGRESS) {
            break;
        }
        if result != AGAIN {
            return result;
        }
        // A Unix listener does not announce that its backlog has room again, so this tries again after a pause.
        if let Err(failed) = pause(hook, deadline) {
            return failed.result();
        }
    }
    match until_ready(hook, fd, Write, deadline) {
        Ok(()) => -c_long::from(take_error(fd)),
        // The error of a blocking `connect` when its time is over.
        Err(WaitFailed::TimedOut) => -c_long::from(libc::EINPROGRESS),
        Err(failed) => failed.result(),
    }
}

fn set_nonblocking(fd: c_int, nonblocking: bool) {
    let value = c_int::from(nonblocking);
    // SAFETY: the pointer is valid.
    unsafe {
        syscall(
            libc::SYS_ioctl,
            [fd.into(), libc::FIONBIO as c_long, address(&raw const value), 0, 0, 0],
        )
    };
}

fn take_error(fd: c_int) -> c_int {
    let mut errno: c_int = 0;
    // SAFETY: the option is a number.
    let result = unsafe { socket_option(fd, libc::SO_ERROR, &mut errno) };
    if result < 0 { -result as c_int } else { errno }
}

interpose! {
    Socket fn accept(fd: c_int, from: *mut sockaddr, from_len: *mut socklen_t) -> c_int {
        bare to_libc(syscall(libc::SYS_accept4, [fd.into(), address(from), address(from_len), 0, 0, 0])) as c_int;
        green |hook| to_libc(accept_waiting(hook, fd, from, from_len, 0)) as c_int;
    }
    Socket fn accept4(fd: c_int, from: *mut sockaddr, from_len: *mut socklen_t, flags: c_int) -> c_int {
        bare to_libc(syscall(libc::SYS_accept4, [fd.into(), address(from), address(from_len), flags.into(), 0, 0])) as c_int;
        green |hook| to_libc(accept_waiting(hook, fd, from, from_len, flags)) as c_int;
    }
    Socket fn connect(fd: c_int, to: *const sockaddr, len: socklen_t) -> c_int {
        bare to_libc(syscall(libc::SYS_connect, [fd.into(), address(to), len.into(), 0, 0, 0])) as c_int;
        green |hook| to_libc(connect_waiting(hook, fd, to, len)) as c_int;
    }
}
