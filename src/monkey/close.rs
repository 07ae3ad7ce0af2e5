//! Closing descriptors. Before a number is closed, by whatever thread, its registration and all waits for it are ended.
//!
//! Closing a socket that lingers takes time. The caller has asked for that, and it holds up the worker.

use super::hook::interpose;
use super::table::{closed, closed_range, has_closed, is_marked};
use crate::sys::bare::{syscall, to_libc};
use libc::{c_int, c_uint};
use std::ffi::c_long;

unsafe extern "C" {
    /// Ends the calling OS thread if it has been cancelled.
    fn pthread_testcancel();
}

#[inline]
fn bare_close(fd: c_int) -> c_int {
    // SAFETY: only numbers are given.
    to_libc(unsafe { syscall(libc::SYS_close, [fd.into(), 0, 0, 0, 0, 0]) }) as c_int
}

#[inline]
fn bare_dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    // SAFETY: only numbers are given.
    to_libc(unsafe { syscall(libc::SYS_dup3, [old.into(), new.into(), flags.into(), 0, 0, 0]) })
        as c_int
}

/// `dup3` refuses two equal numbers. `dup2` accepts them, and then only checks that the number is open.
#[inline]
fn bare_dup2(old: c_int, new: c_int) -> c_int {
    if old != new {
        return bare_dup3(old, new, 0);
    }
    // SAFETY: reads the flags of a descriptor.
    let flags = unsafe { syscall(libc::SYS_fcntl, [old.into(), libc::F_GETFD.into(), 0, 0, 0, 0]) };
    if flags < 0 { to_libc(flags) as c_int } else { new }
}

interpose! {
    Socket fn close(fd: c_int) -> c_int {
        first if is_marked(fd) => closed(fd);
        bare bare_close(fd);
        same { pthread_testcancel(); bare_close(fd) };
        green |hook| hook.holding(|| original::close(fd));
        last if is_marked(fd) => has_closed(fd);
    }
    Socket fn dup2(old: c_int, new: c_int) -> c_int {
        first if old != new && is_marked(new) => closed(new);
        bare bare_dup2(old, new);
        same bare_dup2(old, new);
        green |_hook| original::dup2(old, new);
        last if is_marked(new) => has_closed(new);
    }
    Socket fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
        first if old != new && is_marked(new) => closed(new);
        bare bare_dup3(old, new, flags);
        same bare_dup3(old, new, flags);
        green |_hook| original::dup3(old, new, flags);
        last if is_marked(new) => has_closed(new);
    }
    Socket fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
        first if flags & libc::CLOSE_RANGE_CLOEXEC as c_int == 0 => closed_range(first, last);
        bare to_libc(syscall(libc::SYS_close_range, [first.into(), last.into(), flags.into(), 0, 0, 0])) as c_int;
        green |_hook| original::close_range(first, last, flags);
    }
    Socket fn closefrom(first: c_int) -> () {
        first if true => closed_range(first.max(0) as c_uint, c_uint::MAX);
        bare { syscall(libc::SYS_close_range, [c_long::from(first.max(0)), c_uint::MAX.into(), 0, 0, 0, 0]); };
        green |_hook| original::closefrom(first);
    }
}
