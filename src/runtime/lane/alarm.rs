//! How workers wake the lookout, the thread that watches over all of them. It sleeps while all of them do.
//!
//! A worker first wakes up, or puts a task in its place, and then looks at the word; the lookout first sets the word
//! and then looks whether it may sleep. So at least one of the two sees the other, and a worker that finds the lookout
//! awake writes nothing.
#![forbid(unsafe_code)]

use crate::sys::clock;
use crate::sys::process::PerProcess;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use std::thread::Thread;
use std::time::Instant;

/// The lookout is awake, or sleeps for a moment only.
const SHORT: u8 = 0;
/// It sleeps until a certain time, as nothing has to be looked at soon.
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
pub(in crate::runtime) fn awake() {
    if SLEEP.load(Ordering::SeqCst) == DORMANT {
        rouse();
    }
}

/// Called by a worker that has a task to start later and had none before.
#[inline]
pub(in crate::runtime) fn attend() {
    if SLEEP.load(Ordering::SeqCst) != SHORT {
        rouse();
    }
}

/// Whether a thread was woken lately while others went on waiting for the same thing.
static CONTENDED: AtomicBool = AtomicBool::new(false);

/// Called when a thread is on its way to what others wait for too, as its worker may be held up.
#[inline]
pub(crate) fn contended() {
    #[cold]
    fn note() {
        CONTENDED.store(true, Ordering::SeqCst);
        attend();
    }
    if !CONTENDED.load(Ordering::Relaxed) {
        note();
    }
}

/// Whether [`contended`] has been called since [`take_contended`].
pub(crate) fn is_contended() -> bool {
    CONTENDED.load(Ordering::SeqCst)
}

/// Whether [`contended`] has been called since the last call of this function. For the lookout only.
pub(crate) fn take_contended() -> bool {
    CONTENDED.load(Ordering::Relaxed) && CONTENDED.swap(false, Ordering::SeqCst)
}

/// Makes the lookout look now, if there is one.
#[cold]
pub(crate) fn rouse() {
    if SLEEP.swap(SHORT, Ordering::SeqCst) != SHORT
        && let Some(thread) = thread().get()
    {
        thread.unpark();
    }
}

/// Whether there is a lookout.
pub(crate) fn has_thread() -> bool {
    thread().get().is_some()
}

/// Notes that the calling thread is the lookout.
pub(crate) fn set_thread(own: Thread) {
    let _ = thread().set(own);
}

/// Sleeps until a worker wakes up, unless `must_not` says not to. Returns whether it slept. For the lookout only.
pub(crate) fn sleep_while_all_do(must_not: impl FnOnce() -> bool) -> bool {
    announce(DORMANT);
    let sleeps = !must_not();
    if sleeps {
        while SLEEP.load(Ordering::SeqCst) == DORMANT {
            std::thread::park();
        }
    }
    sleeps
}

/// Sleeps until that time, unless something has to be looked at soon: a task that is to start later on a worker that is
/// awake, or a wait for what another is on its way to. These also end the sleep. Returns whether it slept to the end.
/// For the lookout only.
pub(crate) fn sleep_until(until: Instant, is_soon: impl FnOnce() -> bool) -> bool {
    announce(LONG);
    if is_soon() {
        SLEEP.store(SHORT, Ordering::SeqCst);
    }
    while SLEEP.load(Ordering::SeqCst) == LONG {
        match until.checked_duration_since(clock::now()) {
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
