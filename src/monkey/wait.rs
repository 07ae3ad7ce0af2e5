//! Waits of patched calls: for a descriptor, for a time. Nothing here unwinds.

use super::hook::Hook;
use super::identity::{self, FileKind};
use super::known_descriptor::KnownDescriptor;
use super::table;
use crate::green_local;
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::runtime::reactor::Direction;
use crate::sys::bare::{address, socket_option, syscall};
use crate::sys::time::deadline_after;
use crate::sys::{clock, file, report};
use std::cell::Cell;
use std::ffi::{c_int, c_long};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The kernel's result for a call that would block.
pub(super) const AGAIN: c_long = -(libc::EAGAIN as c_long);

/// Why a wait has ended although nothing is ready. It decides the result of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitFailed {
    /// The time limit of the call has passed.
    TimedOut,
    /// The descriptor was closed meanwhile.
    Closed,
    /// The green thread was killed, or a `timeout` around the call has passed.
    Cancelled,
    /// The kernel refused.
    Os(i32),
}

impl WaitFailed {
    /// The kernel's result for the call. After a timeout it is the same as for a call that would block.
    pub(super) fn result(self) -> c_long {
        -c_long::from(match self {
            Self::TimedOut => libc::EAGAIN,
            Self::Closed => libc::EBADF,
            Self::Cancelled => libc::ECANCELED,
            Self::Os(errno) => errno,
        })
    }
}

impl From<io::Error> for WaitFailed {
    fn from(error: io::Error) -> Self {
        Self::Os(error.raw_os_error().unwrap_or(libc::EIO))
    }
}

green_local! {
    /// How many calls have failed because of a kill or a timeout.
    static CANCELLED: Cell<u32> = const { Cell::new(0) };
}

/// How many calls may fail without a pause.
const CANCELLED_FREELY: u32 = 16;
/// From this many on the pauses grow, up to a second, and the loop is reported.
const CANCELLED_TOO_OFTEN: u32 = 512;

/// How long a call takes to fail because of a kill, if `count` calls have failed so on its green thread.
fn pause_after(count: u32) -> Duration {
    match count {
        0..=CANCELLED_FREELY => Duration::ZERO,
        _ => Duration::from_millis(1 << (count / CANCELLED_TOO_OFTEN).min(10)),
    }
}

/// To be called when a call fails because of a kill. A loop that skips errors outlives the kill, as the call must not
/// unwind and can only return an error. So that such a loop does not keep its worker from others, each call takes
/// longer to fail the longer the loop goes on, and the loop is reported.
pub(super) fn cancelled(hook: &Hook) -> WaitFailed {
    let count = CANCELLED.try_with(|count| {
        count.set(count.get().saturating_add(1));
        count.get()
    });
    let count = count.unwrap_or(0);
    let pause = pause_after(count);
    if count == CANCELLED_TOO_OFTEN {
        report(format_args!(
            "the green thread '{}' was killed, or its time is over, and goes on: {count} calls have failed with ECANCELED since, and \
             a loop around the last of them (`{}`) takes that for an error to be skipped. End the loop at an error: \
             `for stream in listener.incoming() {{ let stream = stream?; ... }}`",
            park::own_task(),
            hook.name(),
        ));
    }
    if !pause.is_zero() {
        let _ = Parker::uninterruptible().park(Reason::Sleep, deadline_after(pause));
    }
    WaitFailed::Cancelled
}

/// Suspends until `deadline`; `None` is for ever. The error says that a kill ended it.
pub(super) fn sleep(hook: &Hook, deadline: Option<Instant>) -> Result<(), WaitFailed> {
    hook.count_wait();
    match Parker::new().park(Reason::Sleep, deadline) {
        Wake::Killed => Err(cancelled(hook)),
        Wake::Notified | Wake::TimedOut => Ok(()),
    }
}

/// Whether `O_NONBLOCK` is set, so that the caller does not want to wait.
pub(super) fn is_nonblocking(fd: c_int) -> bool {
    // SAFETY: reads the flags of a descriptor.
    let flags = unsafe { syscall(libc::SYS_fcntl, [fd.into(), libc::F_GETFL.into(), 0, 0, 0, 0]) };
    flags >= 0 && flags & c_long::from(libc::O_NONBLOCK) != 0
}

/// The deadline, by `SO_RCVTIMEO` or `SO_SNDTIMEO`, of a call on a socket that `began` then, or begins now.
pub(super) fn socket_deadline(
    fd: c_int,
    direction: Direction,
    began: Option<Instant>,
) -> Option<Instant> {
    let option = match direction {
        Direction::Read => libc::SO_RCVTIMEO,
        Direction::Write => libc::SO_SNDTIMEO,
    };
    let mut timeout = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: these options are two numbers.
    let result = unsafe { socket_option(fd, option, &mut timeout) };
    let set = result == 0 && (timeout.tv_sec != 0 || timeout.tv_usec != 0);
    let length = Duration::new(timeout.tv_sec as u64, timeout.tv_usec as u32 * 1000);
    let deadline = || match began {
        Some(began) => began.checked_add(length).or_else(|| deadline_after(length)),
        None => deadline_after(length),
    };
    set.then(deadline).flatten()
}

fn socket_type(fd: c_int) -> Option<c_int> {
    let mut kind: c_int = 0;
    // SAFETY: the option is a number.
    let result = unsafe { socket_option(fd, libc::SO_TYPE, &mut kind) };
    (result == 0).then_some(kind)
}

/// Whether a socket is a stream, on which a message has no end.
pub(super) fn is_stream(fd: c_int) -> bool {
    socket_type(fd) == Some(libc::SOCK_STREAM)
}

/// Whether a socket has to wait for its peer when it connects; others only note an address.
pub(super) fn has_connections(fd: c_int) -> bool {
    matches!(socket_type(fd), Some(libc::SOCK_STREAM | libc::SOCK_SEQPACKET))
}

/// Waits for an entry. The caller has checked that it is not closed, and has told the source what it knows of its
/// readiness.
pub(super) fn wait_for(
    hook: &Hook,
    entry: &Arc<KnownDescriptor>,
    direction: Direction,
    deadline: Option<Instant>,
) -> Result<(), WaitFailed> {
    hook.count_wait();
    match entry.source.wait_quietly(direction, deadline, || entry.is_closed()) {
        Ok(Wake::Killed) => Err(cancelled(hook)),
        Ok(Wake::Notified) | Err(_) if entry.is_closed() => Err(WaitFailed::Closed),
        Ok(Wake::Notified) => Ok(()),
        Ok(Wake::TimedOut) => Err(WaitFailed::TimedOut),
        Err(error) => Err(error.into()),
    }
}

/// Like [`wait_for`], for a socket. If another owner, such as a type of this library, has registered it, this wait has
/// a registration of its own.
pub(super) fn wait_for_socket(
    hook: &Hook,
    fd: c_int,
    entry: &Arc<KnownDescriptor>,
    direction: Direction,
    deadline: Option<Instant>,
) -> Result<(), WaitFailed> {
    match wait_for(hook, entry, direction, deadline) {
        Err(WaitFailed::Os(libc::EEXIST)) => wait_once(hook, fd, direction, deadline),
        waited => waited,
    }
}

/// Waits for a descriptor by a registration for this wait only.
pub(super) fn wait_once(
    hook: &Hook,
    fd: c_int,
    direction: Direction,
    deadline: Option<Instant>,
) -> Result<(), WaitFailed> {
    let (_, identity) = identity::examine(fd).ok_or(WaitFailed::Closed)?;
    // SAFETY: the caller of the patched call keeps the number open, or closes it by a patched call, which ends the wait.
    let own = match file::duplicate(unsafe { BorrowedFd::borrow_raw(fd) }) {
        Err(error) if error.raw_os_error() == Some(libc::EBADF) => return Err(WaitFailed::Closed),
        own => own?,
    };
    let entry = KnownDescriptor::new(fd, identity, Some(own));
    let _listed = table::list(fd, identity, &entry);
    // From here on, closing the number ends the wait. It may have been closed since the duplicate was made.
    if identity::examine(fd).is_none_or(|(_, now)| now != identity) {
        return Err(WaitFailed::Closed);
    }
    match wait_for(hook, &entry, direction, deadline) {
        // The caller looks again.
        Err(WaitFailed::Closed) if entry.closed_number().is_none() => Ok(()),
        waited => waited,
    }
}

/// How long a socket is waited for by what was known of it before. See [`glance`].
const GLANCE: Duration = Duration::from_millis(100);

/// About as long, in ticks, for measuring how long waits take.
const BRISK: u64 = 1 << 27;

/// How a wait ended that [`glance`] has made.
enum Glance {
    /// The socket may be ready.
    Ready,
    /// Nothing has come, or the wait failed: what was known may be wrong.
    Over,
    Failed(WaitFailed),
}

/// Waits for a socket as it was when somebody last waited for it. That is nearly always right. To ask the kernel each
/// time whether the number still means that socket, and which timeout it has, is a good part of what a short message
/// costs. So where waits for a socket have been short, each begins with a short one that asks nothing; the kernel is
/// asked only if the wait lasts.
fn glance(
    hook: &Hook,
    entry: &Arc<KnownDescriptor>,
    direction: Direction,
    until: Instant,
) -> Glance {
    match wait_for(hook, entry, direction, Some(until)) {
        Ok(()) => Glance::Ready,
        Err(failed @ (WaitFailed::Closed | WaitFailed::Cancelled)) => Glance::Failed(failed),
        Err(WaitFailed::TimedOut | WaitFailed::Os(_)) => Glance::Over,
    }
}

/// Repeats an operation on a socket, which must not block, until its result is not [`AGAIN`], and waits in between.
///
/// `attempt` may find that the descriptor is no socket, and returns `-ENOTSOCK` then. If it gets less than `most` it
/// has taken all there is, on the kinds of sockets for which that holds.
pub(super) fn on_socket(
    hook: &Hook,
    fd: c_int,
    direction: Direction,
    most: Option<usize>,
    mut attempt: impl FnMut() -> c_long,
) -> c_long {
    // Most writes are done at once. One that is not is tried once more after a look.
    let known = (direction == Direction::Read).then(|| table::known_socket(fd)).flatten();
    let mut seen = known.as_ref().map(|entry| entry.source.look());
    let came_up_short = |entry: &KnownDescriptor, seen, result: c_long| {
        if most.is_some_and(|most| (result as usize) < most) && entry.runs_empty() {
            entry.source.came_up_short(direction, seen);
        }
    };
    let brisk = known.as_ref().zip(seen).filter(|(entry, _)| entry.is_brisk());
    // A socket that is known to be empty is not tried.
    let skips = brisk.is_some_and(|(entry, seen)| {
        entry.runs_empty() && !entry.source.may_be_ready(direction, seen)
    }) && !is_nonblocking(fd);
    if !skips {
        let result = attempt();
        if result != AGAIN {
            if result > 0 {
                if let Some((entry, seen)) = known.as_ref().zip(seen) {
                    came_up_short(entry, seen, result);
                }
                // A kill that strikes here stays pending, as the data belongs to the caller.
                park::spend_budget_holding();
            }
            return result;
        }
        if is_nonblocking(fd) {
            return AGAIN;
        }
    }
    let mut began = None;
    if let Some((entry, looked)) = brisk {
        if !skips {
            entry.source.would_block(direction, looked);
        }
        let now = clock::now();
        began = Some(now);
        let glanced = glance(hook, entry, direction, now + GLANCE);
        if let Glance::Failed(failed) = glanced {
            return failed.result();
        }
        let looked = entry.source.look();
        seen = Some(looked);
        let result = attempt();
        if result != AGAIN {
            match glanced {
                Glance::Ready if result > 0 => came_up_short(entry, looked, result),
                // There was data that no event had announced.
                Glance::Over if result > 0 => entry.does_not_run_empty(),
                _ => {}
            }
            return result;
        }
        if matches!(glanced, Glance::Over) {
            entry.set_brisk(None);
        }
        if is_nonblocking(fd) {
            return AGAIN;
        }
    }
    let Some(entry) = table::socket(fd, known.as_ref()) else { return WaitFailed::Closed.result() };
    if !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &entry)) {
        seen = None;
    }
    let limits = entry.limits();
    let deadline = socket_deadline(fd, direction, began);
    let may_be_brisk = direction == Direction::Read
        && deadline
            .is_none_or(|deadline| deadline.saturating_duration_since(clock::now()) > GLANCE);
    let mut refused_though_ready = false;
    loop {
        // Some refusals end without an announcement, as when the receiver of a datagram that is sent to a name gets
        // room.
        let is_ready = direction == Direction::Write && is_ready(fd, direction).unwrap_or(false);
        let waited = if !is_ready {
            if let Some(seen) = seen {
                entry.source.would_block(direction, seen);
            }
            let asleep_at = clock::ticks();
            let waited = wait_for_socket(hook, fd, &entry, direction, deadline);
            if direction == Direction::Read {
                let is_brisk = may_be_brisk && clock::ticks().wrapping_sub(asleep_at) < BRISK;
                entry.set_brisk(is_brisk.then_some(limits));
            }
            waited
        } else if refused_though_ready {
            pause(hook, deadline)
        } else {
            Ok(())
        };
        if let Err(failed) = waited {
            return failed.result();
        }
        refused_though_ready = is_ready;
        let looked = entry.source.look();
        seen = Some(looked);
        let result = attempt();
        if result != AGAIN {
            if result > 0 {
                came_up_short(&entry, looked, result);
            }
            return result;
        }
    }
}

/// How long to wait before looking again for something that the system does not announce.
const UNANNOUNCED: Duration = Duration::from_millis(1);

/// Waits a moment for something that the system does not announce, or until the deadline.
pub(super) fn pause(hook: &Hook, deadline: Option<Instant>) -> Result<(), WaitFailed> {
    let next = clock::now() + UNANNOUNCED;
    match deadline.filter(|deadline| *deadline <= next) {
        Some(deadline) => sleep(hook, Some(deadline)).and(Err(WaitFailed::TimedOut)),
        None => sleep(hook, Some(next)),
    }
}

/// Waits until `poll` finds a descriptor ready that cannot be asked not to block.
pub(super) fn until_ready(
    hook: &Hook,
    fd: c_int,
    direction: Direction,
    deadline: Option<Instant>,
) -> Result<(), WaitFailed> {
    while !is_ready(fd, direction)? {
        wait_once(hook, fd, direction, deadline)?;
    }
    Ok(())
}

/// Whether `poll` finds a descriptor ready, or in an error that an operation tells.
pub(super) fn is_ready(fd: c_int, direction: Direction) -> Result<bool, WaitFailed> {
    let events = if direction == Direction::Read { libc::POLLIN } else { libc::POLLOUT };
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    match bare_poll(&mut entry, 1) {
        0 => Ok(false),
        ready if ready > 0 => Ok(true),
        error => Err(WaitFailed::Os(-error as i32)),
    }
}

/// `poll` that does not wait.
pub(super) fn bare_poll(fds: *mut libc::pollfd, count: libc::nfds_t) -> c_long {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the caller's entries are valid, and so is the time; no mask is given.
    unsafe {
        syscall(libc::SYS_ppoll, [address(fds), count as c_long, address(&raw const now), 0, 0, 0])
    }
}

/// How to do an operation on a descriptor that is no socket.
pub(super) enum WaitPlan {
    /// At once, by the C library, as it never waits, or is not to be suspended.
    AtOnce,
    /// By now it is a socket: another thread has closed the number and used it again since it was looked at.
    Socket,
    /// It may wait, and is a file of this kind.
    Wait(FileKind),
}

/// Standard input, output and error, which are shared with the program that started this one. Reading from them blocks.
pub(super) const LAST_STANDARD: c_int = 2;

pub(super) fn plan(fd: c_int) -> WaitPlan {
    match identity::examine(fd) {
        Some((kind @ (FileKind::Pipe | FileKind::Other), _))
            if fd > LAST_STANDARD && !is_nonblocking(fd) =>
        {
            WaitPlan::Wait(kind)
        }
        Some((FileKind::Socket, _)) if fd > LAST_STANDARD && !is_nonblocking(fd) => {
            WaitPlan::Socket
        }
        _ => WaitPlan::AtOnce,
    }
}
