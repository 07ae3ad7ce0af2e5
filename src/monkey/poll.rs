//! `poll` and `ppoll`: waiting for several descriptors.
//!
//! Invariant: a wait ends when a number that it is for is closed, and says so, even if the number is used again at once.

use super::file::checked as checked_length;
use super::hook::{Hook, interpose};
use super::identity;
use super::known_descriptor::KnownDescriptor;
use super::poll_limit::{PollLimit, SIGNALS, limit_of};
use super::table;
use super::wait::{WaitFailed, bare_poll, sleep, wait_for, wait_once};
use crate::runtime::park;
use crate::runtime::reactor::Direction::{Read, Write};
use crate::sys::bare::{address, syscall, to_libc};
use crate::sys::poll::{PollFd, PollFlags, gather_none};
use libc::{c_int, c_long, c_short, nfds_t, pollfd, sigset_t, size_t, timespec};
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// The bits of `poll` that one registration in one direction covers.
const FOR_READING: c_short = libc::POLLIN | libc::POLLRDNORM | libc::POLLRDHUP;
const FOR_WRITING: c_short = libc::POLLOUT | libc::POLLWRNORM;

/// `poll` on a green thread.
///
/// # Safety
/// `fds` points to `count` entries.
pub(super) unsafe fn poll_waiting(
    hook: &Hook,
    fds: *mut pollfd,
    count: nfds_t,
    limit: PollLimit,
) -> c_long {
    loop {
        let first = bare_poll(fds, count);
        if first != 0 || matches!(limit, PollLimit::Not) {
            park::spend_budget_holding();
            return first;
        }
        let entries = if count == 0 {
            &mut []
        } else {
            // SAFETY: as the caller promises.
            unsafe { std::slice::from_raw_parts_mut(fds, count as usize) }
        };
        match poll_once(hook, entries, limit) {
            Ok(ready) => return ready,
            Err(WaitFailed::TimedOut) => return 0,
            // A number means something else than before, so this looks again.
            Err(WaitFailed::Closed) => {}
            Err(failed) => return failed.result(),
        }
    }
}

/// Waits until at least one entry is ready, after a look has found none ready.
///
/// If a number is closed meanwhile, even if it is used again by then, the wait ends with `POLLNVAL` for it. (Linux
/// would go on waiting for the file that it meant.) The error [`WaitFailed::Closed`] means that a number was replaced
/// before the wait had begun.
fn poll_once(hook: &Hook, entries: &mut [pollfd], limit: PollLimit) -> Result<c_long, WaitFailed> {
    let deadline = limit.deadline();
    let mut waited = entries.iter().filter(|entry| entry.fd >= 0);
    match (waited.next(), waited.next()) {
        (None, _) => sleep(hook, deadline).map(|()| 0),
        (Some(one), None) if one.events & !FOR_READING == 0 && one.events != 0 => {
            let fd = one.fd;
            poll_one(entries, fd, || wait_once(hook, fd, Read, deadline))
        }
        (Some(one), None) if one.events & !FOR_WRITING == 0 && one.events != 0 => {
            let fd = one.fd;
            poll_one(entries, fd, || wait_once(hook, fd, Write, deadline))
        }
        _ => poll_several(hook, entries, deadline),
    }
}

/// Fills in what `poll` says when a number has been closed: that one as closed, and the others if they are ready.
fn tell_closed(entries: &mut [pollfd], fd: c_int) -> c_long {
    bare_poll(entries.as_mut_ptr(), entries.len() as nfds_t);
    entries
        .iter_mut()
        .filter(|entry| entry.fd == fd)
        .for_each(|entry| entry.revents = libc::POLLNVAL);
    entries.iter().filter(|entry| entry.revents != 0).count() as c_long
}

fn poll_one(
    entries: &mut [pollfd],
    fd: c_int,
    mut wait: impl FnMut() -> Result<(), WaitFailed>,
) -> Result<c_long, WaitFailed> {
    loop {
        match wait() {
            Err(WaitFailed::Closed) => return Ok(tell_closed(entries, fd)),
            waited => waited?,
        }
        let ready = bare_poll(entries.as_mut_ptr(), entries.len() as nfds_t);
        if ready != 0 {
            return Ok(ready);
        }
    }
}

fn poll_several(
    hook: &Hook,
    entries: &mut [pollfd],
    deadline: Option<Instant>,
) -> Result<c_long, WaitFailed> {
    let waited = || entries.iter().filter(|entry| entry.fd >= 0);
    let fds: Vec<_> = waited()
        .map(|entry| {
            PollFd::from_borrowed_fd(
                // SAFETY: `poll` has just found no number that is not open.
                unsafe { BorrowedFd::borrow_raw(entry.fd) },
                PollFlags::empty(),
            )
        })
        .collect();
    let wanted: Vec<_> =
        waited().map(|entry| PollFlags::from_bits_retain(entry.events as u16)).collect();
    let all = KnownDescriptor::of_several(gather_none()?);
    let mut numbers: Vec<_> = waited().map(|entry| entry.fd).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut listed = Vec::with_capacity(numbers.len());
    for fd in numbers {
        let (_, identity) = identity::examine(fd).ok_or(WaitFailed::Closed)?;
        listed.push(table::list(fd, identity, &all));
    }
    // From here on, closing a number ends the wait. A number that was closed before is unknown to the kernel.
    let gathered = match all.gather(&fds, &wanted) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EBADF | libc::ENOENT)) => {
            Err(WaitFailed::Closed)
        }
        // A number that was closed before has been used again for the descriptor that was just made here.
        Err(_) if waited().any(|entry| all.is_own(entry.fd)) => Err(WaitFailed::Closed),
        gathered => gathered.map_err(WaitFailed::from),
    };
    let ended = gathered.and_then(|()| {
        loop {
            let seen = all.source.look();
            let ready = bare_poll(entries.as_mut_ptr(), entries.len() as nfds_t);
            if ready != 0 {
                return Ok(ready);
            }
            all.source.would_block(Read, seen);
            wait_for(hook, &all, Read, deadline)?;
        }
    });
    match (ended, all.closed_number()) {
        (Err(WaitFailed::Closed), Some(fd)) => Ok(tell_closed(entries, fd)),
        (ended, _) => ended,
    }
}

unsafe fn bare_ppoll(
    fds: *mut pollfd,
    count: nfds_t,
    time: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // The kernel writes back the time that is left; the C library's function does not, so the kernel gets a copy.
    // SAFETY: the caller's pointer is null or valid.
    let copy = unsafe { time.as_ref() }.copied();
    let time = copy.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: as the caller promises.
    let result = unsafe {
        syscall(
            libc::SYS_ppoll,
            [address(fds), count as c_long, address(time), address(mask), SIGNALS, 0],
        )
    };
    to_libc(result) as c_int
}

#[cfg(target_arch = "x86_64")]
unsafe fn bare_poll_millis(fds: *mut pollfd, count: nfds_t, millis: c_int) -> c_int {
    // SAFETY: as the caller promises.
    let result =
        unsafe { syscall(libc::SYS_poll, [address(fds), count as c_long, millis.into(), 0, 0, 0]) };
    to_libc(result) as c_int
}

/// For architectures whose kernel has no `poll`.
#[cfg(target_arch = "aarch64")]
unsafe fn bare_poll_millis(fds: *mut pollfd, count: nfds_t, millis: c_int) -> c_int {
    let time =
        timespec { tv_sec: (millis / 1000).into(), tv_nsec: (millis % 1000 * 1_000_000).into() };
    let time = if millis < 0 { std::ptr::null() } else { &raw const time };
    // SAFETY: as the caller promises.
    unsafe { bare_ppoll(fds, count, time, std::ptr::null()) }
}

/// The fortified forms also get the size of the array in bytes.
fn checked<T>(count: nfds_t, room: size_t, call: impl FnOnce() -> T) -> T {
    checked_length((count as usize).saturating_mul(size_of::<pollfd>()), room, call)
}

interpose! {
    Poll fn poll(fds: *mut pollfd, count: nfds_t, millis: c_int) -> c_int {
        bare bare_poll_millis(fds, count, millis);
        green |hook| to_libc(poll_waiting(hook, fds, count, PollLimit::of_millis(millis))) as c_int;
    }
    Poll fn ppoll(fds: *mut pollfd, count: nfds_t, time: *const timespec, mask: *const sigset_t) -> c_int {
        bare bare_ppoll(fds, count, time, mask);
        green |hook| if mask.is_null() {
            to_libc(poll_waiting(hook, fds, count, limit_of(time))) as c_int
        } else {
            hook.holding(|| original::ppoll(fds, count, time, mask))
        };
    }
    Poll fn __poll_chk(fds: *mut pollfd, count: nfds_t, millis: c_int, room: size_t) -> c_int {
        bare checked(count, room, || bare_poll_millis(fds, count, millis));
        green |hook| checked(count, room, || to_libc(poll_waiting(hook, fds, count, PollLimit::of_millis(millis)))) as c_int;
    }
    Poll fn __ppoll_chk(fds: *mut pollfd, count: nfds_t, time: *const timespec, mask: *const sigset_t, room: size_t) -> c_int {
        bare checked(count, room, || bare_ppoll(fds, count, time, mask));
        green |hook| if mask.is_null() {
            checked(count, room, || to_libc(poll_waiting(hook, fds, count, limit_of(time)))) as c_int
        } else {
            hook.holding(|| original::__ppoll_chk(fds, count, time, mask, room))
        };
    }
}
