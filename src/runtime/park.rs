//! The one way to wait: everything that blocks goes through a [`Parker`], on green threads and OS threads alike.
//!
//! A wait has three steps. [`Parker::new`] begins it; the [`Waiter`] it gives is put where a waker will find it; then
//! [`Parker::park`] sleeps until that waiter is unparked, the deadline passes, or a kill arrives. Between the first and
//! the last step nothing is lost: a wake-up that comes early makes `park` return at once, one that comes after the wait
//! has ended another way does nothing.
#![forbid(unsafe_code)]

use super::panic_hook;
use super::task::{
    self, Kill, Outcome, Started, TaskRef, Token, current, new_os_thread, sleep_os_thread, switch,
};
use crate::sys::process;
use std::marker::PhantomData;
use std::panic::resume_unwind;
use std::time::Instant;

/// What a thread waits for, as reports name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    None,
    Sleep,
    Join,
    Run,
    Shutdown,
    Readable,
    Writable,
    Lock,
    Condition,
    Semaphore,
    Event,
    Barrier,
    Once,
    Send,
    Receive,
    Select,
    Queue,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    /// Its waiter was unparked.
    Notified,
    /// The deadline passed first.
    TimedOut,
    /// The green thread has been killed. The caller takes its waiter back from where it put it, then calls
    /// [`raise_kill`].
    Killed,
}

/// The right to end one wait. Late or repeated use does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiter {
    task: TaskRef,
    token: Token,
}

impl Waiter {
    pub(crate) fn unpark(&self) {
        self.task.unpark(self.token);
    }
}

/// One wait of the calling thread.
#[derive(Debug)]
pub(crate) struct Parker {
    waiter: Waiter,
    /// The green thread, unless the OS thread itself waits.
    green: Option<Started>,
    interruptible: bool,
    not_send: PhantomData<*mut ()>,
}

thread_local! {
    static OS_THREAD: TaskRef = new_os_thread();
}

/// What the calling OS thread itself waits with. While its thread-locals are being destroyed, something made for the
/// occasion.
pub(crate) fn os_thread() -> TaskRef {
    OS_THREAD.try_with(TaskRef::clone).unwrap_or_else(|_| new_os_thread())
}

/// The green thread that the calling OS thread runs, if it may be suspended here.
///
/// Inside the panic hook it may not: std counts the hook by OS thread and aborts if another panic begins meanwhile.
/// Nor while the process runs its exit handlers. Waiting there blocks the OS thread.
#[inline]
fn current_green() -> Option<Started> {
    let green = current::with_hub(|hub| hub.current()).flatten()?;
    if must_block() { None } else { Some(green) }
}

#[inline(always)]
fn must_block() -> bool {
    process::is_exiting() || (std::thread::panicking() && panic_hook::is_running())
}

/// Whether the caller is a green thread that may be suspended here.
#[inline]
pub(crate) fn is_green() -> bool {
    current_green().is_some()
}

impl Parker {
    /// Begins a wait that a kill may end.
    #[inline]
    pub(crate) fn new() -> Self {
        Self::begin(true)
    }

    /// Begins a wait that only its waker ends.
    pub(crate) fn uninterruptible() -> Self {
        Self::begin(false)
    }

    #[inline]
    fn begin(interruptible: bool) -> Self {
        let green = current_green();
        let task = match green {
            Some(started) => started.task(),
            None => os_thread(),
        };
        let token = task.park_word().prepare();
        // While unwinding, a second unwind would abort the process: the kill stays pending.
        let interruptible = interruptible && green.is_some() && !std::thread::panicking();
        Self { waiter: Waiter { task, token }, green, interruptible, not_send: PhantomData }
    }

    /// What ends this wait.
    #[inline]
    pub(crate) fn waiter(&self) -> Waiter {
        self.waiter.clone()
    }

    /// Sleeps until the waiter is unparked, the deadline passes, or the green thread is killed.
    pub(crate) fn park(&self, reason: Reason, deadline: Option<Instant>) -> Wake {
        match self.green {
            Some(started) => self.park_green(started, reason, deadline),
            None => self.park_os_thread(deadline),
        }
    }

    fn park_green(&self, started: Started, reason: Reason, deadline: Option<Instant>) -> Wake {
        let Waiter { task, token } = &self.waiter;
        if self.is_killed() {
            // Raised before and swallowed, or raised while we ran: let the others have their turn first.
            requeue_and_suspend(started);
            return Wake::Killed;
        }
        task.set_reason(reason);
        let timer =
            deadline.and_then(|at| current::with_hub(|hub| hub.add_timer(started, *token, at)));
        // The second look at the kill flag pairs with `kill`: it sets the flag, then looks at the park word.
        let sleeps = task.park_word().park(*token, self.interruptible)
            && !(self.is_killed() && task.park_word().interrupt());
        if sleeps {
            switch::suspend(started);
        }
        let outcome = task.park_word().outcome();
        if let Some(timer) = timer
            && outcome != Outcome::Expired
        {
            current::with_hub(|hub| hub.cancel_timer(timer));
        }
        match outcome {
            Outcome::Notified => Wake::Notified,
            Outcome::Expired => Wake::TimedOut,
            Outcome::Interrupted => Wake::Killed,
        }
    }

    fn park_os_thread(&self, deadline: Option<Instant>) -> Wake {
        let Waiter { task, token } = &self.waiter;
        if task.park_word().park(*token, false) {
            sleep_os_thread(task, *token, deadline);
        }
        match task.park_word().outcome() {
            Outcome::Expired => Wake::TimedOut,
            Outcome::Notified | Outcome::Interrupted => Wake::Notified,
        }
    }

    #[inline]
    fn is_killed(&self) -> bool {
        self.interruptible && task::any_killed() && self.waiter.task.is_killed()
    }
}

/// Ends the calling green thread by unwinding it. Locks are not poisoned by that, and the panic hook stays silent.
#[cold]
pub(crate) fn raise_kill() -> ! {
    resume_unwind(Box::new(Kill))
}

fn requeue_and_suspend(started: Started) {
    current::with_hub(|hub| hub.push_ready(started));
    switch::suspend(started);
}

/// Lets every other ready green thread of the worker run first; on a plain OS thread, yields that.
///
/// Inlined into the user's code on purpose, see [`switch::suspend`].
#[inline(always)]
pub(crate) fn yield_now() {
    let queued = current::with_hub(|hub| {
        let started = hub.current()?;
        if must_block() {
            return None;
        }
        hub.push_ready(started);
        Some(started)
    });
    let Some(started) = queued.flatten() else { return std::thread::yield_now() };
    switch::suspend(started);
    if task::any_killed() {
        raise_if_killed(started);
    }
}

#[cold]
fn raise_if_killed(started: Started) {
    if started.with(TaskRef::is_killed) && !std::thread::panicking() {
        raise_kill();
    }
}

/// Counts one operation that did not have to wait; after a number of them the green thread lets the others run.
#[inline]
pub(crate) fn spend_budget() {
    if current::with_hub(|hub| hub.spend_budget()).unwrap_or(false) {
        yield_now();
    }
}
