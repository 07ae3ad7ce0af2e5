//! Calls on sockets. Each is tried with `MSG_DONTWAIT`, so that `O_NONBLOCK`, which duplicates share, stays as it is.

use super::file::checked;
use super::hook::{Hook, interpose};
use super::known_descriptor::limits_change;
use super::pieces::Pieces;
use super::wait::{is_nonblocking, is_stream, on_socket};
use crate::runtime::reactor::Direction::{Read, Write};
use crate::sys::bare::{address, syscall, to_libc};
use libc::{
    c_int, c_uint, c_void, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec,
};
use std::ffi::c_long;
use std::ptr;

const DONTWAIT: c_int = libc::MSG_DONTWAIT;

/// Whether an option is a timeout of the socket (`SO_RCVTIMEO` or `SO_SNDTIMEO`), in either of the forms that the
/// kernel has where a time has 64 bits.
fn is_limit(name: c_int) -> bool {
    matches!(name, libc::SO_RCVTIMEO | libc::SO_SNDTIMEO | SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW)
}

const SO_RCVTIMEO_NEW: c_int = 66;
const SO_SNDTIMEO_NEW: c_int = 67;

/// Flags with which a read takes as much as is there and has room.
const PLAIN: c_int = libc::MSG_WAITALL | libc::MSG_NOSIGNAL | libc::MSG_CMSG_CLOEXEC;

/// Whether the receive does not wait: the kernel waits neither for urgent data nor for the queue of errors.
fn takes_what_is_there(flags: c_int) -> bool {
    flags & (DONTWAIT | libc::MSG_ERRQUEUE | libc::MSG_OOB) != 0
}

/// The kernel's `recvfrom`.
unsafe fn receive(
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
    from: *mut sockaddr,
    from_len: *mut socklen_t,
) -> c_long {
    // SAFETY: the caller keeps the contract of `recvfrom`.
    unsafe {
        syscall(
            libc::SYS_recvfrom,
            [
                fd.into(),
                address(buffer),
                len as c_long,
                flags.into(),
                address(from),
                address(from_len),
            ],
        )
    }
}

/// The kernel's `sendto`.
unsafe fn transmit(
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_len: socklen_t,
) -> c_long {
    // SAFETY: the caller keeps the contract of `sendto`.
    unsafe {
        syscall(
            libc::SYS_sendto,
            [fd.into(), address(buffer), len as c_long, flags.into(), address(to), to_len.into()],
        )
    }
}

/// The kernel's `recvmsg`.
unsafe fn receive_message(fd: c_int, message: *mut msghdr, flags: c_int) -> c_long {
    // SAFETY: the caller keeps the contract of `recvmsg`.
    unsafe { syscall(libc::SYS_recvmsg, [fd.into(), address(message), flags.into(), 0, 0, 0]) }
}

/// The kernel's `sendmsg`.
unsafe fn transmit_message(fd: c_int, message: *const msghdr, flags: c_int) -> c_long {
    // SAFETY: the caller keeps the contract of `sendmsg`.
    unsafe { syscall(libc::SYS_sendmsg, [fd.into(), address(message), flags.into(), 0, 0, 0]) }
}

/// `recvfrom` on a green thread.
///
/// # Safety
/// As `recvfrom`.
pub(super) unsafe fn receive_waiting(
    hook: &Hook,
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
    from: *mut sockaddr,
    from_len: *mut socklen_t,
) -> c_long {
    let mut had = 0;
    loop {
        let attempt = || {
            // SAFETY: as the caller promises; `had` is below `len`, or both are zero.
            unsafe {
                receive(fd, buffer.byte_add(had), len - had, flags | DONTWAIT, from, from_len)
            }
        };
        let most = (flags & !PLAIN == 0).then_some(len - had);
        let result = if takes_what_is_there(flags) {
            attempt()
        } else {
            on_socket(hook, fd, Read, most, attempt)
        };
        // With `MSG_WAITALL` the caller gets less than it asked for only at an end, an error or a signal.
        let wants_all =
            flags & libc::MSG_WAITALL != 0 && !takes_what_is_there(flags | flags & libc::MSG_PEEK);
        if result <= 0 {
            return if had > 0 { had as c_long } else { result };
        }
        had += result as usize;
        if !wants_all || had >= len || !is_stream(fd) || is_nonblocking(fd) {
            return had as c_long;
        }
    }
}

/// `sendto` on a green thread. On a stream it goes on until all is sent, as the blocking call does.
///
/// # Safety
/// As `sendto`.
pub(super) unsafe fn transmit_waiting(
    hook: &Hook,
    fd: c_int,
    buffer: *const c_void,
    len: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_len: socklen_t,
) -> c_long {
    let mut sent = 0;
    loop {
        let attempt = || {
            // SAFETY: as the caller promises; `sent` is below `len`, or both are zero.
            unsafe { transmit(fd, buffer.byte_add(sent), len - sent, flags | DONTWAIT, to, to_len) }
        };
        let result = if flags & DONTWAIT != 0 {
            attempt()
        } else {
            on_socket(hook, fd, Write, None, attempt)
        };
        if result < 0 {
            return if sent > 0 { sent as c_long } else { result };
        }
        sent += result as usize;
        if sent >= len || flags & DONTWAIT != 0 || is_nonblocking(fd) {
            return sent as c_long;
        }
    }
}

/// `sendmsg` on a green thread. On a stream it goes on until all is sent.
///
/// # Safety
/// As `sendmsg`.
pub(super) unsafe fn transmit_message_waiting(
    hook: &Hook,
    fd: c_int,
    message: *const msghdr,
    flags: c_int,
) -> c_long {
    // SAFETY: as the caller promises, also in what follows.
    let attempt =
        |message: *const msghdr| unsafe { transmit_message(fd, message, flags | DONTWAIT) };
    if flags & DONTWAIT != 0 {
        return attempt(message);
    }
    let first = on_socket(hook, fd, Write, None, || attempt(message));
    // SAFETY: the caller's message is valid.
    let header = unsafe { message.as_ref() };
    let Some(header) = header.filter(|_| first > 0) else { return first };
    // SAFETY: the message's pieces are valid.
    let whole = unsafe { Pieces::of(header.msg_iov, header.msg_iovlen) };
    let mut sent = first as usize;
    while sent < whole.len() && !is_nonblocking(fd) {
        let mut rest = whole.after(sent);
        // The control data of the message has left with its first byte.
        let left = msghdr {
            msg_iov: rest.as_mut_ptr(),
            msg_iovlen: rest.len() as _,
            msg_control: ptr::null_mut(),
            msg_controllen: 0,
            ..*header
        };
        let result = on_socket(hook, fd, Write, None, || attempt(&left));
        if result <= 0 {
            break;
        }
        sent += result as usize;
    }
    sent as c_long
}

/// `recvmsg` on a green thread.
///
/// # Safety
/// As `recvmsg`.
pub(super) unsafe fn receive_message_waiting(
    hook: &Hook,
    fd: c_int,
    message: *mut msghdr,
    flags: c_int,
) -> c_long {
    // SAFETY: as the caller promises, also in what follows.
    let attempt = |message: *mut msghdr| unsafe { receive_message(fd, message, flags | DONTWAIT) };
    if takes_what_is_there(flags) {
        return attempt(message);
    }
    // SAFETY: the caller's message is valid.
    let Some(header) = unsafe { message.as_ref() }.copied() else { return attempt(message) };
    let first = on_socket(hook, fd, Read, None, || {
        // An attempt that received nothing may have changed the lengths.
        // SAFETY: as above.
        unsafe { *message = header };
        attempt(message)
    });
    let wants_all = flags & libc::MSG_WAITALL != 0 && flags & libc::MSG_PEEK == 0;
    if first <= 0 || !wants_all || !is_stream(fd) {
        return first;
    }
    // SAFETY: the message's pieces are valid.
    let whole = unsafe { Pieces::of(header.msg_iov, header.msg_iovlen) };
    let mut had = first as usize;
    while had < whole.len() && !is_nonblocking(fd) {
        let mut rest = whole.after(had);
        let mut left = msghdr {
            msg_iov: rest.as_mut_ptr(),
            msg_iovlen: rest.len() as _,
            msg_control: ptr::null_mut(),
            msg_controllen: 0,
            ..header
        };
        let result = on_socket(hook, fd, Read, None, || attempt(&raw mut left));
        if result <= 0 {
            break;
        }
        had += result as usize;
    }
    had as c_long
}

/// `recvmmsg` on a green thread: waits for the first message, and takes those that are there then. With a timeout of
/// its own the call blocks, as the kernel looks at that only between two messages.
unsafe fn receive_several(
    hook: &Hook,
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_uint,
) -> c_long {
    on_socket(hook, fd, Read, None, || {
        // SAFETY: as the caller promises.
        unsafe {
            syscall(
                libc::SYS_recvmmsg,
                [
                    fd.into(),
                    address(messages),
                    count.into(),
                    (flags | DONTWAIT as c_uint).into(),
                    0,
                    0,
                ],
            )
        }
    })
}

/// `sendmmsg` on a green thread: waits until all have been sent.
unsafe fn transmit_several(
    hook: &Hook,
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_uint,
) -> c_long {
    let mut sent = 0;
    while sent < count {
        let result = on_socket(hook, fd, Write, None, || {
            // SAFETY: as the caller promises; `sent` is below `count`.
            unsafe {
                syscall(
                    libc::SYS_sendmmsg,
                    [
                        fd.into(),
                        address(messages.add(sent as usize)),
                        (count - sent).into(),
                        (flags | DONTWAIT as c_uint).into(),
                        0,
                        0,
                    ],
                )
            }
        });
        if result < 0 {
            return if sent > 0 { sent.into() } else { result };
        }
        sent += result as c_uint;
        if flags & DONTWAIT as c_uint != 0 || is_nonblocking(fd) {
            break;
        }
    }
    sent.into()
}

interpose! {
    Socket fn recv(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int) -> ssize_t {
        bare to_libc(receive(fd, buffer, len, flags, ptr::null_mut(), ptr::null_mut())) as ssize_t;
        green |hook| to_libc(receive_waiting(hook, fd, buffer, len, flags, ptr::null_mut(), ptr::null_mut())) as ssize_t;
    }
    Socket fn recvfrom(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int, from: *mut sockaddr, from_len: *mut socklen_t) -> ssize_t {
        bare to_libc(receive(fd, buffer, len, flags, from, from_len)) as ssize_t;
        green |hook| to_libc(receive_waiting(hook, fd, buffer, len, flags, from, from_len)) as ssize_t;
    }
    Socket fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
        bare to_libc(receive_message(fd, message, flags)) as ssize_t;
        green |hook| to_libc(receive_message_waiting(hook, fd, message, flags)) as ssize_t;
    }
    Socket fn recvmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int, timeout: *mut timespec) -> c_int {
        bare to_libc(syscall(libc::SYS_recvmmsg, [fd.into(), address(messages), count.into(), flags.into(), address(timeout), 0])) as c_int;
        green |hook| if timeout.is_null() && !takes_what_is_there(flags) {
            to_libc(receive_several(hook, fd, messages, count, flags as c_uint)) as c_int
        } else {
            hook.holding(|| original::recvmmsg(fd, messages, count, flags, timeout))
        };
    }
    Socket fn send(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int) -> ssize_t {
        bare to_libc(transmit(fd, buffer, len, flags, ptr::null(), 0)) as ssize_t;
        green |hook| to_libc(transmit_waiting(hook, fd, buffer, len, flags, ptr::null(), 0)) as ssize_t;
    }
    Socket fn sendto(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int, to: *const sockaddr, to_len: socklen_t) -> ssize_t {
        bare to_libc(transmit(fd, buffer, len, flags, to, to_len)) as ssize_t;
        green |hook| to_libc(transmit_waiting(hook, fd, buffer, len, flags, to, to_len)) as ssize_t;
    }
    Socket fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
        bare to_libc(transmit_message(fd, message, flags)) as ssize_t;
        green |hook| to_libc(transmit_message_waiting(hook, fd, message, flags)) as ssize_t;
    }
    Socket fn sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int {
        bare to_libc(syscall(libc::SYS_sendmmsg, [fd.into(), address(messages), count.into(), flags.into(), 0, 0])) as c_int;
        green |hook| to_libc(transmit_several(hook, fd, messages, count, flags as c_uint)) as c_int;
    }
    Socket fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, len: socklen_t) -> c_int {
        first if level == libc::SOL_SOCKET && is_limit(name) => limits_change(fd);
        bare to_libc(syscall(libc::SYS_setsockopt, [fd.into(), level.into(), name.into(), address(value), len.into(), 0])) as c_int;
        green |_hook| original::setsockopt(fd, level, name, value, len);
    }
    Socket fn __recv_chk(fd: c_int, buffer: *mut c_void, len: size_t, room: size_t, flags: c_int) -> ssize_t {
        bare checked(len, room, || to_libc(receive(fd, buffer, len, flags, ptr::null_mut(), ptr::null_mut()))) as ssize_t;
        green |hook| checked(len, room, || to_libc(receive_waiting(hook, fd, buffer, len, flags, ptr::null_mut(), ptr::null_mut()))) as ssize_t;
    }
    Socket fn __recvfrom_chk(fd: c_int, buffer: *mut c_void, len: size_t, room: size_t, flags: c_int, from: *mut sockaddr, from_len: *mut socklen_t) -> ssize_t {
        bare checked(len, room, || to_libc(receive(fd, buffer, len, flags, from, from_len))) as ssize_t;
        green |hook| checked(len, room, || to_libc(receive_waiting(hook, fd, buffer, len, flags, from, from_len))) as ssize_t;
    }
}
