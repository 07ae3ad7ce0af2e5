//! Kills and timeouts of the calling thread: when they end a wait, and how they are raised.
#![forbid(unsafe_code)]

use super::park::Parker;
use super::sleeper::{current_green, os_thread};
use crate::coroutine;
use crate::runtime::lane::current;
use crate::runtime::task::{self, Interruption, Started, TaskRef};
use std::panic::resume_unwind;
use std::time::Instant;

/// When a wait ends: at its own deadline or at an interruption, whichever comes first; and whether it is the
/// interruption.
pub(super) fn cut(
    interruption: Interruption,
    deadline: Option<Instant>,
) -> (Option<Instant>, bool) {
    match (interruption, deadline) {
        (Interruption::At(limit), Some(own)) if own < limit => (deadline, false),
        (Interruption::At(limit), _) => (Some(limit), true),
        _ => (deadline, false),
    }
}

/// The task of the calling thread, for its kills and timeouts.
pub(crate) fn own_task() -> TaskRef {
    current_green().or_else(current::lent).map_or_else(os_thread, Started::task)
}

/// Whether the calling thread is `task`.
#[inline]
pub(crate) fn is_caller(task: &TaskRef) -> bool {
    current::with_lane(|lane| lane.caller().is_some_and(|own| own.with(|own| own == task)))
        .unwrap_or(false)
}

/// Unwinds the calling thread: to its end if it was killed, otherwise out of the timeout that has expired. This poisons
/// no locks, and the panic hook stays silent.
///
/// # Panics
/// If the caller was not interrupted, but runs on its worker's stack and so cannot wait.
#[cold]
pub(crate) fn raise_kill() -> ! {
    let task = own_task();
    resume_unwind(match task.interruption(coroutine::unwinds()) {
        Interruption::Expired(id) => task.expired_payload(id),
        Interruption::None | Interruption::At(_) if current::lent().is_some() => refuse("wait"),
        _ => task.kill_payload(),
    })
}

/// Whether the caller runs on its worker's stack, where waits are refused. Each refused wait first ends as if it were
/// interrupted, so that what has begun is undone, and then by the panic of [`raise_kill`].
#[inline]
pub(super) fn refuses_waits() -> bool {
    current::lent().is_some()
}

/// Panics with the message that `what` must not be done on a worker's stack.
#[cold]
pub(super) fn refuse(what: &str) -> ! {
    panic!("the closure of `on_worker_stack` must not {what}: do that before the call, or after it")
}

/// Has the calling OS thread wait in a system call. `wait` sleeps at most until the deadline that it is given, and
/// returns whether something came before. An open timeout ends the wait too. A limit that another thread lets expire is
/// only noticed when the wait ends.
pub(crate) fn block_os_thread<E>(
    deadline: Option<Instant>,
    wait: impl FnOnce(Option<Instant>) -> Result<bool, E>,
) -> Result<bool, E> {
    let parker = Parker::new();
    let interruption = parker.interruption();
    if interruption.is_due() || parker.is_refused() {
        raise_kill();
    }
    let (until, limited) = cut(interruption, deadline);
    let in_time = wait(until)?;
    if limited && !in_time {
        raise_kill();
    }
    Ok(in_time)
}

/// Whether the calling thread, which is unwinding, does so because of a kill or a timeout, or because the generator or
/// greenlet that runs is being closed, and not because of a panic.
#[cold]
pub(crate) fn is_interrupted() -> bool {
    std::thread::panicking() && (coroutine::is_closed() || own_task().is_raised())
}

/// Whether an unwind other than a panic may be under way anywhere in the process.
#[inline(always)]
pub(crate) fn any_raised() -> bool {
    task::any_raised() || coroutine::any_closing()
}

/// Notes that no unwind is under way in the calling thread except those that run at this moment; see `task/raised.rs`.
#[cold]
#[inline(never)]
pub(crate) fn note_calm() {
    coroutine::note_calm();
    own_task().note_calm();
}
