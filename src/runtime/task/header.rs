//! The part of a task that every thread may touch.
//!
//! It lives in refcounted memory of its own, never on the task's stack: a late waker must find it. An OS thread that
//! waits has one too, so that whoever wakes need not know what it wakes.
//!
//! | field | written by | read by |
//! |---|---|---|
//! | `park` | see [`ParkWord`] | |
//! | `refs` | everybody | |
//! | `next` | the one waker of this wait, then the hub | the hub |
//! | `hub`, `control` | the hub, when the task starts; `hub` also when it is to start later | wakers, after `park` told them that it sleeps |
//! | `roster` | the hub | the hub |
//! | `flags` | everybody, by `fetch_or` | |
//! | `done`, `completion` | whoever ends the task, under the lock | joiners; `done` also without it |
//! | `reason` | the owner, before it sleeps | reports |
//! | `family` | whoever has the only right to schedule the task, before that | its own hub; whoever ends it |
//! | `generation`, `meta`, `reservation`, `vtable` | nobody after creation | everybody |

use super::cell::drop_quietly;
use super::context::Context;
use super::current;
use super::error::{Cause, JoinError};
use super::inbox::Woken;
use super::link::Link;
use super::meta::{Heritage, Meta};
use super::owner::{Blocker, Holder, Owner};
use super::park_word::{Notify, ParkWord, Token};
use crate::coroutine::Control;
use crate::runtime::family::Family;
use crate::runtime::finished::Finished;
use crate::runtime::hub::HubShared;
use crate::runtime::park::{Reason, Waiter};
use crate::runtime::paused::Paused;
use crate::stack::budget::Reservation;
use crate::sys::prefetch::prefetch;
use crate::sys::process;
use crate::util::lazy_id::{Ids, LazyId};
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence};
use std::time::Instant;

// The bits of `flags`, each once.
/// The task is to end at its next suspension point.
const KILLED: u32 = 1 << 0;
/// The body has left its result behind.
const RESULT: u32 = 1 << 1;
/// The handle is gone: whoever produces the result drops it.
const DETACHED: u32 = 1 << 2;
/// Somebody called `unpark` and the permit has not been used.
const PERMIT: u32 = 1 << 3;
/// The owner is inside a [`timeout`](crate::timeout).
const LIMITED: u32 = 1 << 4;
/// The owner is inside a [`shield`](crate::shield).
const SHIELDED: u32 = 1 << 5;
/// The owner began to unwind and has not been seen to have stopped. Owner only.
const UNWINDING: u32 = 1 << 6;
/// With UNWINDING: a kill or an expired timeout, not a panic.
const INTERRUPTED: u32 = 1 << 7;
/// The body panicked or could not run, and nobody has been told.
const FAILED: u32 = 1 << 8;
/// The task was given up: its frames stay where they are for ever.
const LEAKED: u32 = 1 << 9;
/// There are links to call before the result is handed over. Set and cleared under the lock.
const LINKED: u32 = 1 << 10;
/// Its failure is told by a scope, not by the hook for what nobody joins.
const SCOPED: u32 = 1 << 11;
/// Another thread has let one of the owner's limits expire.
const CUT_SHORT: u32 = 1 << 12;
/// It has been given context values, or keeps values of its own.
const VALUES: u32 = 1 << 13;
/// It has been made and not been scheduled. Set and cleared under the lock.
const PAUSED: u32 = 1 << 14;

/// Killed tasks that have not ended, and timeouts that are open. While it is zero, a thread that yields or waits need not
/// look whether it is to be interrupted.
static INTERRUPTIONS: AtomicUsize = AtomicUsize::new(0);

/// Whether any task has been killed and not ended, or is inside a timeout.
#[inline(always)]
pub(crate) fn any_interruption() -> bool {
    INTERRUPTIONS.load(Ordering::SeqCst) != 0
}

/// One open timeout of a thread, or a block that others may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// `None` until somebody calls [`TaskRef::expire_limit`].
    pub(crate) deadline: Option<Instant>,
    /// Tells it from all others: an inner timeout must not take an outer one's expiry for its own.
    pub(crate) id: u64,
}

/// In a control block's note: it points to the header of a task, not to an [`Owner`].
const TASK: usize = 1;

/// What differs between the types of tasks.
pub(super) struct VTable {
    /// Runs the body, in the green thread. Called once, unless `abandon` is.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Drops a body that has not begun, and leaves an error as the result. Called once, unless `run` is, or after `run`
    /// began and will never go on.
    pub(super) abandon: unsafe fn(NonNull<Header>, JoinError),
    /// Moves the result into the `Option<Result<T, JoinError>>` at the pointer.
    pub(super) take_result: unsafe fn(NonNull<Header>, *mut ()),
    /// Where the `Result<T, JoinError>` is.
    pub(super) result: unsafe fn(NonNull<Header>) -> *const (),
    /// Frees the memory, dropping a result that nobody took.
    pub(super) free: unsafe fn(NonNull<Header>),
    /// Makes an OS thread look at its park word again; `None` for green threads.
    pub(super) wake_os: Option<unsafe fn(NonNull<Header>)>,
}

/// Who is to be woken: at the end of a task, or by its `unpark`.
#[derive(Debug, Default)]
struct Completion {
    first: Option<Waiter>,
    /// What few tasks need takes one word in the others.
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    waiters: Vec<Waiter>,
    /// Those that wait for several, and this task's number there.
    watchers: Vec<(Arc<Finished>, usize)>,
    /// What to call with the result, in this order.
    links: VecDeque<Link>,
    /// With PAUSED: the right to schedule the task.
    paused: Option<Paused>,
    /// The task itself, while it is in `park`.
    parked: Option<Waiter>,
    /// The timeouts that the owner is inside of, outermost first. Owner only.
    limits: Vec<Limit>,
    /// The context values that its spawner passed on.
    context: Context,
    /// How many shields the owner is inside of. Owner only.
    shields: u32,
}

/// What became of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// The handle has it from here on.
    Wanted,
    /// There is no handle: the caller drops it.
    Unwanted,
    /// Not yet: there are links to call.
    Linked,
}

#[repr(C)]
pub(crate) struct Header {
    // What waking a task looks at is in one cache line: blocks are aligned to 16 bytes.
    pub(super) park: ParkWord,
    control: AtomicPtr<Control>,
    refs: AtomicUsize,
    pub(super) next: AtomicPtr<Header>,
    vtable: &'static VTable,
    hub: AtomicPtr<HubShared>,
    flags: AtomicU32,
    /// Where the hub's list of live tasks has it.
    roster: AtomicU32,
    id: LazyId,
    family: Cell<Option<&'static Family>>,
    meta: Option<Box<Meta>>,
    reservation: Cell<Reservation>,
    completion: Mutex<Completion>,
    done: AtomicBool,
    reason: AtomicU8,
    /// Which process made it, as far as the last bits tell: in a forked child the tasks of the parent never end.
    generation: u8,
}

// SAFETY: see the table above; `reservation` is taken once, by whoever ends the task, which is one thread.
unsafe impl Sync for Header {}
// SAFETY: as above, nothing in it belongs to one OS thread, but for the links of a task that stays on its own: these are added,
// called and dropped there.
unsafe impl Send for Header {}

impl Header {
    pub(super) fn new(
        vtable: &'static VTable,
        refs: usize,
        meta: Option<Box<Meta>>,
        family: Option<&'static Family>,
        reservation: Reservation,
    ) -> Self {
        Self {
            park: ParkWord::new(),
            control: AtomicPtr::new(ptr::null_mut()),
            refs: AtomicUsize::new(refs),
            next: AtomicPtr::new(ptr::null_mut()),
            vtable,
            hub: AtomicPtr::new(ptr::null_mut()),
            flags: AtomicU32::new(0),
            roster: AtomicU32::new(u32::MAX),
            id: LazyId::new(),
            family: Cell::new(family),
            meta,
            reservation: Cell::new(reservation),
            completion: Mutex::new(Completion::default()),
            done: AtomicBool::new(false),
            reason: AtomicU8::new(Reason::None as u8),
            generation: process::generation() as u8,
        }
    }

    /// # Safety
    /// The task sleeps on the calling thread's hub: it has started and not ended, or is to start later.
    #[inline]
    pub(super) unsafe fn woken(&self) -> Woken {
        match NonNull::new(self.control.load(Ordering::Relaxed)) {
            Some(control) => Woken::Started(Started(control)),
            None => Woken::Delayed(self.roster.load(Ordering::Relaxed)),
        }
    }

    /// Where the control block of a task that has started is.
    #[cfg(feature = "watchdog")]
    pub(super) fn control_address(&self) -> usize {
        self.control.load(Ordering::Relaxed).addr()
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.meta.as_ref()?.name.as_deref()
    }

    /// Says that the result is there. Does not where there are links, which have to see it first.
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

    /// Whether the result is there, so that whoever has the handle may look at it.
    pub(super) fn has_result(&self) -> bool {
        self.flags.load(Ordering::Acquire) & RESULT != 0
    }

    /// Remembers an error that is not a kill. Before the task is done.
    pub(super) fn note_failure(&self, error: &JoinError) {
        if !error.is_killed() {
            self.flags.fetch_or(FAILED, Ordering::Relaxed);
        }
    }

    /// Says that nobody will come for the result. `true` if it is there already: then the caller drops it.
    pub(super) fn detach(&self) -> bool {
        self.flags.fetch_or(DETACHED, Ordering::AcqRel) & RESULT != 0
    }
}

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

    /// Its task.
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

    /// Its task, for the length of a call.
    #[inline(always)]
    pub(crate) fn with<R>(self, f: impl FnOnce(&TaskRef) -> R) -> R {
        // Borrowed from the reference that the hub holds; never dropped, so the count stays as it is.
        // SAFETY: the header is alive as long as the task, which cannot end within `f`: its hub runs `f`.
        let task = std::mem::ManuallyDrop::new(unsafe { TaskRef::adopt(self.header()) });
        f(&task)
    }

    /// The same for a wait with a deadline, which ends before the task does.
    #[inline(always)]
    pub(crate) fn sleeper(self) -> Sleeper {
        Sleeper(self.header())
    }

    fn control_block(&self) -> &Control {
        // SAFETY: the control block of a started task is valid.
        unsafe { self.0.as_ref() }
    }

    /// Runs `wait`, in which the calling green thread, this one, is suspended for what `blocker` says.
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
            Blocker::Task(task) => task.0.as_ptr().cast_const().cast::<()>().map_addr(|a| a | TASK),
        };
        self.control_block().set_note(note);
        let _done = Done(self);
        wait()
    }

    /// It stays suspended for ever: what it waits for may end before it does.
    pub(super) fn forget_blocker(self) {
        self.control_block().set_note(ptr::null());
    }

    /// Who holds up the wait that it is suspended in, if that is known.
    pub(crate) fn holder(self) -> Option<Holder> {
        let note = self.control_block().note();
        if note.is_null() {
            return None;
        }
        if note.addr() & TASK != 0 {
            let header = note.map_addr(|a| a & !TASK).cast::<Header>().cast_mut();
            // SAFETY: set by `blocked_on` from the header of a `TaskRef` that is borrowed until the note is cleared, by
            // the green thread itself. That runs on our OS thread, so not now.
            let task = unsafe { TaskRef::share(NonNull::new_unchecked(header)) };
            return Some(Holder::Task(task));
        }
        // SAFETY: as above, of an `Owner` that is borrowed so long.
        let owner = unsafe { &*note.cast::<Owner>() };
        Some(Holder::Stack(owner.address()))
    }

    /// The addresses of its stack.
    pub(crate) fn stack_range(self) -> Range<usize> {
        self.control_block().stack_range()
    }
}

/// A [`Started`] task that waits: its header, in which all is that waking it needs. `!Send`, and valid as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sleeper(NonNull<Header>);

impl Sleeper {
    /// Asks for the memory that [`expire`](Self::expire) and the end of the task touch.
    #[inline(always)]
    pub(crate) fn prefetch(self) {
        let at = self.0.as_ptr().cast::<u8>();
        prefetch(at);
        prefetch(at.wrapping_add(mem::offset_of!(Header, completion)));
    }

    /// Ends the wait that `token` names because its deadline has passed. The task, if it is to be made runnable.
    #[inline(always)]
    pub(crate) fn expire(self, token: Token) -> Option<Started> {
        // SAFETY: made from a started task, which is alive.
        let header = unsafe { self.0.as_ref() };
        if !header.park.expire(token) {
            return None;
        }
        NonNull::new(header.control.load(Ordering::Relaxed)).map(Started)
    }
}

/// A counted reference to a task, or to an OS thread that waits.
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: a header may be used from any thread, see its table; the reference count is atomic.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl Clone for TaskRef {
    #[inline]
    fn clone(&self) -> Self {
        // SAFETY: we hold a reference ourselves.
        unsafe { Self::share(self.0) }
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        if self.header().refs.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: that was the last reference, and the fence makes every other owner's writes visible.
            unsafe { (self.header().vtable.free)(self.0) };
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("id", &self.id()).field("name", &self.name()).finish()
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for TaskRef {}

impl TaskRef {
    /// Takes over a reference that is counted already.
    ///
    /// # Safety
    /// The header is alive, and the caller hands over one count of it.
    #[inline(always)]
    pub(super) unsafe fn adopt(header: NonNull<Header>) -> Self {
        Self(header)
    }

    /// # Safety
    /// The header is alive for the length of the call.
    #[inline(always)]
    unsafe fn share(header: NonNull<Header>) -> Self {
        // SAFETY: alive, as the caller says.
        let refs = unsafe { header.as_ref() }.refs.fetch_add(1, Ordering::Relaxed);
        // 2^63 references can only come from forgetting them in a loop; stop before the count wraps to a free.
        if refs > isize::MAX as usize {
            std::process::abort();
        }
        Self(header)
    }

    #[inline(always)]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: we hold a reference, so the header is alive.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    pub(super) fn as_ptr(&self) -> NonNull<Header> {
        self.0
    }

    /// The id, given out when it is first asked for.
    pub(crate) fn id(&self) -> u64 {
        static IDS: Ids = Ids::new();
        self.header().id.get(&IDS) as u64
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.header().name()
    }

    pub(crate) fn is_green(&self) -> bool {
        self.header().vtable.wake_os.is_none()
    }

    pub(crate) fn family(&self) -> Option<&'static Family> {
        self.header().family.get()
    }

    /// Makes a task a member that the caller is about to schedule.
    pub(crate) fn join_family(&self, family: &'static Family) {
        self.header().family.set(Some(family));
        family.enter(self);
    }

    /// What is not as usual with it.
    #[inline]
    pub(crate) fn meta(&self) -> Option<&Meta> {
        self.header().meta.as_deref()
    }

    /// What its children are given.
    pub(crate) fn heritage(&self) -> Option<&Arc<Heritage>> {
        self.meta()?.heritage.as_ref()
    }

    /// What the `main` of a `run` is given that this one calls: the labels.
    pub(crate) fn heritage_of_main(&self) -> Option<Arc<Heritage>> {
        let own = self.heritage()?;
        let labels = || Arc::new(Heritage { daemon: false, labels: own.labels.clone() });
        Some(if own.daemon { labels() } else { Arc::clone(own) })
    }

    /// As [`heritage`](Self::heritage), shared with a child.
    #[inline]
    pub(crate) fn to_inherit(&self) -> Option<Arc<Heritage>> {
        #[cold]
        fn share(heritage: &Arc<Heritage>) -> Option<Arc<Heritage>> {
            Some(Arc::clone(heritage))
        }
        self.heritage().and_then(share)
    }

    #[inline]
    pub(crate) fn is_daemon(&self) -> bool {
        self.heritage().is_some_and(|heritage| heritage.daemon)
    }

    /// Whether it must not leave the OS thread that made it, though it may have been paused or delayed.
    pub(crate) fn is_local(&self) -> bool {
        self.meta().is_some_and(|meta| meta.local)
    }

    // --- before it starts ---------------------------------------------------------------------------------------

    /// The hub that starts it later, and where the hub's list of such tasks has it. Called by that hub.
    pub(crate) fn set_delayed(&self, hub: &'static HubShared, place: u32) {
        self.set_roster(place);
        self.header().hub.store(ptr::from_ref(hub).cast_mut(), Ordering::Relaxed);
    }

    /// Leaves the right to schedule it with it.
    pub(crate) fn set_paused(&self, paused: Paused) {
        let mut completion = self.header().completion.lock();
        completion.more.get_or_insert_default().paused = Some(paused);
        self.header().flags.fetch_or(PAUSED, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & PAUSED != 0
    }

    /// Takes the right to schedule it, if it is still there.
    pub(crate) fn take_paused(&self) -> Option<Paused> {
        let mut completion = self.header().completion.lock();
        self.header().flags.fetch_and(!PAUSED, Ordering::Relaxed);
        completion.more.as_mut()?.paused.take()
    }

    /// Whether it was made in a process that this one was forked from: then it does not run here, and never ends.
    pub(crate) fn is_parents(&self) -> bool {
        self.header().generation != process::generation() as u8
    }

    pub(crate) fn roster(&self) -> u32 {
        self.header().roster.load(Ordering::Relaxed)
    }

    pub(crate) fn set_roster(&self, at: u32) {
        self.header().roster.store(at, Ordering::Relaxed);
    }

    pub(super) fn set_started(&self, hub: &'static HubShared, control: NonNull<Control>) {
        self.header().hub.store(ptr::from_ref(hub).cast_mut(), Ordering::Relaxed);
        self.header().control.store(control.as_ptr(), Ordering::Relaxed);
    }

    // --- waiting and waking -------------------------------------------------------------------------------------

    pub(crate) fn park_word(&self) -> &ParkWord {
        &self.header().park
    }

    /// What its last wait was for.
    pub(crate) fn reason(&self) -> Reason {
        let reason = self.header().reason.load(Ordering::Relaxed);
        Reason::ALL.get(reason as usize).copied().unwrap_or(Reason::None)
    }

    pub(crate) fn set_reason(&self, reason: Reason) {
        self.header().reason.store(reason as u8, Ordering::Relaxed);
    }

    /// Ends the wait that `token` names, if it goes on.
    #[inline]
    pub(crate) fn unpark(&self, token: Token) {
        if self.header().park.notify(token) == Notify::Wake {
            self.make_runnable();
        }
    }

    /// Puts the task into its hub's queue, from whatever thread.
    ///
    /// Called by exactly the waker whose compare-and-swap ended the wait.
    pub(crate) fn make_runnable(&self) {
        if let Some(wake_os) = self.header().vtable.wake_os {
            // SAFETY: the header is alive and of the type that this function belongs to.
            return unsafe { wake_os(self.0) };
        }
        let hub = self.header().hub.load(Ordering::Relaxed);
        // SAFETY: a task that slept has started, or waits to be started by a hub, so `hub` is set; hubs' shared parts are never freed.
        let hub: &'static HubShared = unsafe { &*hub };
        // SAFETY: the closure runs on the task's own hub, where the task sleeps.
        if !current::with_hub_if(hub, |own| own.woken(unsafe { self.header().woken() })) {
            // SAFETY: the caller won the wake-up, and `hub` is the task's hub.
            unsafe { hub.inbox.push(self.0) };
            hub.wake();
        }
    }

    // --- park and unpark of users, with a token of their own -----------------------------------------------------

    /// Uses the permit up, if it is there.
    pub(crate) fn take_permit(&self) -> bool {
        self.header().flags.fetch_and(!PERMIT, Ordering::SeqCst) & PERMIT != 0
    }

    /// Says what [`give_permit`](Self::give_permit) is to wake.
    pub(crate) fn set_parked(&self, waiter: Option<Waiter>) {
        self.header().completion.lock().more.get_or_insert_default().parked = waiter;
    }

    /// Leaves a permit, and wakes the task if it waits for one.
    pub(crate) fn give_permit(&self) {
        let header = self.header();
        header.flags.fetch_or(PERMIT, Ordering::SeqCst);
        let parked = header.completion.lock().more.as_mut().and_then(|more| more.parked.take());
        if let Some(waiter) = parked {
            waiter.unpark();
        }
    }

    // --- killing ------------------------------------------------------------------------------------------------

    /// Makes the task end at its next suspension point, or now if it is suspended at one.
    pub(crate) fn kill(&self) {
        let header = self.header();
        let sleeps = {
            // Under the lock, so that a task is counted only while `complete` is still to come, and so that the kill does
            // not end a wait that comes after `forget_kill`.
            let _completion = header.completion.lock();
            if header.done.load(Ordering::Relaxed) {
                return;
            }
            if header.flags.fetch_or(KILLED, Ordering::SeqCst) & KILLED == 0 {
                INTERRUPTIONS.fetch_add(1, Ordering::SeqCst);
            }
            header.park.interrupt()
        };
        if sleeps {
            self.make_runnable();
        }
        if self.is_paused()
            && let Some(paused) = self.take_paused()
        {
            paused.schedule();
        }
    }

    /// Whether the task is to end.
    pub(crate) fn is_killed(&self) -> bool {
        self.header().flags.load(Ordering::SeqCst) & KILLED != 0
    }

    /// Notes whether the owner itself is unwinding. Called by the owner only.
    #[inline]
    pub(crate) fn set_unwinding(&self, unwinding: bool) {
        let flags = &self.header().flags;
        if unwinding {
            flags.fetch_or(UNWINDING, Ordering::Relaxed);
        } else if self.was_unwinding() {
            flags.fetch_and(!(UNWINDING | INTERRUPTED), Ordering::Relaxed);
        }
    }

    /// Notes that the owner is about to unwind for a kill or a timeout. Called by the owner only.
    pub(crate) fn set_interrupted(&self) {
        self.header().flags.fetch_or(UNWINDING | INTERRUPTED, Ordering::Relaxed);
    }

    /// Whether what was last noted is a kill or a timeout.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & INTERRUPTED != 0
    }

    /// What was last noted.
    #[inline]
    pub(crate) fn was_unwinding(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & UNWINDING != 0
    }

    // --- links --------------------------------------------------------------------------------------------------

    /// Has a link called at the end.
    ///
    /// # Errors
    /// The link back if the result is there already.
    pub(super) fn add_link(&self, link: Link) -> Result<(), Link> {
        let header = self.header();
        let mut completion = header.completion.lock();
        // Against `publish_result`, which changes the same word: the flag is seen there, or the result is seen here.
        if header.flags.fetch_or(LINKED, Ordering::AcqRel) & RESULT != 0 {
            return Err(link);
        }
        completion.more.get_or_insert_default().links.push_back(link);
        Ok(())
    }

    /// The next link to call. After the last the result can be published.
    pub(super) fn next_link(&self) -> Option<Link> {
        let header = self.header();
        let mut completion = header.completion.lock();
        let link = completion.more.as_mut().and_then(|more| more.links.pop_front());
        if link.is_none() {
            header.flags.fetch_and(!LINKED, Ordering::AcqRel);
        }
        link
    }

    /// The body has ended, so a kill was for it and not for what comes now.
    pub(super) fn forget_kill(&self) {
        let header = self.header();
        let _completion = header.completion.lock();
        if header.flags.fetch_and(!KILLED, Ordering::SeqCst) & KILLED != 0 {
            INTERRUPTIONS.fetch_sub(1, Ordering::SeqCst);
        }
    }

    // --- context values -----------------------------------------------------------------------------------------

    /// Passes context values on to a task that nobody has started.
    #[cold]
    pub(crate) fn give_context(&self, context: Context) {
        self.header().completion.lock().more.get_or_insert_default().context = context;
        self.header().flags.fetch_or(VALUES, Ordering::Relaxed);
    }

    /// Notes that the owner keeps values of its own, which end with it.
    #[cold]
    pub(crate) fn set_has_values(&self) {
        self.header().flags.fetch_or(VALUES, Ordering::Relaxed);
    }

    /// Whether it was given context values or keeps values of its own.
    #[inline(always)]
    pub(crate) fn has_values(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & VALUES != 0
    }

    /// What it was given.
    pub(crate) fn inherited(&self) -> Context {
        if !self.has_values() {
            return Context::default();
        }
        let completion = self.header().completion.lock();
        completion.more.as_ref().map_or_else(Context::default, |more| more.context.clone())
    }

    /// Takes away what it was given: values of users, which are not to be dropped by the hub.
    pub(super) fn take_inherited(&self) -> Context {
        if !self.has_values() {
            return Context::default();
        }
        let mut completion = self.header().completion.lock();
        completion.more.as_mut().map_or_else(Context::default, |more| mem::take(&mut more.context))
    }

    // --- timeouts and shields, called by the owner only -----------------------------------------------------------

    /// Opens a timeout.
    pub(crate) fn push_limit(&self, limit: Limit) {
        INTERRUPTIONS.fetch_add(1, Ordering::SeqCst);
        self.header().completion.lock().more.get_or_insert_default().limits.push(limit);
        self.header().flags.fetch_or(LIMITED, Ordering::Relaxed);
    }

    /// Closes the timeout that was opened last.
    pub(crate) fn pop_limit(&self) {
        let mut completion = self.header().completion.lock();
        let limits = &mut completion.more.get_or_insert_default().limits;
        limits.pop();
        if limits.is_empty() {
            self.header().flags.fetch_and(!(LIMITED | CUT_SHORT), Ordering::Relaxed);
        }
        INTERRUPTIONS.fetch_sub(1, Ordering::SeqCst);
    }

    /// Lets the limit expire now, if it is open: the owner's wait, or its next one, unwinds out of it. From any thread.
    pub(crate) fn expire_limit(&self, id: u64) {
        let header = self.header();
        {
            let mut completion = header.completion.lock();
            let limits = completion.more.as_mut().map(|more| &mut more.limits);
            let Some(limit) = limits.and_then(|all| all.iter_mut().find(|limit| limit.id == id))
            else {
                return;
            };
            let now = Instant::now();
            limit.deadline = Some(limit.deadline.map_or(now, |deadline| deadline.min(now)));
            header.flags.fetch_or(CUT_SHORT, Ordering::SeqCst);
        }
        if header.park.interrupt() {
            self.make_runnable();
        }
    }

    /// Whether another thread has killed the task, or has let a limit expire that is open or was lately.
    pub(crate) fn is_interrupted(&self) -> bool {
        let flags = self.header().flags.load(Ordering::SeqCst);
        flags & KILLED != 0 || (flags & CUT_SHORT != 0 && self.has_expired_limit())
    }

    fn has_expired_limit(&self) -> bool {
        self.nearest_limit().is_some_and(|(deadline, _)| deadline <= Instant::now())
    }

    /// The open limit that expires first, of equal ones the outermost: when, and its id.
    pub(crate) fn nearest_limit(&self) -> Option<(Instant, u64)> {
        let flags = self.header().flags.load(Ordering::Relaxed);
        if flags & LIMITED == 0 || flags & SHIELDED != 0 {
            return None;
        }
        let completion = self.header().completion.lock();
        let limits = completion.more.as_ref()?.limits.iter();
        limits.filter_map(|limit| Some((limit.deadline?, limit.id))).min_by_key(|limit| limit.0)
    }

    pub(crate) fn enter_shield(&self) {
        self.header().completion.lock().more.get_or_insert_default().shields += 1;
        self.header().flags.fetch_or(SHIELDED, Ordering::SeqCst);
    }

    pub(crate) fn leave_shield(&self) {
        let mut completion = self.header().completion.lock();
        let shields = &mut completion.more.get_or_insert_default().shields;
        *shields -= 1;
        if *shields == 0 {
            self.header().flags.fetch_and(!SHIELDED, Ordering::SeqCst);
        }
    }

    pub(crate) fn is_shielded(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & SHIELDED != 0
    }

    // --- the end ------------------------------------------------------------------------------------------------

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.header().done.load(Ordering::Acquire)
    }

    /// Whether the task, which is done, was given up: its frames, and what they borrow, must stay for ever.
    pub(crate) fn is_leaked(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & LEAKED != 0
    }

    /// Whether the task, which is done, panicked or could not run, and nobody has been told.
    pub(crate) fn has_failed(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & FAILED != 0
    }

    /// A scope tells of its failure. Before it starts.
    pub(super) fn set_scoped(&self) {
        self.header().flags.fetch_or(SCOPED, Ordering::Relaxed);
    }

    pub(super) fn is_scoped(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & SCOPED != 0
    }

    /// As [`has_failed`](Self::has_failed); who asks has been told.
    pub(crate) fn take_failure(&self) -> bool {
        self.header().flags.fetch_and(!FAILED, Ordering::Relaxed) & FAILED != 0
    }

    /// Asks for a wake-up at the end of the task. `false` if it has ended already.
    pub(crate) fn add_waiter(&self, waiter: Waiter) -> bool {
        let mut completion = self.header().completion.lock();
        if self.header().done.load(Ordering::Relaxed) {
            return false;
        }
        if completion.first.is_none() {
            completion.first = Some(waiter);
        } else {
            completion.more.get_or_insert_default().waiters.push(waiter);
        }
        true
    }

    /// Takes back what [`add_waiter`](Self::add_waiter) asked for.
    pub(crate) fn remove_waiter(&self, waiter: &Waiter) {
        let mut completion = self.header().completion.lock();
        if completion.first.as_ref() == Some(waiter) {
            completion.first = completion.more.as_mut().and_then(|more| more.waiters.pop());
        } else if let Some(more) = &mut completion.more {
            more.waiters.retain(|other| other != waiter);
        }
    }

    /// Asks for `number` to be left in `finished` at the end of the task. `false` if it has ended already.
    pub(crate) fn watch(&self, finished: &Arc<Finished>, number: usize) -> bool {
        let mut completion = self.header().completion.lock();
        if self.header().done.load(Ordering::Relaxed) {
            return false;
        }
        completion.more.get_or_insert_default().watchers.push((Arc::clone(finished), number));
        true
    }

    /// Takes back what [`watch`](Self::watch) asked for.
    pub(crate) fn unwatch(&self, finished: &Arc<Finished>) {
        if let Some(more) = &mut self.header().completion.lock().more {
            more.watchers.retain(|(other, _)| !Arc::ptr_eq(other, finished));
        }
    }

    /// Tells everybody who waits that the task has ended. The result is in its place by now.
    #[inline(always)]
    pub(crate) fn complete(&self) {
        let header = self.header();
        header.reservation.replace(Reservation::NONE).release();
        let (first, more) = {
            let mut completion = header.completion.lock();
            header.done.store(true, Ordering::Release);
            if header.flags.load(Ordering::Relaxed) & KILLED != 0 {
                INTERRUPTIONS.fetch_sub(1, Ordering::SeqCst);
            }
            (completion.first.take(), completion.more.take())
        };
        if let Some(waiter) = first {
            waiter.unpark();
        }
        if let Some(more) = more {
            more.waiters.into_iter().for_each(|waiter| waiter.unpark());
            more.watchers.into_iter().for_each(|(finished, number)| finished.push(number));
        }
        if let Some(family) = header.family.get() {
            family.leave(self);
        }
    }

    /// Ends a task that has not started and never will: its body is dropped here and now.
    pub(crate) fn abandon(self, cause: Cause) {
        drop_quietly(self.take_inherited());
        let error = JoinError::new(cause, self.name());
        // SAFETY: the caller owns the only reference that could ever start the task, so `run` is not called.
        unsafe { (self.header().vtable.abandon)(self.0, error) };
        self.complete();
    }

    /// Ends a task that was leaked on its stack by its hub and never runs again.
    pub(crate) fn complete_leaked(&self) {
        self.header().flags.fetch_or(LEAKED, Ordering::Relaxed);
        // If the body has left a result, that is the handle's.
        if !self.header().has_result() {
            drop_quietly(self.take_inherited());
            let error = JoinError::new(Cause::Killed, self.name());
            // SAFETY: the body has begun and never goes on, so it neither touches its stage again nor publishes a result.
            unsafe { (self.header().vtable.abandon)(self.0, error) };
        }
        self.complete();
    }

    /// Runs the body.
    ///
    /// # Safety
    /// Called once, in the task's own coroutine; `abandon` is not called.
    pub(super) unsafe fn run(&self) {
        // SAFETY: as the caller promises.
        unsafe { (self.header().vtable.run)(self.0) };
    }

    /// Where the result is, a `Result<T, JoinError>` of the task's `T`.
    ///
    /// # Safety
    /// The result is there and has not been taken, and nobody takes it while the pointer is used.
    pub(super) unsafe fn result(&self) -> *const () {
        // SAFETY: as the caller promises.
        unsafe { (self.header().vtable.result)(self.0) }
    }

    /// # Safety
    /// The result is there and has not been taken; `out` points to an `Option<Result<T, JoinError>>` of the task's `T`.
    pub(super) unsafe fn take_result(&self, out: *mut ()) {
        // SAFETY: as the caller promises.
        unsafe { (self.header().vtable.take_result)(self.0, out) };
    }
}

#[cfg(test)]
#[test]
fn each_flag_has_a_bit_of_its_own() {
    let all = [
        KILLED,
        RESULT,
        DETACHED,
        PERMIT,
        LIMITED,
        SHIELDED,
        UNWINDING,
        INTERRUPTED,
        FAILED,
        LEAKED,
        CUT_SHORT,
        VALUES,
        LINKED,
        SCOPED,
        PAUSED,
    ];
    assert_eq!(all.iter().sum::<u32>().count_ones() as usize, all.len());
}
