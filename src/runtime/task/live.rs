//! Started tasks of a hub, with a stack or without one: those without *rest*.
//!
//! What a pending spawned future leaves is in its task, so between two polls it needs no stack. Such a task *rests*:
//! its park word says that it sleeps, as that of any waiting task does, and its `control` is [`RESTING`] instead of the
//! address of a control block. It keeps its place in the hub's roster, and the hub keeps its reference. When it is
//! woken it is put into the run queue, as a word with [`TAG`]; when its turn comes it is given a stack and its body
//! runs again.

use super::header::Header;
use super::inbox::Woken;
use super::started::Started;
use super::task_ref::TaskRef;
use crate::coroutine::{self, Control};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;

/// The `control` of a task that rests. It is not the address of a control block.
const RESTING: *mut Control = ptr::without_provenance_mut(1);
/// The bit by which a run queue marks a task that rests.
const TAG: usize = 1;

/// A task that has started on the calling thread's hub and not ended: its header, which the hub keeps alive. It is `!Send`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live(NonNull<Header>);

impl Live {
    pub(crate) fn of(started: Started) -> Self {
        Self(started.header())
    }

    /// Runs `f` with the task, which does not end meanwhile.
    #[inline(always)]
    pub(crate) fn with<R>(self, f: impl FnOnce(&TaskRef) -> R) -> R {
        // SAFETY: borrowed from the hub's reference and never dropped. The task cannot end within `f`: its hub runs `f`.
        let task = ManuallyDrop::new(unsafe { TaskRef::adopt(self.0) });
        f(&task)
    }

    pub(crate) fn task(self) -> TaskRef {
        self.with(TaskRef::clone)
    }

    /// The task with its stack, if it has one.
    pub(crate) fn started(self) -> Option<Started> {
        let control = self.with(|task| task.header().control.load(Ordering::Relaxed));
        // SAFETY: the control block of a task of the calling thread's hub.
        NonNull::new(control).filter(|_| control != RESTING).map(|at| unsafe { Started::new(at) })
    }
}

/// A task in the run queue of its hub.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready(NonNull<u8>);

/// An entry of a run queue, by its kind.
pub(crate) enum ReadyTask {
    Started(Started),
    Resting(Resting),
}

/// The right to have a task that has rested run again: the hub's reference to it.
pub(crate) struct Resting(NonNull<Header>);

impl Ready {
    /// # Safety
    /// The task rests on the calling thread's hub, and the caller has the right to put it into the hub's queue: it has ended the
    /// task's wait, or the task has not begun one.
    unsafe fn resting(header: NonNull<Header>) -> Self {
        Self(header.cast().map_addr(|address| address | TAG))
    }

    #[inline(always)]
    pub(crate) fn turn(self) -> ReadyTask {
        if self.rests() {
            ReadyTask::Resting(Resting(self.header()))
        } else {
            // SAFETY: made of one, see `from`; the hub takes each out of its queue before the task can end.
            ReadyTask::Started(unsafe { Started::new(self.0.cast()) })
        }
    }

    /// When another thread last woke it.
    #[allow(dead_code, reason = "workers that count alone ask")]
    pub(crate) fn woken_at(self) -> u64 {
        let header = match self.turn() {
            ReadyTask::Started(started) => started.header(),
            ReadyTask::Resting(resting) => resting.0,
        };
        // SAFETY: it is in the hands of its hub, which keeps it alive until it has been run.
        unsafe { header.as_ref() }.woken.get()
    }

    fn header(self) -> NonNull<Header> {
        // SAFETY: a header's address is not zero, and is even.
        unsafe { NonNull::new_unchecked(self.0.as_ptr().map_addr(|address| address & !TAG).cast()) }
    }

    /// Prefetches the memory that its turn touches first.
    #[inline(always)]
    pub(crate) fn prefetch(self) {
        if self.rests() {
            Header::prefetch(self.header());
        } else {
            coroutine::prefetch_resume(self.0.cast());
        }
    }

    /// Prefetches what its body has left, if it rests. Its header should be in the cache by then.
    #[inline(always)]
    pub(crate) fn prefetch_rest(self) {
        if self.rests() {
            let header = self.header();
            // SAFETY: it rests in the queue, so its header lives, and its stage is the calling hub's.
            unsafe { (header.as_ref().vtable.prefetch)(header) };
        }
    }

    #[inline(always)]
    fn rests(self) -> bool {
        self.0.addr().get() & TAG != 0
    }
}

impl From<Started> for Ready {
    #[inline(always)]
    fn from(started: Started) -> Self {
        Self(started.control().cast())
    }
}

impl Resting {
    /// The task, and with it the hub's reference.
    pub(crate) fn into_task(self) -> TaskRef {
        // SAFETY: a task stands in the queue once, so this takes the reference over once; `start` gives it to the started task again.
        unsafe { TaskRef::adopt(self.0) }
    }
}

impl TaskRef {
    /// Begins to rest: from here on the body returns to the hub and touches nothing of the task. It sleeps until one of
    /// its wakers is used. It does not sleep if a waker has been used since their count was `seen`, or if the task has
    /// been killed: then what this returns goes into the run queue.
    ///
    /// Called by the owner, a green thread of the calling thread's hub.
    pub(crate) fn rest(&self, seen: u64) -> Option<Ready> {
        let token = self.park_word().prepare();
        self.header().control.store(RESTING, Ordering::Relaxed);
        let sleeps = self.sleep_until_woken(token, true, seen, || self.is_killed());
        // SAFETY: it rests, and nobody else has ended its wait.
        (!sleeps).then(|| unsafe { Ready::resting(self.as_ptr()) })
    }

    /// Whether it rests.
    #[inline(always)]
    pub(crate) fn rests(&self) -> bool {
        self.header().control.load(Ordering::Relaxed) == RESTING
    }
}

impl Header {
    /// The entry of a run queue for it, given its `control`.
    ///
    /// # Safety
    /// The task has started on the calling thread's hub and sleeps or rests there, and the caller is the one who has ended that.
    #[inline]
    pub(super) unsafe fn ready(&self, control: NonNull<Control>) -> Ready {
        if control.as_ptr() == RESTING {
            // SAFETY: as the caller says.
            unsafe { Ready::resting(NonNull::from(self)) }
        } else {
            // SAFETY: as the caller says.
            unsafe { Started::new(control) }.into()
        }
    }

    /// # Safety
    /// The task sleeps or rests on the calling thread's hub, which it has started on or is to start on later, and the caller is the one
    /// who has ended that.
    #[inline]
    pub(super) unsafe fn woken(&self) -> Woken {
        match NonNull::new(self.control.load(Ordering::Relaxed)) {
            // SAFETY: as the caller says.
            Some(control) => Woken::Ready(unsafe { self.ready(control) }),
            None => Woken::Delayed(self.delayed_place()),
        }
    }
}
