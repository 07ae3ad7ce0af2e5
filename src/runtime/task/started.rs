//! A task as its own hub has it: a plain pointer that is not counted, as the task is alive while the hub has it.

use super::header::Header;
use super::owner::{Blocker, HeldBy, Owner};
use super::park_word::Token;
use super::task_ref::TaskRef;
use crate::coroutine::{self, Control};
use crate::sys::prefetch::prefetch;
use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering;

/// A bit of a control block's note: it points to the header of a task, and not to an [`Owner`].
const TASK: usize = 1;

/// A started task that lives on the calling thread's hub: its control block.
///
/// Valid from the start of the task to its end; the hub that owns it is the only one that keeps any. `!Send`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Started(NonNull<Control>);

impl Started {
    /// # Safety
    /// `control` is that of a task of the calling thread's hub which has started and not ended.
    pub(super) unsafe fn new(control: NonNull<Control>) -> Self {
        Self(control)
    }

    #[inline(always)]
    pub(super) fn control(self) -> NonNull<Control> {
        self.0
    }

    /// A counted reference to its task.
    #[inline(always)]
    pub(crate) fn task(self) -> TaskRef {
        let header = self.header();
        // SAFETY: a started task is alive, so its count is above zero and may be raised.
        unsafe { TaskRef::share(header) }
    }

    #[inline(always)]
    pub(super) fn header(self) -> NonNull<Header> {
        // SAFETY: the control block of a started task is valid, and its owner word is its header.
        unsafe { NonNull::new_unchecked(self.0.as_ref().owner().cast_mut().cast()) }
    }

    /// Runs `f` with its task, without counting a reference.
    #[inline(always)]
    pub(crate) fn with<R>(self, f: impl FnOnce(&TaskRef) -> R) -> R {
        // Borrowed from the reference that the hub holds; never dropped, so the count stays as it is.
        // SAFETY: the header is alive as long as the task, which cannot end within `f`: its hub runs `f`.
        let task = ManuallyDrop::new(unsafe { TaskRef::adopt(self.header()) });
        f(&task)
    }

    /// The task as one that waits until a deadline, at the latest.
    #[inline(always)]
    pub(crate) fn sleeper(self) -> SleepingTask {
        SleepingTask(self.header())
    }

    fn control_block(&self) -> &Control {
        // SAFETY: the control block of a started task is valid.
        unsafe { self.0.as_ref() }
    }

    /// Runs `wait`, in which this green thread, the caller, is suspended and depends on `blocker`.
    #[inline]
    pub(crate) fn blocked_on<R>(self, blocker: Blocker<'_>, wait: impl FnOnce() -> R) -> R {
        struct Done(Started);
        impl Drop for Done {
            fn drop(&mut self) {
                self.0.control_block().set_note(ptr::null());
            }
        }
        let note = match blocker {
            Blocker::Owner(owner) => ptr::from_ref(owner).cast::<()>(),
            Blocker::Task(task) => {
                task.as_ptr().as_ptr().cast_const().cast::<()>().map_addr(|a| a | TASK)
            }
        };
        self.control_block().set_note(note);
        let _done = Done(self);
        wait()
    }

    /// Forgets what the task waits for. The task stays suspended for ever, and what it waits for may be gone before it.
    pub(super) fn forget_blocker(self) {
        self.control_block().set_note(ptr::null());
    }

    /// Who has what it waits for while it is suspended, if that is known.
    pub(crate) fn holder(self) -> Option<HeldBy> {
        let note = self.control_block().note();
        if note.is_null() {
            return None;
        }
        if note.addr() & TASK != 0 {
            let header = note.map_addr(|a| a & !TASK).cast::<Header>().cast_mut();
            // SAFETY: set by `blocked_on` from the header of a `TaskRef` that is borrowed until the note is cleared, by
            // the green thread itself. That runs on our OS thread, so not now.
            let task = unsafe { TaskRef::share(NonNull::new_unchecked(header)) };
            return Some(HeldBy::Task(task));
        }
        // SAFETY: as above, it was set from an `Owner` that is borrowed as long.
        let owner = unsafe { &*note.cast::<Owner>() };
        Some(HeldBy::Stack(owner.address()))
    }

    /// An address that no other task that lives at the same time has.
    #[inline(always)]
    pub(crate) fn address(self) -> usize {
        self.0.as_ptr().addr()
    }

    /// The addresses of its stack.
    pub(crate) fn stack_range(self) -> Range<usize> {
        self.control_block().stack_range()
    }
}

/// A [`Started`] task that waits, by its header, which has all that is needed to wake it. It is `!Send`, and valid
/// while the task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SleepingTask(NonNull<Header>);

impl SleepingTask {
    /// Prefetches the memory of the header: what [`expire`](Self::expire), the end of the task and its result touch.
    #[inline(always)]
    pub(crate) fn prefetch(self) {
        let at = self.0.as_ptr().cast::<u8>();
        prefetch(at);
        prefetch(at.wrapping_add(mem::offset_of!(Header, completion)));
        prefetch(at.wrapping_add(mem::offset_of!(Header, control)));
        prefetch(at.wrapping_add(mem::size_of::<Header>()));
    }

    /// Prefetches the memory that the task touches when it goes on.
    #[inline(always)]
    pub(crate) fn prefetch_stack(self) {
        if let Some(control) = NonNull::new(self.header().control.load(Ordering::Relaxed)) {
            coroutine::prefetch_stack(control);
        }
    }

    /// Its place in the hub's roster.
    #[inline(always)]
    pub(crate) fn roster(self) -> u32 {
        self.header().roster.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: made from a started task, which is alive.
        unsafe { self.0.as_ref() }
    }

    /// Ends the wait that `token` identifies, as its deadline has passed. Returns the task if it is to be made
    /// runnable.
    #[inline(always)]
    pub(crate) fn expire(self, token: Token) -> Option<Started> {
        let header = self.header();
        if !header.park.expire(token) {
            return None;
        }
        NonNull::new(header.control.load(Ordering::Relaxed)).map(Started)
    }
}
