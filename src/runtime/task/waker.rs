//! A task as the [`Waker`] of the futures that it polls: its counted header, and nothing else.
//!
//! A waker stands for the task, and not for one wait of it. So all polls of a task get the same waker (futures that
//! keep it see by [`Waker::will_wake`] that they need no other), it may be kept for ever, and nothing is allocated.
//! Using it raises the count `wakes`, and ends the present wait of the task if that is for a future. It does not end
//! other waits.
//!
//! Whoever polls remembers the count from before the poll, and sleeps only while it is the same. Nobody resets the
//! count, so polls that are nested in one another, or take turns in greenlets, all see a wake-up; at worst one of them
//! polls once in vain.

use super::header::Header;
use super::here;
use super::park_word::Token;
use super::task_ref::TaskRef;
use crate::util::sync::{Ordering, mutated};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, free);

/// The reference that a waker stands for.
///
/// # Safety
/// `data` is that of one of our wakers, so of a live header. The reference is dropped only if the waker is used up.
unsafe fn reference(data: *const ()) -> ManuallyDrop<TaskRef> {
    // SAFETY: made from a `TaskRef` in `raw`, so not null; alive, as the caller says.
    ManuallyDrop::new(unsafe {
        TaskRef::adopt(NonNull::new_unchecked(data.cast_mut().cast::<Header>()))
    })
}

fn raw(task: &TaskRef) -> RawWaker {
    RawWaker::new(task.as_ptr().as_ptr().cast_const().cast(), &VTABLE)
}

/// # Safety
/// As [`RawWakerVTable::new`] says of it, for a waker of ours; likewise the next three.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker is borrowed, and so is the reference.
    let task = unsafe { reference(data) };
    raw(&ManuallyDrop::new(TaskRef::clone(&task)))
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker is used up, and its reference with it.
    ManuallyDrop::into_inner(unsafe { reference(data) }).wake();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker is borrowed, and so is the reference.
    unsafe { reference(data) }.wake();
}

unsafe fn free(data: *const ()) {
    // SAFETY: the waker is used up, and its reference with it.
    drop(ManuallyDrop::into_inner(unsafe { reference(data) }));
}

impl TaskRef {
    /// Runs `f` with the waker of this task. It is not counted; its clones are.
    #[inline(always)]
    pub(crate) fn with_waker<R>(&self, f: impl FnOnce(&Waker) -> R) -> R {
        // SAFETY: the table's functions keep `Waker`'s contract: a header may be used from any thread, see its table, and its
        // count is atomic. This one borrows our reference, which outlives it, and is never dropped.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw(self)) });
        f(&waker)
    }

    /// How often its wakers have been used. Called by the owner only.
    #[inline(always)]
    pub(crate) fn wakes(&self) -> u64 {
        let header = self.header();
        // On its own hub's OS thread, where this is called, the first number is exact.
        let own = header.own_wakes.load(Ordering::Relaxed);
        own.wrapping_add(header.wakes.load(Ordering::Acquire))
    }

    /// Owner: goes to sleep until one of its wakers is used. Returns `false`, and must not sleep, if a waker has been
    /// used since their count was `seen`, or if the wait has been interrupted.
    #[inline(always)]
    pub(crate) fn sleep_until_woken(
        &self,
        token: Token,
        interruptible: bool,
        seen: u64,
        is_interrupted: impl FnOnce() -> bool,
    ) -> bool {
        let park = self.park_word();
        park.park_wakeable(token, interruptible)
            && !(is_interrupted() && park.interrupt())
            && !(self.has_woken_since(seen)
                && !mutated("who polls does not look again before it sleeps")
                && park.wake())
    }

    /// Whether a waker has been used since the count was `seen`. Called by the owner only, after its park word says
    /// that it sleeps.
    #[inline]
    fn has_woken_since(&self, seen: u64) -> bool {
        let header = self.header();
        let own = header.own_wakes.load(Ordering::Relaxed);
        own.wrapping_add(header.wakes.load(Ordering::SeqCst)) != seen
    }

    /// The task of that waker, if it is a waker of this library.
    pub(crate) fn of_waker(waker: &Waker) -> Option<Self> {
        if !std::ptr::eq(waker.vtable(), &raw const VTABLE) {
            return None;
        }
        // SAFETY: its table says that it is one of ours, and it is borrowed.
        let task = unsafe { reference(waker.data()) };
        Some(TaskRef::clone(&task))
    }

    /// Whether that is a waker of this task.
    #[inline]
    pub(crate) fn is_woken_by(&self, waker: &Waker) -> bool {
        std::ptr::eq(waker.vtable(), &raw const VTABLE)
            && std::ptr::eq(waker.data(), self.as_ptr().as_ptr().cast_const().cast())
    }

    #[inline]
    pub(super) fn wake(&self) {
        let mailbox = self.header().mailbox.load(Ordering::Relaxed);
        let is_here = here::with_if(mailbox, |_| {
            // The task belongs to this OS thread, so it does not look at this moment, and nobody else changes the
            // count.
            let wakes = &self.header().own_wakes;
            wakes.store(wakes.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        });
        if !is_here {
            // `has_woken_since` reads this after the task has begun to sleep: so either it sees this, or we see that it
            // sleeps.
            self.header().wakes.fetch_add(1, Ordering::SeqCst);
        }
        if !mutated("a waker only counts") && self.park_word().wake() {
            self.make_runnable();
        }
    }
}
