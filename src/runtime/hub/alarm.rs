//! How workers wake the thread that looks after them all, which sleeps while they do.
//!
//! A worker first wakes up, or puts a task in its place, and then looks at the word; the thread first sets the word and then looks
//! whether it may sleep. So one of the two sees the other, and a worker that finds the thread awake touches nothing.
#![forbid(unsafe_code)]

use crate::sys::process::PerProcess;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering, fence};
use std::thread::Thread;
use std::time::Instant;

/// The thread does not sleep, or for a moment only.
const SHORT: u8 = 0;
/// It sleeps until a time: no worker that is awake had tasks to start later.
const LONG: u8 = 1;
/// It sleeps until a worker wakes it.
const DORMANT: u8 = 2;

static SLEEP: AtomicU8 = AtomicU8::new(SHORT);

fn thread() -> &'static OnceLock<Thread> {
    static THREAD: PerProcess<OnceLock<Thread>> = PerProcess::new();
    THREAD.get(OnceLock::new)
}

/// Called by a worker that has woken up.
#[inline]
pub(super) fn awake() {
    if SLEEP.load(Ordering::SeqCst) == DORMANT {
        rouse();
    }
}

/// Called by a worker that has a task to start later, and had none.
#[inline]
pub(super) fn attend() {
    if SLEEP.load(Ordering::SeqCst) != SHORT {
        rouse();
    }
}

/// Has the thread look now, if there is one.
#[cold]
pub(crate) fn rouse() {
    if SLEEP.swap(SHORT, Ordering::SeqCst) != SHORT
        && let Some(thread) = thread().get()
    {
        thread.unpark();
    }
}

/// Whether there is such a thread.
pub(crate) fn has_thread() -> bool {
    thread().get().is_some()
}

/// Notes that it is that thread.
pub(crate) fn set_thread(own: Thread) {
    let _ = thread().set(own);
}

/// Sleeps until a worker wakes up, unless one is awake. For the thread only.
pub(crate) fn sleep_while_all_do(one_is_awake: impl FnOnce() -> bool) {
    announce(DORMANT);
    if !one_is_awake() {
        while SLEEP.load(Ordering::SeqCst) == DORMANT {
            std::thread::park();
        }
    }
}

/// Sleeps until that time, unless a worker that is awake has tasks to start later; one that gets some ends it. Returns whether it slept
/// to the end. For the thread only.
pub(crate) fn sleep_until(until: Instant, one_has_delayed: impl FnOnce() -> bool) -> bool {
    announce(LONG);
    if one_has_delayed() {
        SLEEP.store(SHORT, Ordering::SeqCst);
    }
    while SLEEP.load(Ordering::SeqCst) == LONG {
        match until.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => std::thread::park_timeout(left),
            _ => break,
        }
    }
    SLEEP.swap(SHORT, Ordering::SeqCst) == LONG
}

fn announce(sleep: u8) {
    SLEEP.store(sleep, Ordering::SeqCst);
    fence(Ordering::SeqCst);
}
