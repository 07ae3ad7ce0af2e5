//! `epoll_wait` and `epoll_pwait`.
//!
//! Invariant: the events are taken by a call that does not wait; what is waited for is that the `epoll` itself can be read.

use super::hook::{Hook, interpose};
use super::identity::{self, FileKind};
use super::poll_limit::{PollLimit, SIGNALS};
use super::wait::{WaitFailed, wait_once};
use crate::runtime::park;
use crate::runtime::reactor::Direction::Read;
use crate::sys::bare::{address, syscall, to_libc};
use libc::{c_int, c_long, epoll_event, sigset_t};

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
        if !matches!(identity::examine(epoll), Some((FileKind::Other, _))) {
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

interpose! {
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
