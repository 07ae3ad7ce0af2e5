//! Who waits: the green thread that runs, or the OS thread itself, which has a task for that purpose.
#![forbid(unsafe_code)]

use super::yielding::let_others_run;
use crate::coroutine;
use crate::runtime::lane::{current, panic_hook};
use crate::runtime::task::{Started, TaskRef, new_os_thread};
use crate::sys::{process, thread_end};
use crate::util::sync;
use std::cell::Cell;
use std::mem::ManuallyDrop;

/// The thread that waits. A green thread is borrowed from its hub, as counting a reference at each wait would cost
/// time.
#[derive(Debug)]
pub(crate) enum Sleeper {
    Green(Started),
    Os(TaskRef),
}

impl Sleeper {
    /// The calling thread.
    #[inline]
    pub(in crate::runtime) fn current() -> Self {
        current_green().map_or_else(|| Self::Os(os_thread()), Self::Green)
    }

    /// Like [`current`](Self::current), but it may return a green thread that may not be suspended here: the caller
    /// checks [`is_current`](Self::is_current) before it suspends that.
    #[inline]
    pub(in crate::runtime) fn probably_current() -> Self {
        let green = current::running();
        green.map_or_else(|| Self::Os(os_thread()), Self::Green)
    }

    /// Whether this is still the calling thread. In a forked child a green thread is not.
    pub(in crate::runtime) fn is_current(&self) -> bool {
        match self {
            Self::Green(started) => current_green() == Some(*started),
            Self::Os(_) => true,
        }
    }

    /// Whether one of its wakers has been used since their count was `seen`.
    #[inline(always)]
    pub(in crate::runtime) fn has_woken(&self, seen: u64) -> bool {
        self.with(TaskRef::wakes) != seen
    }

    /// See [`let_others_run`].
    #[inline(always)]
    pub(in crate::runtime) fn lets_others_run(&self) -> bool {
        match self {
            Self::Green(started) => let_others_run(*started),
            Self::Os(_) => false,
        }
    }

    #[inline(always)]
    pub(in crate::runtime) fn with<R>(&self, f: impl FnOnce(&TaskRef) -> R) -> R {
        match self {
            Self::Green(started) => started.with(f),
            Self::Os(task) => f(task),
        }
    }
}

/// The task by which an OS thread waits, until its thread-locals are destroyed.
struct OwnTask(TaskRef);

impl Drop for OwnTask {
    fn drop(&mut self) {
        #[cfg(not(loom))]
        keep_late(self.0.clone());
    }
}

sync::thread_local! {
    static OS_THREAD: OwnTask = OwnTask(new_os_thread());
}

/// The task by which the calling OS thread itself waits. It is the same for the thread's whole life, since destructors
/// of thread-locals that are older than ours may wait too, may have taken locks before, and may be inside of timeouts.
pub(crate) fn os_thread() -> TaskRef {
    OS_THREAD.try_with(|own| own.0.clone()).unwrap_or_else(|_| late_os_thread())
}

std::thread_local! {
    /// The task by which an OS thread waits after the destructor of its `OS_THREAD` has run. This has no destructor.
    static LATE: ManuallyDrop<Cell<Option<TaskRef>>> = const { ManuallyDrop::new(Cell::new(None)) };
}

#[cold]
fn late_os_thread() -> TaskRef {
    let kept = LATE.with(|late| late.take());
    let task = kept.unwrap_or_else(new_os_thread);
    keep_late(task.clone());
    task
}

/// Keeps the task until all thread-locals of the calling OS thread have been destroyed.
fn keep_late(task: TaskRef) {
    LATE.with(|late| late.set(Some(task)));
    thread_end::call(|| drop(LATE.with(|late| late.take())));
}

/// The green thread that the calling OS thread runs, if it may be suspended here.
///
/// It may not be suspended inside the panic hook: std holds a lock of the OS thread around that, for which a neighbour
/// that sets a hook would wait. Nor may it be suspended while the OS thread runs the exit handlers of the process. In
/// both, waiting blocks the OS thread.
#[inline]
pub(super) fn current_green() -> Option<Started> {
    let green = current::with_lane(|lane| lane.current()).flatten()?;
    if must_block() { None } else { Some(green) }
}

/// As [`current_green`], for a caller that knows how many unwinds are under way around it: with none it is in no panic hook.
#[inline(always)]
pub(super) fn current_green_within(unwinds: Option<usize>) -> Option<Started> {
    if unwinds == Some(0) {
        current::running().filter(|_| !process::is_exiting())
    } else {
        current_green()
    }
}

#[inline(always)]
pub(super) fn must_block() -> bool {
    process::is_exiting() || (coroutine::any_unwinds() && panic_hook::is_running())
}

/// Whether the caller is a green thread that may be suspended here.
#[inline]
pub(crate) fn is_green() -> bool {
    current_green().is_some()
}
