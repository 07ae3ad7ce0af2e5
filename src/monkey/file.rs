//! `read`, `write` and their relatives, for every kind of descriptor.
//!
//! Most descriptors that have to wait are sockets, so the call for a socket is tried first. For a pipe, `preadv2` has a
//! flag that keeps it from blocking. For other kinds, which have no such flag, `poll` tells when they are ready.

use super::hook::{Hook, interpose};
use super::pieces::Pieces;
use super::socket::{
    receive_message_waiting, receive_waiting, transmit_message_waiting, transmit_waiting,
};
use super::wait::{AGAIN, LAST_STANDARD, WaitPlan, plan, until_ready, wait_once};
use crate::runtime::reactor::Direction::{self, Read, Write};
use crate::sys::bare::{address, syscall, to_libc};
use libc::{c_int, c_uint, c_void, iovec, loff_t, msghdr, off_t, size_t, ssize_t};
use std::ffi::c_long;
use std::ptr;

unsafe extern "C" {
    /// Ends the process, as a buffer is shorter than what is to be put into it.
    fn __chk_fail() -> !;
}

const NO_SOCKET: c_long = -(libc::ENOTSOCK as c_long);

/// Checks a length as the fortified forms of calls do, then makes the call.
pub(super) fn checked<T>(len: size_t, room: size_t, call: impl FnOnce() -> T) -> T {
    if len > room {
        // SAFETY: may be called at any time, and does not return.
        unsafe { __chk_fail() };
    }
    call()
}

/// A message header that has only pieces.
fn message(list: *const iovec, count: c_int) -> msghdr {
    // SAFETY: all-zero is a valid, empty message header.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = list.cast_mut();
    message.msg_iovlen = count as _;
    message
}

/// Whether a list has no pieces, or more than there may be. For that `sendmsg` has another error than `writev`.
fn has_wrong_length(count: c_int) -> bool {
    !(1..=libc::UIO_MAXIOV).contains(&count)
}

fn is_transfer_of_none(list: *const iovec, count: c_int) -> bool {
    // SAFETY: the callers below are given valid lists.
    unsafe { Pieces::of_int(list, count) }.len() == 0
}

/// `preadv2` at the current position with `RWF_NOWAIT`.
unsafe fn read_at_once(fd: c_int, list: *const iovec, count: c_int) -> c_long {
    // SAFETY: as the caller promises.
    unsafe {
        syscall(
            libc::SYS_preadv2,
            [fd.into(), address(list), count.into(), -1, -1, libc::RWF_NOWAIT.into()],
        )
    }
}

/// `pwritev2` at the current position with `RWF_NOWAIT`.
unsafe fn write_at_once(fd: c_int, list: *const iovec, count: c_int) -> c_long {
    // SAFETY: as the caller promises.
    unsafe {
        syscall(
            libc::SYS_pwritev2,
            [fd.into(), address(list), count.into(), -1, -1, libc::RWF_NOWAIT.into()],
        )
    }
}

/// Whether the kernel says that it has no `RWF_NOWAIT` for this kind of file.
fn is_unsupported(result: c_long) -> bool {
    [libc::EOPNOTSUPP, libc::ENOSYS, libc::EINVAL, libc::ESPIPE]
        .iter()
        .any(|errno| result == -c_long::from(*errno))
}

/// Repeats `at_once` until it does not block, and waits in between. If it is not supported, waits until the descriptor
/// is ready and returns `None`: then the blocking call will not block.
fn once_possible(
    hook: &Hook,
    fd: c_int,
    direction: Direction,
    mut at_once: impl FnMut() -> c_long,
) -> Option<c_long> {
    loop {
        let result = at_once();
        if is_unsupported(result) {
            return until_ready(hook, fd, direction, None).err().map(|failed| failed.result());
        }
        if result != AGAIN {
            return Some(result);
        }
        if let Err(failed) = wait_once(hook, fd, direction, None) {
            return Some(failed.result());
        }
    }
}

/// `readv` of a descriptor that is no socket; returns [`NO_SOCKET`] if it is one.
unsafe fn read_other(hook: &Hook, fd: c_int, list: *const iovec, count: c_int) -> c_long {
    // SAFETY: as the caller promises, also below.
    let blocking =
        || unsafe { syscall(libc::SYS_readv, [fd.into(), address(list), count.into(), 0, 0, 0]) };
    if has_wrong_length(count) || is_transfer_of_none(list, count) {
        return blocking();
    }
    let done = match plan(fd) {
        WaitPlan::AtOnce => None,
        WaitPlan::Socket => return NO_SOCKET,
        WaitPlan::Wait(_) => {
            // SAFETY: as above.
            once_possible(hook, fd, Read, || unsafe { read_at_once(fd, list, count) })
        }
    };
    done.unwrap_or_else(|| hook.holding(blocking))
}

/// `writev` to a descriptor that is no socket. To a pipe it writes all, as the blocking call does. Returns
/// [`NO_SOCKET`] if it is a socket.
unsafe fn write_other(hook: &Hook, fd: c_int, list: *const iovec, count: c_int) -> c_long {
    // SAFETY: the list is the caller's or a copy of it, here and below.
    let blocking = |list, count: c_int| unsafe {
        syscall(libc::SYS_writev, [fd.into(), address(list), count.into(), 0, 0, 0])
    };
    if has_wrong_length(count) || is_transfer_of_none(list, count) {
        return blocking(list, count);
    }
    match plan(fd) {
        WaitPlan::AtOnce => hook.holding(|| blocking(list, count)),
        WaitPlan::Socket => NO_SOCKET,
        WaitPlan::Wait(super::identity::FileKind::Pipe) => {
            // SAFETY: as the caller promises.
            let whole = unsafe { Pieces::of_int(list, count) };
            let mut written = 0;
            loop {
                let rest = whole.after(written);
                let rest_count = rest.len() as c_int;
                // SAFETY: a copy of the caller's list.
                let done = once_possible(hook, fd, Write, || unsafe {
                    write_at_once(fd, rest.as_ptr(), rest_count)
                });
                // A pipe that is ready takes a page without waiting.
                let result = done.unwrap_or_else(|| {
                    let piece = iovec { iov_len: rest[0].iov_len.min(libc::PIPE_BUF), ..rest[0] };
                    blocking(&raw const piece, 1)
                });
                if result < 0 {
                    return if written > 0 { written as c_long } else { result };
                }
                written += result as usize;
                if written >= whole.len() {
                    return written as c_long;
                }
            }
        }
        WaitPlan::Wait(_) => {
            // SAFETY: as the caller promises.
            let done = once_possible(hook, fd, Write, || unsafe { write_at_once(fd, list, count) });
            done.unwrap_or_else(|| blocking(list, count))
        }
    }
}

/// Makes the call for a socket, if that is to be tried, and the other call if the descriptor is none. What the number
/// means may change in between.
fn by_kind(
    is_tried: bool,
    mut as_socket: impl FnMut() -> c_long,
    mut as_other: impl FnMut() -> c_long,
) -> c_long {
    loop {
        let result = if is_tried { as_socket() } else { NO_SOCKET };
        let result = if result == NO_SOCKET { as_other() } else { result };
        if result != NO_SOCKET {
            return result;
        }
    }
}

unsafe fn read_green(hook: &Hook, fd: c_int, buffer: *mut c_void, len: size_t) -> c_long {
    // A read of no bytes from a socket returns without waiting, and takes no datagram.
    let is_tried = fd > LAST_STANDARD && len > 0;
    // SAFETY: as the caller promises.
    let as_socket =
        || unsafe { receive_waiting(hook, fd, buffer, len, 0, ptr::null_mut(), ptr::null_mut()) };
    let piece = iovec { iov_base: buffer, iov_len: len };
    // SAFETY: as above.
    by_kind(is_tried, as_socket, || unsafe { read_other(hook, fd, &raw const piece, 1) })
}

unsafe fn write_green(hook: &Hook, fd: c_int, buffer: *const c_void, len: size_t) -> c_long {
    // SAFETY: as the caller promises.
    let as_socket = || unsafe { transmit_waiting(hook, fd, buffer, len, 0, ptr::null(), 0) };
    let piece = iovec { iov_base: buffer.cast_mut(), iov_len: len };
    // SAFETY: as above.
    by_kind(fd > LAST_STANDARD, as_socket, || unsafe { write_other(hook, fd, &raw const piece, 1) })
}

unsafe fn readv_green(hook: &Hook, fd: c_int, list: *const iovec, count: c_int) -> c_long {
    let is_tried =
        fd > LAST_STANDARD && !has_wrong_length(count) && !is_transfer_of_none(list, count);
    let as_socket = || {
        let mut message = message(list, count);
        // SAFETY: the message has the caller's pieces.
        unsafe { receive_message_waiting(hook, fd, &raw mut message, 0) }
    };
    // SAFETY: as the caller promises.
    by_kind(is_tried, as_socket, || unsafe { read_other(hook, fd, list, count) })
}

unsafe fn writev_green(hook: &Hook, fd: c_int, list: *const iovec, count: c_int) -> c_long {
    let as_socket = || {
        let message = message(list, count);
        // SAFETY: the message has the caller's pieces.
        unsafe { transmit_message_waiting(hook, fd, &raw const message, 0) }
    };
    // SAFETY: as the caller promises.
    by_kind(fd > LAST_STANDARD && !has_wrong_length(count), as_socket, || unsafe {
        write_other(hook, fd, list, count)
    })
}

/// `splice` on a green thread. The call does not tell which end is not ready, so both are waited for in turn.
unsafe fn splice_green(
    hook: &Hook,
    from: c_int,
    from_at: *mut loff_t,
    to: c_int,
    to_at: *mut loff_t,
    len: size_t,
    flags: c_uint,
) -> c_long {
    let waits = flags & libc::SPLICE_F_NONBLOCK == 0;
    loop {
        // SAFETY: as the caller promises.
        let result = unsafe {
            syscall(
                libc::SYS_splice,
                [
                    from.into(),
                    address(from_at),
                    to.into(),
                    address(to_at),
                    len as c_long,
                    (flags | libc::SPLICE_F_NONBLOCK).into(),
                ],
            )
        };
        if result != AGAIN || !waits {
            return result;
        }
        for (fd, direction) in [(from, Read), (to, Write)] {
            if let Err(failed) = until_ready(hook, fd, direction, None) {
                return failed.result();
            }
        }
    }
}

/// How much of a file is read at a time, to be sent to a socket.
const CHUNK: usize = 32 << 10;

/// `sendfile` to a socket on a green thread. The call has no flag that keeps it from blocking, so the data is read and
/// then sent.
unsafe fn sendfile_green(
    hook: &Hook,
    to: c_int,
    from: c_int,
    at: *mut off_t,
    count: size_t,
) -> c_long {
    // SAFETY: as the caller promises.
    let blocking = || unsafe {
        syscall(libc::SYS_sendfile, [to.into(), from.into(), address(at), count as c_long, 0, 0])
    };
    let is_socket =
        matches!(super::identity::examine(to), Some((super::identity::FileKind::Socket, _)));
    if !is_socket || super::wait::is_nonblocking(to) {
        return hook.holding(blocking);
    }
    // SAFETY: the caller's pointer is null or valid.
    let given = unsafe { at.as_mut() };
    // SAFETY: only asks for the position in the file.
    let current =
        || unsafe { syscall(libc::SYS_lseek, [from.into(), 0, libc::SEEK_CUR.into(), 0, 0, 0]) };
    let start = given.as_ref().map_or_else(current, |at| **at);
    if start < 0 {
        return hook.holding(blocking);
    }
    let mut chunk = vec![0u8; CHUNK.min(count.max(1))];
    let mut sent = 0;
    let result = loop {
        let want = chunk.len().min(count - sent);
        let place = start + sent as c_long;
        // SAFETY: the buffer has room for `want` bytes.
        let got = unsafe {
            syscall(
                libc::SYS_pread64,
                [from.into(), address(chunk.as_mut_ptr()), want as c_long, place, 0, 0],
            )
        };
        if got <= 0 {
            break got;
        }
        // SAFETY: the buffer has `got` bytes.
        let done = unsafe {
            transmit_waiting(hook, to, chunk.as_ptr().cast(), got as usize, 0, ptr::null(), 0)
        };
        if done < 0 {
            break done;
        }
        sent += done as usize;
        if sent >= count || done < got {
            break 0;
        }
    };
    let end = start + sent as c_long;
    match given {
        Some(at) => *at = end,
        None => {
            // SAFETY: moves the position in the file.
            unsafe { syscall(libc::SYS_lseek, [from.into(), end, libc::SEEK_SET.into(), 0, 0, 0]) };
        }
    }
    if sent > 0 { sent as c_long } else { result }
}

interpose! {
    Socket fn read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t {
        bare to_libc(syscall(libc::SYS_read, [fd.into(), address(buffer), len as c_long, 0, 0, 0])) as ssize_t;
        green |hook| to_libc(read_green(hook, fd, buffer, len)) as ssize_t;
    }
    Socket fn write(fd: c_int, buffer: *const c_void, len: size_t) -> ssize_t {
        bare to_libc(syscall(libc::SYS_write, [fd.into(), address(buffer), len as c_long, 0, 0, 0])) as ssize_t;
        green |hook| to_libc(write_green(hook, fd, buffer, len)) as ssize_t;
    }
    Socket fn readv(fd: c_int, list: *const iovec, count: c_int) -> ssize_t {
        bare to_libc(syscall(libc::SYS_readv, [fd.into(), address(list), count.into(), 0, 0, 0])) as ssize_t;
        green |hook| to_libc(readv_green(hook, fd, list, count)) as ssize_t;
    }
    Socket fn writev(fd: c_int, list: *const iovec, count: c_int) -> ssize_t {
        bare to_libc(syscall(libc::SYS_writev, [fd.into(), address(list), count.into(), 0, 0, 0])) as ssize_t;
        green |hook| to_libc(writev_green(hook, fd, list, count)) as ssize_t;
    }
    Socket fn __read_chk(fd: c_int, buffer: *mut c_void, len: size_t, room: size_t) -> ssize_t {
        bare checked(len, room, || to_libc(syscall(libc::SYS_read, [fd.into(), address(buffer), len as c_long, 0, 0, 0]))) as ssize_t;
        green |hook| checked(len, room, || to_libc(read_green(hook, fd, buffer, len))) as ssize_t;
    }
    Socket fn splice(from: c_int, from_at: *mut loff_t, to: c_int, to_at: *mut loff_t, len: size_t, flags: c_uint) -> ssize_t {
        bare to_libc(syscall(libc::SYS_splice, [from.into(), address(from_at), to.into(), address(to_at), len as c_long, flags.into()])) as ssize_t;
        green |hook| to_libc(splice_green(hook, from, from_at, to, to_at, len, flags)) as ssize_t;
    }
    Socket fn sendfile(to: c_int, from: c_int, at: *mut off_t, count: size_t) -> ssize_t {
        bare to_libc(syscall(libc::SYS_sendfile, [to.into(), from.into(), address(at), count as c_long, 0, 0])) as ssize_t;
        green |hook| to_libc(sendfile_green(hook, to, from, at, count)) as ssize_t;
    }
    Socket fn sendfile64(to: c_int, from: c_int, at: *mut off_t, count: size_t) -> ssize_t {
        bare to_libc(syscall(libc::SYS_sendfile, [to.into(), from.into(), address(at), count as c_long, 0, 0])) as ssize_t;
        green |hook| to_libc(sendfile_green(hook, to, from, at, count)) as ssize_t;
    }
}
