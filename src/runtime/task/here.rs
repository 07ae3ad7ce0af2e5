//! The hub of the calling OS thread, as far as waking a task has to know it, and the thread-local that leads to it.
//!
//! Only this thread-local leads to what belongs to an OS thread. A hub begins with its lane, and a lane with this: so `lane/current.rs`
//! and `hub/current.rs` find theirs by the same pointer.

use super::foreign;
use super::live::Ready;
use super::mailbox::Mailbox;
use super::started::Started;
use crate::util::ring::Ring;
use std::cell::Cell;
use std::ptr;

/// Among so few tasks prefetching is not worth while.
pub(in crate::runtime) const FEW: usize = 5;

/// What belongs to the OS thread of a hub.
#[derive(Debug)]
pub(crate) struct Here {
    mailbox: &'static Mailbox,
    /// Started tasks that are ready to run.
    ready: Ring<Ready>,
    /// The green thread that is running.
    current: Cell<Option<Started>>,
    /// The green thread that runs on the OS thread's own stack, where it cannot be suspended: then none is `current`.
    lent: Cell<Option<Started>>,
    /// Whether a green thread runs a switch hook, in which none is `current`.
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

    /// Whether the mailbox is that of the hub.
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

    /// Makes the current green thread one that runs on the OS thread's own stack; until [`take_back`](Self::take_back), it counts as
    /// the OS thread wherever it would be suspended.
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

    /// Ends a switch hook, or what it does before it lets others run; `current` is who runs then.
    pub(in crate::runtime) fn end_hook(&self, current: Option<Started>) {
        self.in_hook.set(false);
        self.current.set(current);
    }

    /// Whether the hub itself runs, in the middle of its own work, and none of its green threads.
    pub(super) fn is_between(&self) -> bool {
        self.current.get().is_none() && self.lent.get().is_none() && !self.in_hook.get()
    }

    /// Takes in a task whose wait has ended.
    #[inline]
    pub(crate) fn woken(&self, task: Ready) {
        // Among few tasks the hub does not prefetch, and this one, unlike the others, has not run just now.
        if self.ready.len() < FEW {
            task.prefetch();
        }
        self.ready.push(task);
    }

    /// Whether tasks of other executors are to be woken whose wake-up was put off. The caller does that.
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

/// What belongs to this OS thread; null if that has no hub.
///
/// Inlined, as it is done at every operation, and a call costs four times as much as the rest of it. If a compiler keeps the address
/// of the thread-local across a switch, that does no harm, as what has started stays on its OS thread.
#[inline(always)]
pub(in crate::runtime) fn get() -> *const Here {
    // std inlines this, and not `with`. It never fails, as the thread-local has no destructor.
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

/// Makes `here` what belongs to this OS thread for the time of `f`.
///
/// # Safety
/// It is the first field of a lane that is the first field of a hub; the pointer may be used for all of that, which lives as long as
/// `f` runs, on this OS thread.
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
