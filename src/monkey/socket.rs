//! Calls on sockets. Each is tried with `MSG_DONTWAIT`, so `O_NONBLOCK`, which duplicates share, stays as it is.

use super::file::checked;
use super::hook::{Hook, interpose};
use super::pieces::Pieces;
use super::table;
use super::wait::{
    AGAIN, Failed, cancelled, is_nonblocking, on_socket, socket_deadline, until_ready, wait_once,
};
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::runtime::reactor::Direction::{Read, Write};
use crate::sys::bare::{syscall, to_libc};
use libc::{
    c_int, c_uint, c_void, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec,
};
use std::ffi::c_long;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::time::{Duration, Instant};

const DONTWAIT: c_int = libc::MSG_DONTWAIT;

fn address<T>(pointer: *const T) -> c_long {
    pointer.expose_provenance() as c_long
}

/// `recvfrom`, by the kernel.
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

/// `sendto`, by the kernel.
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

/// `recvmsg`, by the kernel.
unsafe fn receive_message(fd: c_int, message: *mut msghdr, flags: c_int) -> c_long {
    // SAFETY: the caller keeps the contract of `recvmsg`.
    unsafe { syscall(libc::SYS_recvmsg, [fd.into(), address(message), flags.into(), 0, 0, 0]) }
}

/// `sendmsg`, by the kernel.
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
        let result =
            if flags & DONTWAIT != 0 { attempt() } else { on_socket(hook, fd, Read, attempt) };
        // `MSG_WAITALL` asks for all of it, and gets less only at an end, an error or a signal.
        let wants_all = flags & libc::MSG_WAITALL != 0 && flags & (libc::MSG_PEEK | DONTWAIT) == 0;
        if result <= 0 {
            return if had > 0 { had as c_long } else { result };
        }
        had += result as usize;
        if !wants_all || had >= len || !is_stream(fd) || is_nonblocking(fd) {
            return had as c_long;
        }
    }
}

/// `sendto` on a green thread: on a stream until all is sent, as a call that blocks.
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
        let result =
            if flags & DONTWAIT != 0 { attempt() } else { on_socket(hook, fd, Write, attempt) };
        if result < 0 {
            return if sent > 0 { sent as c_long } else { result };
        }
        sent += result as usize;
        if sent >= len || flags & DONTWAIT != 0 || is_nonblocking(fd) {
            return sent as c_long;
        }
    }
}

/// `sendmsg` on a green thread: on a stream until all is sent.
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
    let first = on_socket(hook, fd, Write, || attempt(message));
    // SAFETY: the caller's message is valid.
    let header = unsafe { message.as_ref() };
    let Some(header) = header.filter(|_| first > 0) else { return first };
    // SAFETY: the message's pieces are valid.
    let whole = unsafe { Pieces::of(header.msg_iov, header.msg_iovlen) };
    let mut sent = first as usize;
    while sent < whole.len() && !is_nonblocking(fd) {
        let mut rest = whole.after(sent);
        // What came with the message has left with its first byte.
        let left = msghdr {
            msg_iov: rest.as_mut_ptr(),
            msg_iovlen: rest.len() as _,
            msg_control: ptr::null_mut(),
            msg_controllen: 0,
            ..*header
        };
        let result = on_socket(hook, fd, Write, || attempt(&left));
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
    if flags & DONTWAIT != 0 {
        return attempt(message);
    }
    // SAFETY: the caller's message is valid.
    let Some(header) = unsafe { message.as_ref() }.copied() else { return attempt(message) };
    let first = on_socket(hook, fd, Read, || {
        // A try that got nothing may have changed the lengths.
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
        let result = on_socket(hook, fd, Read, || attempt(&raw mut left));
        if result <= 0 {
            break;
        }
        had += result as usize;
    }
    had as c_long
}

/// Whether a socket is a stream, on which a message has no end.
fn is_stream(fd: c_int) -> bool {
    let mut kind: c_int = 0;
    let mut length = size_of_val(&kind) as socklen_t;
    // SAFETY: both pointers are valid, and `length` is the size of what the first points to.
    let result = unsafe {
        syscall(
            libc::SYS_getsockopt,
            [
                fd.into(),
                libc::SOL_SOCKET.into(),
                libc::SO_TYPE.into(),
                address(&raw mut kind),
                address(&raw mut length),
                0,
            ],
        )
    };
    result == 0 && kind == libc::SOCK_STREAM
}

/// `accept4` on a green thread. There is no way to ask it not to block, so one at a time asks whether a connection is there
/// and takes it.
unsafe fn accept_waiting(
    hook: &Hook,
    fd: c_int,
    from: *mut sockaddr,
    from_len: *mut socklen_t,
    flags: c_int,
) -> c_long {
    // SAFETY: as the caller promises.
    let accept = || unsafe {
        syscall(
            libc::SYS_accept4,
            [fd.into(), address(from), address(from_len), flags.into(), 0, 0],
        )
    };
    if is_nonblocking(fd) {
        return accept();
    }
    let Some((table::Kind::Socket, identity)) = table::examine(fd) else { return accept() };
    let Some(entry) = table::socket(fd, identity) else { return accept() };
    let deadline = socket_deadline(fd, Read);
    // A kill that strikes while others accept must not unwind from here.
    let Ok(_turn) = catch_unwind(AssertUnwindSafe(|| entry.accepting.lock())) else {
        return cancelled().result();
    };
    loop {
        let seen = entry.source.look();
        let mut ready = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        match super::wait::bare_poll(&mut ready, 1) {
            0 => {}
            error if error < 0 => return error,
            // A descriptor that does not listen is an error that `accept` tells.
            _ => {
                park::spend_budget_holding();
                return accept();
            }
        }
        entry.source.would_block(Read, seen);
        hook.count_wait();
        let waited = match entry.source.wait_quietly(Read, deadline, || entry.is_closed()) {
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                wait_once(hook, fd, Read, deadline)
            }
            Err(error) => Err(error.into()),
            Ok(Wake::Killed) => Err(cancelled()),
            Ok(Wake::TimedOut) => Err(Failed::TimedOut),
            Ok(Wake::Notified) if entry.is_closed() => Err(Failed::Closed),
            Ok(Wake::Notified) => Ok(()),
        };
        if let Err(failed) = waited {
            return failed.result();
        }
    }
}

/// How long to wait before asking again for a place in the queue of a Unix listener, which announces none.
const NO_PLACE: Duration = Duration::from_millis(1);

/// `connect` on a green thread. The descriptor is in non-blocking mode for the length of one system call.
unsafe fn connect_waiting(hook: &Hook, fd: c_int, to: *const sockaddr, len: socklen_t) -> c_long {
    // SAFETY: as the caller promises.
    let connect =
        || unsafe { syscall(libc::SYS_connect, [fd.into(), address(to), len.into(), 0, 0, 0]) };
    if is_nonblocking(fd) || !matches!(table::examine(fd), Some((table::Kind::Socket, _))) {
        return connect();
    }
    let deadline = socket_deadline(fd, Write);
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
        let next = Instant::now() + NO_PLACE;
        if deadline.is_some_and(|deadline| deadline <= next) {
            return AGAIN;
        }
        hook.count_wait();
        if Parker::new().park(Reason::Writable, Some(next)) == Wake::Killed {
            return cancelled().result();
        }
    }
    match until_ready(hook, fd, Write, deadline) {
        Ok(()) => -c_long::from(take_error(fd)),
        // What a blocking `connect` says when its time is over.
        Err(Failed::TimedOut) => -c_long::from(libc::EINPROGRESS),
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
    let mut length = size_of_val(&errno) as socklen_t;
    // SAFETY: both pointers are valid, and `length` is the size of what the first points to.
    let result = unsafe {
        syscall(
            libc::SYS_getsockopt,
            [
                fd.into(),
                libc::SOL_SOCKET.into(),
                libc::SO_ERROR.into(),
                address(&raw mut errno),
                address(&raw mut length),
                0,
            ],
        )
    };
    if result < 0 { -result as c_int } else { errno }
}

/// `recvmmsg` on a green thread: waits for the first message, and takes what is there then. With a time of its own it blocks,
/// as that is looked at between two messages only.
unsafe fn receive_several(
    hook: &Hook,
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_uint,
) -> c_long {
    on_socket(hook, fd, Read, || {
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
        let result = on_socket(hook, fd, Write, || {
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
        green |hook| if timeout.is_null() && flags & DONTWAIT == 0 {
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
    Socket fn __recv_chk(fd: c_int, buffer: *mut c_void, len: size_t, room: size_t, flags: c_int) -> ssize_t {
        bare checked(len, room, || to_libc(receive(fd, buffer, len, flags, ptr::null_mut(), ptr::null_mut()))) as ssize_t;
        green |hook| checked(len, room, || to_libc(receive_waiting(hook, fd, buffer, len, flags, ptr::null_mut(), ptr::null_mut()))) as ssize_t;
    }
    Socket fn __recvfrom_chk(fd: c_int, buffer: *mut c_void, len: size_t, room: size_t, flags: c_int, from: *mut sockaddr, from_len: *mut socklen_t) -> ssize_t {
        bare checked(len, room, || to_libc(receive(fd, buffer, len, flags, from, from_len))) as ssize_t;
        green |hook| checked(len, room, || to_libc(receive_waiting(hook, fd, buffer, len, flags, from, from_len))) as ssize_t;
    }
}
