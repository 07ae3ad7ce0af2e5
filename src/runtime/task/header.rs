//! The part of a task that every thread may touch.
//!
//! It lives in reference-counted memory of its own, never on the task's stack, so that a late waker still finds it. An
//! OS thread that waits has one too, so that a waker need not know what it wakes.
//!
//! | field | written by | read by |
//! |---|---|---|
//! | `park` | see [`ParkWord`] | |
//! | `refs` | everybody | |
//! | `next` | the one waker of this wait, then the hub | the hub |
//! | `mailbox`, `control` | the hub, when the task starts; `mailbox` also when it is to start later, `control` also when it [rests](super::live) | wakers, after `park` told them that it sleeps |
//! | `roster` | the hub | the hub |
//! | `place` | whoever schedules the task, before that; whoever ends it | whoever ends it |
//! | `flags` | everybody, by `fetch_or` | |
//! | `completion` | everybody, under the lock | |
//! | `end` | see [`TaskEnd`] | |
//! | `reason`, `until` | the owner, before it sleeps | reports |
//! | `mark` | the owner, before it sleeps and when it goes on | `runtime/observe/bypass.rs` |
//! | `wakes`, `own_wakes` | every [`Waker`](std::task::Waker) of it that is used: elsewhere, and on its hub's OS thread | the owner, while it polls a future |
//! | `family` | whoever has the only right to schedule the task, before that | its own hub; whoever ends it |
//! | `history` | see [`History`] | who looks at the task |
//! | `woken` | the one waker of this wait, if it leaves the task in the mailbox | the hub |
//! | `generation`, `meta`, `reservation`, `vtable` | nobody after creation | everybody |

use super::context::Context;
use super::end::TaskEnd;
use super::error::{Cause, JoinError};
use super::flags::{DETACHED, ENDED_BY_KILL, FAILED, LINKED, NOT_RUN, PANICKED, RESULT};
use super::history::History;
use super::interrupt::Limit;
use super::link::ResultLink;
use super::mailbox::Mailbox;
use super::meta::Meta;
use super::park_word::ParkWord;
use super::paused::Paused;
use super::raised::KeptPayload;
use super::reason::Reason;
use super::roll::Place;
use super::stamp::Stamp;
use super::waiter::Waiter;
use crate::coroutine::Control;
use crate::runtime::task::family::Family;
use crate::runtime::task::finished::Finished;
use crate::stack::budget::Reservation;
use crate::sys::prefetch::prefetch;
use crate::sys::process;
use crate::util::decimal::write_decimal;
use crate::util::lazy_id::{Ids, LazyId};
use crate::util::sync::{self, AtomicU64, Mutex};
use std::cell::Cell;
use std::collections::VecDeque;
use std::mem::offset_of;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{self, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// The functions that differ between the types of tasks.
pub(super) struct VTable {
    /// Runs the body, in the green thread. Called once, unless `abandon` is called, and again each time after it has
    /// [rested](super::live).
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Drops a body that has not begun, or that rests, and leaves an error as the result. Called once, after which
    /// `run` is not called any more; or after `run` has begun and will never go on.
    pub(super) abandon: unsafe fn(NonNull<Header>, JoinError),
    /// Leaves an error as the result, without dropping what is there. Called where nothing of the task will ever run
    /// again, and no result has been published.
    pub(super) forfeit: unsafe fn(NonNull<Header>, JoinError),
    /// Moves the result into the `Option<Result<T, JoinError>>` at the pointer.
    pub(super) take_result: unsafe fn(NonNull<Header>, *mut ()),
    /// The address of the `Result<T, JoinError>`.
    pub(super) result: unsafe fn(NonNull<Header>) -> *const (),
    /// Frees the memory, dropping a result that nobody took.
    pub(super) free: unsafe fn(NonNull<Header>),
    /// Prefetches the memory that a resting body touches when it goes on. Nobody else touches the stage meanwhile.
    pub(super) prefetch: unsafe fn(NonNull<Header>),
    /// Makes an OS thread look at its park word again. `None` for green threads.
    pub(super) wake_os: Option<unsafe fn(NonNull<Header>)>,
}

impl VTable {
    /// The table of something that waits and is woken as tasks are, but is run by others: it has neither a body nor a
    /// result here.
    pub(super) const fn of_waiting(
        free: unsafe fn(NonNull<Header>),
        wake: unsafe fn(NonNull<Header>),
    ) -> Self {
        fn run(_: NonNull<Header>) {
            unreachable!("no hub runs it");
        }
        fn prefetch(_: NonNull<Header>) {}
        fn abandon(_: NonNull<Header>, _: JoinError) {
            unreachable!("no hub runs it");
        }
        fn take_result(_: NonNull<Header>, _: *mut ()) {
            unreachable!("it has no result here");
        }
        fn result(_: NonNull<Header>) -> *const () {
            unreachable!("it has no result here");
        }
        Self {
            run,
            abandon,
            forfeit: abandon,
            take_result,
            result,
            free,
            prefetch,
            wake_os: Some(wake),
        }
    }
}

/// Who is to be woken at the end of a task, or by its `unpark`; and fields that few tasks need.
#[derive(Debug, Default)]
pub(super) struct Completion {
    pub(super) first: Option<Waiter>,
    /// The fields that few tasks need. They are behind a pointer, so that this takes a single word in other tasks.
    pub(super) more: Option<Box<More>>,
}

#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) waiters: Vec<Waiter>,
    /// Where threads wait that wait for several tasks, with the number that this task has there.
    pub(super) watchers: Vec<(Arc<Finished>, usize)>,
    /// The functions to call with the result, in this order.
    pub(super) links: VecDeque<ResultLink>,
    /// With PAUSED: the right to schedule the task.
    pub(super) paused: Option<Paused>,
    /// The waiter of the task itself, while it is in `park`.
    pub(super) parked: Option<Waiter>,
    /// The timeouts that the owner is inside of, outermost first. Owner only.
    pub(super) limits: Vec<Limit>,
    /// The context values that it has inherited from its spawner.
    pub(super) context: Context,
    /// How many shields the owner is inside of. Owner only.
    pub(super) shields: u32,
    /// How many unwinds are around the wait that the owner is in, if it can be interrupted in spite of these.
    pub(super) unwinds: usize,
    /// The payloads of kills and timeouts that exist now.
    pub(super) raised: Vec<KeptPayload>,
    /// How many there have ever been.
    pub(super) raised_before: u64,
}

/// Who has the result when it has been left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// The handle: the result is published.
    Wanted,
    /// There is no handle, so the caller drops the result.
    Unwanted,
    /// The result is not published yet, as there are links to call.
    Linked,
}

#[repr(C)]
pub(crate) struct Header {
    pub(super) next: sync::AtomicPtr<Header>,
    pub(super) id: LazyId,
    /// Its place on the roll, from the moment it is scheduled until it ends.
    pub(super) place: Cell<Option<&'static Place>>,
    pub(super) family: Cell<Option<&'static Family>>,
    pub(super) reservation: Cell<Reservation>,
    pub(super) history: History,
    pub(super) woken: Stamp,
    pub(super) completion: Mutex<Completion>,
    pub(super) end: TaskEnd,
    pub(super) reason: AtomicU8,
    /// A [`Mark`](super::mark::Mark).
    pub(super) mark: AtomicU32,
    /// A few bits that identify the process that made it. In a forked child the parent's tasks never end.
    pub(super) generation: u32,
    /// Its place in the hub's roster.
    pub(super) roster: AtomicU32,
    pub(super) flags: AtomicU32,
    /// Until when it sleeps, in nanoseconds; zero if that is not known.
    pub(super) until: atomic::AtomicU64,
    // The fields from here on are touched when a task is woken and goes on; so is what follows the header, the body or
    // what it has left. Blocks are aligned to 16 bytes only, so this is two cache lines, seldom three.
    pub(super) meta: Option<Box<Meta>>,
    pub(super) wakes: AtomicU64,
    /// The same for wakers that are used on its own hub's OS thread, where the count need not be atomic.
    pub(super) own_wakes: AtomicU64,
    /// The mailbox of its hub.
    pub(super) mailbox: AtomicPtr<Mailbox>,
    pub(super) refs: AtomicUsize,
    pub(super) control: AtomicPtr<Control>,
    pub(super) park: ParkWord,
    pub(super) vtable: &'static VTable,
}

// SAFETY: see the table above; `reservation` and `place` are taken once, by whoever ends the task, which is one thread.
unsafe impl Sync for Header {}
// SAFETY: as above, nothing in it belongs to one OS thread, except the links of a task that stays on its own; these are
// added, called and dropped there.
unsafe impl Send for Header {}

impl Header {
    pub(super) fn new(
        vtable: &'static VTable,
        refs: usize,
        meta: Option<Box<Meta>>,
        family: Option<&'static Family>,
        reservation: Reservation,
    ) -> Self {
        let header = Self {
            park: ParkWord::new(),
            control: AtomicPtr::new(ptr::null_mut()),
            refs: AtomicUsize::new(refs),
            next: sync::AtomicPtr::new(ptr::null_mut()),
            vtable,
            mailbox: AtomicPtr::new(ptr::null_mut()),
            flags: AtomicU32::new(0),
            roster: AtomicU32::new(u32::MAX),
            id: LazyId::new(),
            place: Cell::new(None),
            family: Cell::new(family),
            meta,
            reservation: Cell::new(reservation),
            completion: Mutex::new(Completion::default()),
            end: TaskEnd::default(),
            reason: AtomicU8::new(Reason::None as u8),
            mark: AtomicU32::new(0),
            until: atomic::AtomicU64::new(0),
            generation: process::generation(),
            wakes: AtomicU64::new(0),
            own_wakes: AtomicU64::new(0),
            history: History::new(),
            woken: Stamp::default(),
        };
        // loom makes a lock at its first use, which must not be by another thread.
        #[cfg(loom)]
        drop(header.completion.lock());
        header
    }

    /// The fields that few tasks need, of a `completion` that is locked. From here on the end of the task looks at
    /// them.
    #[inline]
    pub(super) fn more<'a>(&self, completion: &'a mut Completion) -> &'a mut More {
        self.end.heed();
        completion.more.get_or_insert_default()
    }

    /// Drops the header. Most headers hold nothing that needs dropping by then.
    ///
    /// # Safety
    /// Nobody uses it, now or later.
    #[inline(always)]
    pub(super) unsafe fn drop_in_place(this: NonNull<Self>) {
        // SAFETY: nobody else uses it.
        let header = unsafe { &mut *this.as_ptr() };
        let kept = header.completion.get_mut();
        if cfg!(loom) || header.meta.is_some() || kept.first.is_some() || kept.more.is_some() {
            // SAFETY: as the caller promises.
            unsafe { this.drop_in_place() };
        }
    }

    /// Prefetches the memory that is touched when the task is woken and goes on.
    #[inline(always)]
    pub(super) fn prefetch(this: NonNull<Self>) {
        let at = this.as_ptr().cast::<u8>();
        prefetch(at.wrapping_add(offset_of!(Self, meta)));
        prefetch(at.wrapping_add(size_of::<Self>()));
    }

    /// For a task that is to start later, its place in its hub's list of such tasks. Such a task has settings, which
    /// include the place.
    pub(super) fn delayed_place(&self) -> u32 {
        self.meta.as_ref().map_or(u32::MAX, |meta| meta.delayed_place.load(Ordering::Relaxed))
    }

    /// The address of the control block of a task that has started.
    #[allow(dead_code, reason = "the watchdog alone asks")]
    pub(super) fn control_address(&self) -> usize {
        self.control.load(Ordering::Relaxed).addr()
    }

    /// The id, given out when it is first asked for.
    pub(super) fn id(&self) -> u64 {
        static IDS: Ids = Ids::new();
        self.id.get(&IDS) as u64
    }

    /// Writes its name, or one made of its id; allocates nothing.
    pub(super) fn write_name(&self, out: &mut dyn FnMut(&[u8])) {
        match self.name() {
            Some(name) => out(name.as_bytes()),
            None => {
                out(b"green-");
                write_decimal(self.id(), out);
            }
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.meta.as_ref()?.name.as_deref()
    }

    /// Publishes that the result is there, unless there are links, which have to see the result first.
    #[inline]
    pub(super) fn publish_result(&self) -> Published {
        let mut flags = self.flags.load(Ordering::Relaxed);
        loop {
            if flags & LINKED != 0 {
                return Published::Linked;
            }
            match self.flags.compare_exchange_weak(
                flags,
                flags | RESULT,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) if flags & DETACHED != 0 => return Published::Unwanted,
                Ok(_) => return Published::Wanted,
                Err(now) => flags = now,
            }
        }
    }

    /// Like [`publish_result`](Self::publish_result), where links that the task still has are not called. Links that
    /// are added later are called at once.
    pub(super) fn publish_last(&self) {
        self.flags.fetch_and(!LINKED, Ordering::Relaxed);
        self.flags.fetch_or(RESULT, Ordering::AcqRel);
    }

    /// Whether the result is there, so that the owner of the handle may look at it.
    pub(super) fn has_result(&self) -> bool {
        self.flags.load(Ordering::Acquire) & RESULT != 0
    }

    /// Notes why there is no value. Called before the task is done.
    pub(super) fn note_error(&self, error: &JoinError) {
        let flags = match error.cause() {
            Cause::Panic(_) => PANICKED | FAILED,
            Cause::Killed => ENDED_BY_KILL,
            Cause::Io(_) | Cause::OwnJoin | Cause::Deadlock(_) => NOT_RUN | FAILED,
        };
        self.flags.fetch_or(flags, Ordering::Relaxed);
    }

    /// Notes that nobody will take the result. Returns `true` if the result is there already: then the caller drops it.
    pub(super) fn detach(&self) -> bool {
        self.flags.fetch_or(DETACHED, Ordering::AcqRel) & RESULT != 0
    }
}
