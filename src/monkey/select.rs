//! `select` and `pselect`, made of `poll`.
//!
//! Invariant: no set is read or written beyond the highest number that the kernel would look at, as callers give no more room.

use super::hook::{Hook, interpose};
use super::poll::poll_waiting;
use super::poll_limit::{PollLimit, SIGNALS, duration_of, limit_of};
use crate::sys::bare::{address, room_for_descriptors, syscall, to_libc};
use libc::{c_int, c_long, c_short, fd_set, nfds_t, pollfd, sigset_t, timespec, timeval};
use std::time::Duration;

/// For each of the three sets of `select`, the bits of `poll` that it waits for and those that it reports.
const SETS: [(c_short, c_short); 3] = [
    (
        libc::POLLIN | libc::POLLRDNORM,
        libc::POLLIN | libc::POLLRDNORM | libc::POLLHUP | libc::POLLERR,
    ),
    (libc::POLLOUT | libc::POLLWRNORM, libc::POLLOUT | libc::POLLWRNORM | libc::POLLERR),
    (libc::POLLPRI, libc::POLLPRI),
];

const FD_SETSIZE: c_int = libc::FD_SETSIZE as c_int;

/// For how many descriptors the process has room now. The kernel looks no further in a set, and callers that pass a
/// higher number rely on that.
fn table_size() -> c_int {
    room_for_descriptors().unwrap_or(FD_SETSIZE)
}

/// The word of a set of `select` that a number is in, and its bit there. The kernel's sets may have any size, while the
/// C library's macros know only those of `FD_SETSIZE`.
fn word_of(set: *mut fd_set, fd: c_int) -> (*mut libc::c_ulong, libc::c_ulong) {
    let bits = libc::c_ulong::BITS as usize;
    let fd = fd as usize;
    (set.cast::<libc::c_ulong>().wrapping_add(fd / bits), 1 << (fd % bits))
}

/// `select` on a green thread, made of `poll`.
///
/// # Safety
/// Each set is null or has room for all numbers below `highest`.
unsafe fn select_waiting(
    hook: &Hook,
    highest: c_int,
    sets: [*mut fd_set; 3],
    limit: PollLimit,
) -> c_long {
    if highest < 0 {
        return -c_long::from(libc::EINVAL);
    }
    let highest = if highest > FD_SETSIZE { highest.min(table_size()) } else { highest };
    let is_in = |set: *mut fd_set, fd| {
        // SAFETY: a set that is given has room for all numbers below `highest`.
        !set.is_null() && unsafe { *word_of(set, fd).0 & word_of(set, fd).1 != 0 }
    };
    let mut entries: Vec<pollfd> = (0..highest)
        .map(|fd| {
            let wanted = SETS.iter().zip(sets).filter(|(_, set)| is_in(*set, fd));
            pollfd { fd, events: wanted.fold(0, |all, ((wanted, _), _)| all | wanted), revents: 0 }
        })
        .filter(|entry| entry.events != 0)
        .collect();
    // SAFETY: a valid list.
    let result =
        unsafe { poll_waiting(hook, entries.as_mut_ptr(), entries.len() as nfds_t, limit) };
    if result < 0 {
        return result;
    }
    if entries.iter().any(|entry| entry.revents & libc::POLLNVAL != 0) {
        return -c_long::from(libc::EBADF);
    }
    let mut ready = 0;
    for ((_, seen), set) in SETS.iter().zip(sets) {
        if set.is_null() {
            continue;
        }
        for entry in &entries {
            if is_in(set, entry.fd) && entry.revents & seen != 0 {
                ready += 1;
            } else {
                let (word, bit) = word_of(set, entry.fd);
                // SAFETY: as above.
                unsafe { *word &= !bit };
            }
        }
    }
    ready
}

unsafe fn bare_select(
    highest: c_int,
    sets: [*mut fd_set; 3],
    time: *mut timespec,
    mask: *const sigset_t,
) -> c_int {
    // The kernel takes the mask and its size as one argument.
    let mask = [address(mask), SIGNALS];
    let mask_pointer = if mask[0] == 0 { 0 } else { address(mask.as_ptr()) };
    // SAFETY: as the caller promises.
    let result = unsafe {
        syscall(
            libc::SYS_pselect6,
            [
                highest.into(),
                address(sets[0]),
                address(sets[1]),
                address(sets[2]),
                address(time),
                mask_pointer,
            ],
        )
    };
    to_libc(result) as c_int
}

/// Runs a `select` that writes the time that is left into its timeout.
unsafe fn select_timed(
    time: *mut timeval,
    call: impl FnOnce(Option<Duration>) -> (c_int, Duration),
) -> c_int {
    // SAFETY: the caller's pointer is null or valid.
    let time = unsafe { time.as_mut() };
    let given = time.as_ref().map(|time| {
        Duration::from_secs(time.tv_sec.max(0) as u64)
            + Duration::from_micros(time.tv_usec.max(0) as u64)
    });
    let (result, left) = call(given);
    if let Some(time) = time {
        *time = timeval { tv_sec: left.as_secs() as _, tv_usec: left.subsec_micros().into() };
    }
    result
}

unsafe fn bare_select_timed(highest: c_int, sets: [*mut fd_set; 3], time: *mut timeval) -> c_int {
    let call = |given: Option<Duration>| {
        let mut spec = given.map(|given| timespec {
            tv_sec: given.as_secs() as _,
            tv_nsec: given.subsec_nanos().into(),
        });
        let pointer = spec.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
        // SAFETY: as the caller promises.
        let result = unsafe { bare_select(highest, sets, pointer, std::ptr::null()) };
        (result, spec.as_ref().map_or(Duration::ZERO, duration_of))
    };
    // SAFETY: as the caller promises.
    unsafe { select_timed(time, call) }
}

unsafe fn select_green(
    hook: &Hook,
    highest: c_int,
    sets: [*mut fd_set; 3],
    time: *mut timeval,
) -> c_int {
    let call = |given| {
        let limit = PollLimit::after(given);
        // SAFETY: as the caller promises.
        let result = unsafe { select_waiting(hook, highest, sets, limit) };
        (to_libc(result) as c_int, limit.left())
    };
    // SAFETY: as the caller promises.
    unsafe { select_timed(time, call) }
}

interpose! {
    Poll fn select(highest: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, time: *mut timeval) -> c_int {
        bare bare_select_timed(highest, [read, write, except], time);
        green |hook| select_green(hook, highest, [read, write, except], time);
    }
    Poll fn pselect(highest: c_int, read: *mut fd_set, write: *mut fd_set, except: *mut fd_set, time: *const timespec, mask: *const sigset_t) -> c_int {
        bare {
            let mut copy = time.as_ref().copied();
            let time = copy.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
            bare_select(highest, [read, write, except], time, mask)
        };
        green |hook| if mask.is_null() {
            to_libc(select_waiting(hook, highest, [read, write, except], limit_of(time))) as c_int
        } else {
            hook.holding(|| original::pselect(highest, read, write, except, time, mask))
        };
    }
}
