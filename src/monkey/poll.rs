//! Waiting for several descriptors by `poll`, `select` and `epoll_wait`.

use super::file::checked as checked_length;
use super::hook::{Hook, interpose};
use super::table::{self, FileKind};
use super::wait::{WaitFailed, bare_poll, sleep, wait_for, wait_once};
use crate::runtime::park;
use crate::runtime::reactor::Direction::{Read, Write};
use crate::sys::bare::{address, room_for_descriptors, syscall, to_libc};
use crate::sys::clock;
use crate::sys::poll::{PollFd, PollFlags, gather_none};
use crate::sys::time::deadline_after;
use libc::{
    c_int, c_long, c_short, epoll_event, fd_set, nfds_t, pollfd, sigset_t, size_t, timespec,
    timeval,
};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// The size of the kernel's signal sets, in bytes.
const SIGNALS: c_long = 8;

/// How long a call may wait.
#[derive(Clone, Copy, Debug)]
enum PollLimit {
    Not,
    ForEver,
    Until(Instant),
}

impl PollLimit {
    fn after(duration: Option<Duration>) -> Self {
        match duration {
            Some(Duration::ZERO) => Self::Not,
            // A time beyond what the clock can represent is for ever.
            Some(duration) => deadline_after(duration).map_or(Self::ForEver, Self::Until),
            None => Self::ForEver,
        }
    }

    fn of_millis(millis: c_int) -> Self {
        Self::after(u64::try_from(millis).ok().map(Duration::from_millis))
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(deadline),
            Self::Not | Self::ForEver => None,
        }
    }

    fn left(self) -> Duration {
        self.deadline().map_or(Duration::ZERO, |at| at.saturating_duration_since(clock::now()))
    }
}

fn duration_of(time: &timespec) -> Duration {
    Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.clamp(0, 999_999_999) as u32)
}

/// The bits of `poll` that one registration in one direction covers.
const FOR_READING: c_short = libc::POLLIN | libc::POLLRDNORM | libc::POLLRDHUP;
const FOR_WRITING: c_short = libc::POLLOUT | libc::POLLWRNORM;

/// `poll` on a green thread.
///
/// # Safety
/// `fds` points to `count` entries.
unsafe fn poll_waiting(hook: &Hook, fds: *mut pollfd, count: nfds_t, limit: PollLimit) -> c_long {
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
    let all = table::KnownDescriptor::of_several(gather_none()?);
    let mut numbers: Vec<_> = waited().map(|entry| entry.fd).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut listed = Vec::with_capacity(numbers.len());
    for fd in numbers {
        let (_, identity) = table::examine(fd).ok_or(WaitFailed::Closed)?;
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

unsafe fn limit_of(time: *const timespec) -> PollLimit {
    // SAFETY: the caller's pointer is null or valid.
    PollLimit::after(unsafe { time.as_ref() }.map(duration_of))
}

/// `epoll_wait` on a green thread.
unsafe fn epoll_waiting(
    hook: &Hook,
    epoll: c_int,
    events: *mut epoll_event,
    most: c_int,
    limit: PollLimit,
) -> c_long {
    loop {
        // SAFETY: as the caller promises.
        let result = unsafe {
            syscall(libc::SYS_epoll_pwait, [epoll.into(), address(events), most.into(), 0, 0, 0])
        };
        if result != 0 || matches!(limit, PollLimit::Not) {
            park::spend_budget_holding();
            return result;
        }
        if !matches!(table::examine(epoll), Some((FileKind::Other, _))) {
            return 0;
        }
        match wait_once(hook, epoll, Read, limit.deadline()) {
            Ok(()) => {}
            Err(WaitFailed::TimedOut) => return 0,
            // Event loops take every other error for a fault of their own, and end.
            Err(WaitFailed::Cancelled) => return -c_long::from(libc::EINTR),
            Err(failed) => return failed.result(),
        }
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

unsafe fn bare_epoll(
    epoll: c_int,
    events: *mut epoll_event,
    most: c_int,
    millis: c_int,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: as the caller promises.
    let result = unsafe {
        syscall(
            libc::SYS_epoll_pwait,
            [epoll.into(), address(events), most.into(), millis.into(), address(mask), SIGNALS],
        )
    };
    to_libc(result) as c_int
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
    Epoll fn epoll_wait(epoll: c_int, events: *mut epoll_event, most: c_int, millis: c_int) -> c_int {
        bare bare_epoll(epoll, events, most, millis, std::ptr::null());
        green |hook| to_libc(epoll_waiting(hook, epoll, events, most, PollLimit::of_millis(millis))) as c_int;
    }
    Epoll fn epoll_pwait(epoll: c_int, events: *mut epoll_event, most: c_int, millis: c_int, mask: *const sigset_t) -> c_int {
        bare bare_epoll(epoll, events, most, millis, mask);
        green |hook| if mask.is_null() {
            to_libc(epoll_waiting(hook, epoll, events, most, PollLimit::of_millis(millis))) as c_int
        } else {
            hook.holding(|| original::epoll_pwait(epoll, events, most, millis, mask))
        };
    }
}
