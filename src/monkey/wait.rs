//! Waiting in a patched call: for a descriptor, for a time. Nothing here unwinds.

use super::hook::Hook;
use super::table::{self, Entry, Kind};
use crate::green_local;
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::runtime::reactor::Direction;
use crate::sys::bare::syscall;
use crate::sys::time::deadline_after;
use std::cell::Cell;
use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A result of the kernel's that says that it would block.
pub(super) const AGAIN: c_long = -(libc::EAGAIN as c_long);

/// What a wait that does not go on makes its call return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// The time that the call had is over.
    TimedOut,
    /// The descriptor was closed meanwhile.
    Closed,
    /// The green thread was killed, or a timeout that it is inside of has expired.
    Cancelled,
    /// The kernel refused.
    Os(i32),
}

impl Failed {
    /// What the call returns, where a time that is over looks like a call that would block.
    pub(super) fn result(self) -> c_long {
        -c_long::from(match self {
            Self::TimedOut => libc::EAGAIN,
            Self::Closed => libc::EBADF,
            Self::Cancelled => libc::ECANCELED,
            Self::Os(errno) => errno,
        })
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Os(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

green_local! {
    /// How many calls have failed because of a kill or a timeout.
    static CANCELLED: Cell<u32> = Cell::new(0);
}

/// So many may fail without a pause.
const CANCELLED_FREELY: u32 = 16;

/// A call is about to fail because of a kill. A loop that takes that for one more error to be skipped would never let its
/// worker rest: from some number on each such call takes a millisecond.
pub(super) fn cancelled() -> Failed {
    let so_far = CANCELLED.try_with(|count| {
        count.set(count.get().saturating_add(1));
        count.get()
    });
    if so_far.is_ok_and(|so_far| so_far > CANCELLED_FREELY) {
        let deadline = deadline_after(Duration::from_millis(1));
        let _ = Parker::uninterruptible().park(Reason::Sleep, deadline);
    }
    Failed::Cancelled
}

/// Suspends until `deadline`; `None` is for ever. Says whether a kill ended it.
pub(super) fn sleep(hook: &Hook, deadline: Option<Instant>) -> Result<(), Failed> {
    hook.count_wait();
    match Parker::new().park(Reason::Sleep, deadline) {
        Wake::Killed => Err(cancelled()),
        Wake::Notified | Wake::TimedOut => Ok(()),
    }
}

/// Whether `O_NONBLOCK` is set, so that the caller wants no waiting.
pub(super) fn is_nonblocking(fd: c_int) -> bool {
    // SAFETY: reads the flags of a descriptor.
    let flags = unsafe { syscall(libc::SYS_fcntl, [fd.into(), libc::F_GETFL.into(), 0, 0, 0, 0]) };
    flags >= 0 && flags & c_long::from(libc::O_NONBLOCK) != 0
}

/// When a call on a socket that begins now has to give up, by `SO_RCVTIMEO` or `SO_SNDTIMEO`.
pub(super) fn socket_deadline(fd: c_int, direction: Direction) -> Option<Instant> {
    let option = match direction {
        Direction::Read => libc::SO_RCVTIMEO,
        Direction::Write => libc::SO_SNDTIMEO,
    };
    let mut timeout = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut length = size_of_val(&timeout) as libc::socklen_t;
    // SAFETY: both pointers are valid, and `length` is the size of what the first points to.
    let result = unsafe {
        syscall(
            libc::SYS_getsockopt,
            [
                fd.into(),
                libc::SOL_SOCKET.into(),
                option.into(),
                (&raw mut timeout).expose_provenance() as c_long,
                (&raw mut length).expose_provenance() as c_long,
                0,
            ],
        )
    };
    let set = result == 0 && (timeout.tv_sec != 0 || timeout.tv_usec != 0);
    let length = Duration::new(timeout.tv_sec as u64, timeout.tv_usec as u32 * 1000);
    if set { deadline_after(length) } else { None }
}

/// Waits for an entry. The caller has looked whether it is closed, and has said what it knows of its readiness.
fn wait_for(
    hook: &Hook,
    entry: &Arc<Entry>,
    direction: Direction,
    deadline: Option<Instant>,
) -> Result<(), Failed> {
    hook.count_wait();
    match entry.source.wait_quietly(direction, deadline, || entry.is_closed())? {
        Wake::Notified if entry.is_closed() => Err(Failed::Closed),
        Wake::Notified => Ok(()),
        Wake::TimedOut => Err(Failed::TimedOut),
        Wake::Killed => Err(cancelled()),
    }
}

/// Waits for a descriptor by a registration for this time only.
pub(super) fn wait_once(
    hook: &Hook,
    fd: c_int,
    direction: Direction,
    deadline: Option<Instant>,
) -> Result<(), Failed> {
    let (_, identity) = table::examine(fd).ok_or(Failed::Closed)?;
    // SAFETY: the caller of the patched call keeps the number open, or closes it by a patched call, which ends the wait.
    let own = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()?;
    let entry = Entry::new(fd, identity, Some(own));
    let _listed = table::list(fd, &entry);
    wait_for(hook, &entry, direction, deadline)
}

/// Tries an operation on a socket, which must not block, until it says something else than that it would, and waits in between.
///
/// `attempt` may find that it is no socket, and says `-ENOTSOCK` then.
pub(super) fn on_socket(
    hook: &Hook,
    fd: c_int,
    direction: Direction,
    mut attempt: impl FnMut() -> c_long,
) -> c_long {
    let known = table::known_socket(fd);
    let mut seen = known.as_ref().map(|entry| entry.source.look());
    let result = attempt();
    if result != AGAIN {
        if result > 0 {
            // A kill that comes here stays pending: what was read is the caller's.
            park::spend_budget_holding();
        }
        return result;
    }
    if is_nonblocking(fd) {
        return AGAIN;
    }
    let deadline = socket_deadline(fd, direction);
    let Some((_, identity)) = table::examine(fd) else { return Failed::Closed.result() };
    let Some(entry) = table::socket(fd, identity) else { return Failed::Closed.result() };
    if !known.is_some_and(|known| Arc::ptr_eq(&known, &entry)) {
        seen = None;
    }
    loop {
        if let Some(seen) = seen {
            entry.source.would_block(direction, seen);
        }
        match wait_for(hook, &entry, direction, deadline) {
            Ok(()) => {}
            // It is registered by another owner: by a type of this library, say.
            Err(Failed::Os(libc::EEXIST)) => {
                if let Err(failed) = wait_once(hook, fd, direction, deadline) {
                    return failed.result();
                }
            }
            Err(failed) => return failed.result(),
        }
        seen = Some(entry.source.look());
        let result = attempt();
        if result != AGAIN {
            return result;
        }
    }
}

/// Waits until `poll` finds a descriptor ready that cannot be asked not to block.
pub(super) fn until_ready(
    hook: &Hook,
    fd: c_int,
    direction: Direction,
    deadline: Option<Instant>,
) -> Result<(), Failed> {
    while !is_ready(fd, direction)? {
        wait_once(hook, fd, direction, deadline)?;
    }
    Ok(())
}

fn is_ready(fd: c_int, direction: Direction) -> Result<bool, Failed> {
    let events = if direction == Direction::Read { libc::POLLIN } else { libc::POLLOUT };
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    match bare_poll(&mut entry, 1) {
        0 => Ok(false),
        ready if ready > 0 => Ok(true),
        error => Err(Failed::Os(-error as i32)),
    }
}

/// `poll` that does not wait.
pub(super) fn bare_poll(fds: *mut libc::pollfd, count: libc::nfds_t) -> c_long {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the caller's entries are valid, and so is the time; no mask is given.
    unsafe {
        syscall(
            libc::SYS_ppoll,
            [
                fds.expose_provenance() as c_long,
                count as c_long,
                (&raw const now).expose_provenance() as c_long,
                0,
                0,
                0,
            ],
        )
    }
}

/// How an operation on a descriptor that is no socket is to be done.
pub(super) enum Plan {
    /// At once, by the C library: it never waits, or is not to.
    AtOnce,
    /// It may wait, and is a file of this kind.
    Wait(Kind),
}

/// Standard input, output and error are shared with the program that started this one: what reads from them blocks.
pub(super) const LAST_STANDARD: c_int = 2;

pub(super) fn plan(fd: c_int) -> Plan {
    match table::examine(fd) {
        Some((kind @ (Kind::Pipe | Kind::Other), _))
            if fd > LAST_STANDARD && !is_nonblocking(fd) =>
        {
            Plan::Wait(kind)
        }
        _ => Plan::AtOnce,
    }
}
