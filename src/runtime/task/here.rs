//! What waking a task needs to know of the calling OS thread's hub, and the thread-local that leads to it.
//!
//! This thread-local is the only way to what belongs to an OS thread. A hub begins with its lane, and a lane begins
//! with this, so `lane/current.rs` and `hub/current.rs` find theirs by the same pointer.

use super::foreign;
use super::live::Ready;
use super::mailbox::Mailbox;
use super::started::Started;
use crate::util::ring::Ring;
use std::cell::Cell;
use std::ptr;

/// With fewer tasks than this, prefetching is not worth while.
pub(in crate::runtime) const FEW: usize = 5;

/// The part of a lane that waking a task touches. It belongs to the OS thread of a hub.
#[derive(Debug)]
pub(crate) struct Here {
    mailbox: &'static Mailbox,
    /// Started tasks that are ready to run.
    ready: Ring<Ready>,
    /// The green thread that is running.
    current: Cell<Option<Started>>,
    /// The green thread that runs on the OS thread's own stack, where it cannot be suspended. While there is one,
    /// `current` is empty.
    lent: Cell<Option<Started>>,
    /// Whether a green thread runs a switch hook. Meanwhile `current` is empty.
    in_hook: Cell<bool>,
    /// Whether tasks of other executors were woken where their wakers could not be used.
    has_foreign: Cell<bool>,
}

impl Here {
    pub(crate) fn new(mailbox: &'static Mailbox) -> Self {
        Self {
            mailbox,
            ready: Ring::with_capacity(256),
            current: Cell::new(None),
            lent: Cell::new(None),
            in_hook: Cell::new(false),
            has_foreign: Cell::new(false),
        }
    }

    /// Whether this is the mailbox of the hub.
    #[inline(always)]
    pub(super) fn is_of(&self, mailbox: *const Mailbox) -> bool {
        ptr::eq(self.mailbox, mailbox)
    }

    #[inline(always)]
    pub(crate) fn ready(&self) -> &Ring<Ready> {
        &self.ready
    }

    #[inline(always)]
    pub(crate) fn current(&self) -> Option<Started> {
        self.current.get()
    }

    #[inline(always)]
    pub(crate) fn set_current(&self, current: Option<Started>) {
        self.current.set(current);
    }

    /// The green thread that runs on the OS thread's own stack.
    #[inline]
    pub(crate) fn lent(&self) -> Option<Started> {
        self.lent.get()
    }

    /// Lets the current green thread run on the OS thread's own stack. Until [`take_back`](Self::take_back), it counts
    /// as the OS thread wherever it would be suspended.
    #[inline(always)]
    pub(crate) fn lend(&self) {
        self.lent.set(self.current.take());
    }

    #[inline(always)]
    pub(crate) fn take_back(&self) {
        self.current.set(self.lent.take());
    }

    /// Begins a switch hook of the green thread that runs: until [`end_hook`](Self::end_hook), it counts as the OS thread.
    pub(in crate::runtime) fn begin_hook(&self) {
        self.current.set(None);
        self.in_hook.set(true);
    }

    /// Ends a switch hook, or the part of it before it lets others run; `current` is the green thread that runs then.
    pub(in crate::runtime) fn end_hook(&self, current: Option<Started>) {
        self.in_hook.set(false);
        self.current.set(current);
    }

    /// Whether the hub itself runs, between two of its green threads.
    pub(super) fn is_between(&self) -> bool {
        self.current.get().is_none() && self.lent.get().is_none() && !self.in_hook.get()
    }

    /// Queues a task whose wait has ended.
    #[inline]
    pub(crate) fn woken(&self, task: Ready) {
        // With so few tasks the hub does not prefetch, and this task, unlike the others, has not run just now.
        if self.ready.len() < FEW {
            task.prefetch();
        }
        self.ready.push(task);
    }

    /// Whether there are tasks of other executors whose wake-up was put off. The caller then wakes them.
    #[inline(always)]
    pub(in crate::runtime) fn take_foreign(&self) -> bool {
        self.has_foreign.replace(false)
    }

    pub(super) fn note_foreign(&self) {
        self.has_foreign.set(true);
    }
}

thread_local! {
    static HERE: Cell<*const Here> = const { Cell::new(ptr::null()) };
}

/// Leaves the hub for good: in a forked child it is the parent's, and what runs now goes on as if on a plain OS thread.
pub(crate) fn forget() {
    HERE.set(ptr::null());
}

/// What belongs to this OS thread; null if it has no hub.
///
/// Inlined, as every operation needs it, and a call costs four times as much as the rest of it. If a compiler keeps the
/// address of the thread-local across a switch, that does no harm, as what has started stays on its OS thread.
#[inline(always)]
pub(in crate::runtime) fn get() -> *const Here {
    // std inlines `try_with`, but not `with`. It never fails, as the thread-local has no destructor.
    HERE.try_with(Cell::get).unwrap_or(ptr::null())
}

/// Runs `f` with what belongs to this OS thread, if that is a worker or runs a current-thread runtime.
///
/// `f` must not suspend: it borrows what belongs to the hub.
#[inline(always)]
pub(super) fn with<R>(f: impl FnOnce(&Here) -> R) -> Option<R> {
    // SAFETY: set by `enter` for the time in which the hub is alive and this thread runs inside it. Code of a green
    // thread runs only while its hub resumes it, so a frame that is inside `f` never outlives the hub: it is either
    // finished or, on a leaked stack, never run again.
    unsafe { get().as_ref() }.map(f)
}

/// Runs `f` if the hub of this OS thread is the one with that mailbox; returns whether it did.
#[inline(always)]
pub(super) fn with_if(mailbox: *const Mailbox, f: impl FnOnce(&Here)) -> bool {
    with(|here| {
        let same = here.is_of(mailbox);
        if same {
            f(here);
        }
        same
    })
    .unwrap_or(false)
}

/// Makes `here` what belongs to this OS thread while `f` runs.
///
/// # Safety
/// It is the first field of a lane, which is the first field of a hub. The pointer may be used for all of the hub,
/// which lives as long as `f` runs, on this OS thread.
pub(in crate::runtime) unsafe fn enter<R>(here: *const Here, f: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            HERE.set(ptr::null());
            foreign::wake_later();
        }
    }
    HERE.with(|own| {
        assert!(own.get().is_null(), "an OS thread runs one hub at a time");
        own.set(here);
    });
    let _leave = Leave;
    f()
}
