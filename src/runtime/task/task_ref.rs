//! Counted references to a task, its properties, and how it is woken.

use super::flags::{PAUSED, PERMIT};
use super::header::Header;
use super::here::{self, Here};
use super::history::SpawnPlace;
use super::mailbox::Mailbox;
use super::meta::{Heritage, Meta};
use super::park_word::{Notify, ParkWord, Token};
use super::paused::Paused;
use super::reason::Reason;
use super::waiter::Waiter;
use crate::coroutine::Control;
use crate::runtime::task::family::Family;
use crate::sys::process;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

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

/// Writes its name, or one made of its id.
impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None if self.is_green() => write!(f, "green-{}", self.id()),
            None => write!(f, "thread-{}", self.id()),
        }
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for TaskRef {}

impl TaskRef {
    /// Takes over a reference that has already been counted.
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
    pub(super) unsafe fn share(header: NonNull<Header>) -> Self {
        // SAFETY: alive, as the caller says.
        let refs = unsafe { header.as_ref() }.refs.fetch_add(1, Ordering::Relaxed);
        // 2^63 references can only come from forgetting them in a loop; stop before the count wraps to a free.
        if refs > isize::MAX as usize {
            std::process::abort();
        }
        Self(header)
    }

    /// Drops a reference that is most likely the last one to a green thread that has ended. If it is, one load
    /// suffices.
    #[inline(always)]
    pub(super) fn drop_last(self) {
        if self.is_green() && self.header().refs.load(Ordering::Acquire) == 1 {
            let this = ManuallyDrop::new(self);
            // SAFETY: it is the last reference, and all other owners' writes are visible. Nobody makes another
            // meanwhile: one is made from another reference; from the roll only while whoever ends the task holds one;
            // from a started task only by its hub, which holds one as long.
            unsafe { (this.header().vtable.free)(this.0) };
        }
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
        self.header().id()
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

    /// Makes the task a member of the family. The caller is about to schedule it.
    pub(crate) fn join_family(&self, family: &'static Family) {
        self.header().family.set(Some(family));
        family.enter(self);
    }

    /// The settings that it was made with, if any.
    #[inline]
    pub(crate) fn meta(&self) -> Option<&Meta> {
        self.header().meta.as_deref()
    }

    /// The settings that its children inherit, unless they are the default.
    pub(crate) fn heritage(&self) -> Option<&Arc<Heritage>> {
        self.meta()?.heritage.as_ref()
    }

    /// The settings that the `main` of a `run` inherits which this task calls, namely the labels.
    pub(crate) fn heritage_of_main(&self) -> Option<Arc<Heritage>> {
        let own = self.heritage()?;
        let labels = || Arc::new(Heritage { daemon: false, labels: own.labels.clone() });
        Some(if own.daemon { labels() } else { Arc::clone(own) })
    }

    /// Like [`heritage`](Self::heritage), to be shared with a child.
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

    /// Whether it must stay on the OS thread that made it, even while it is paused or delayed.
    pub(crate) fn is_local(&self) -> bool {
        self.meta().is_some_and(|meta| meta.local)
    }

    // --- before it starts ---------------------------------------------------------------------------------------

    /// Notes the mailbox of the hub that will start it later, and its place in that hub's list of such tasks. Called by
    /// that hub.
    pub(crate) fn set_delayed(&self, mailbox: &'static Mailbox, place: u32) {
        if let Some(meta) = self.meta() {
            meta.delayed_place.store(place, Ordering::Relaxed);
        }
        self.set_mailbox(mailbox);
    }

    /// Makes the task itself keep the right to schedule it.
    pub(crate) fn set_paused(&self, paused: Paused) {
        let mut completion = self.header().completion.lock();
        self.header().more(&mut completion).paused = Some(paused);
        self.header().flags.fetch_or(PAUSED, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.header().flags.load(Ordering::Relaxed) & PAUSED != 0
    }

    /// Takes the right to schedule it out of the task, if it is still there.
    pub(crate) fn take_paused(&self) -> Option<Paused> {
        let mut completion = self.header().completion.lock();
        self.header().flags.fetch_and(!PAUSED, Ordering::Relaxed);
        completion.more.as_mut()?.paused.take()
    }

    /// Whether it was made in a process from which this one was forked. Then it does not run here, and never ends.
    pub(crate) fn is_parents(&self) -> bool {
        self.header().generation != process::generation()
    }

    pub(crate) fn roster(&self) -> u32 {
        self.header().roster.load(Ordering::Relaxed)
    }

    pub(crate) fn set_roster(&self, at: u32) {
        self.header().roster.store(at, Ordering::Relaxed);
    }

    /// Whether it has started on the hub with that mailbox, and its control block is at that address; see
    /// [`Started::address`].
    ///
    /// [`Started::address`]: super::Started::address
    pub(crate) fn runs_on(&self, mailbox: &Mailbox, address: usize) -> bool {
        self.is_of(mailbox) && self.header().control.load(Ordering::Relaxed).addr() == address
    }

    /// Whether it has been given a stack at some time, even if it [rests](super::live) now.
    pub(crate) fn has_started(&self) -> bool {
        !self.header().control.load(Ordering::Relaxed).is_null()
    }

    /// Whether it has started on the hub with that mailbox.
    pub(crate) fn is_of(&self, mailbox: &Mailbox) -> bool {
        ptr::eq(self.header().mailbox.load(Ordering::Relaxed), mailbox)
    }

    #[inline(always)]
    fn set_mailbox(&self, mailbox: &'static Mailbox) {
        self.header().mailbox.store(ptr::from_ref(mailbox).cast_mut(), Ordering::Relaxed);
    }

    pub(super) fn set_started(&self, mailbox: &'static Mailbox, control: NonNull<Control>) {
        self.set_mailbox(mailbox);
        self.header().control.store(control.as_ptr(), Ordering::Relaxed);
    }

    /// Notes that its hub has given it up, so that wakers do not find it any more.
    pub(super) fn forget_started(&self) {
        self.set_roster(u32::MAX);
        self.header().control.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Prefetches the memory that waking it touches.
    #[inline(always)]
    pub(super) fn prefetch(&self) {
        Header::prefetch(self.0);
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

    /// Notes what it is about to wait for, and until when at most, in nanoseconds.
    #[inline]
    pub(crate) fn set_wait(&self, reason: Reason, until: Option<u64>) {
        self.header().reason.store(reason as u8, Ordering::Relaxed);
        self.header().until.store(until.unwrap_or(0), Ordering::Relaxed);
        self.header().history.waits();
    }

    /// Notes where in the code it is spawned.
    #[inline(always)]
    pub(crate) fn set_spawn_place(&self, place: SpawnPlace) {
        self.header().history.set_place(place);
    }

    /// A number for the wait in which it sleeps, if that has no deadline; it changes with each wait.
    pub(crate) fn lasting_wait(&self) -> Option<u64> {
        let wait = self.header().park.wait()?;
        (self.header().until.load(Ordering::Relaxed) == 0).then_some(wait)
    }

    /// Whether it only waits for its turn: it does not sleep, or its deadline has passed and its hub has not looked
    /// yet. For reports, as it may have changed a moment later.
    pub(crate) fn could_run(&self, now: u64) -> bool {
        let until = self.header().until.load(Ordering::Relaxed);
        !self.header().park.sleeps() || (1..=now).contains(&until)
    }

    /// Ends the wait that `token` identifies, if it is not over.
    #[inline]
    pub(crate) fn unpark(&self, token: Token) {
        if token == Token::ANY {
            self.wake();
        } else if self.header().park.notify(token) == Notify::Wake {
            self.make_runnable();
        }
    }

    /// Like [`unpark`](Self::unpark), for a caller that has what belongs to its OS thread.
    #[inline(always)]
    pub(in crate::runtime) fn unpark_from(&self, token: Token, here: &Here) {
        if token == Token::ANY {
            self.wake();
        } else if self.header().park.notify(token) == Notify::Wake {
            let header = self.header();
            let control = NonNull::new(header.control.load(Ordering::Relaxed));
            match control.filter(|_| here.is_of(header.mailbox.load(Ordering::Relaxed))) {
                // SAFETY: an OS thread's task has no such mailbox, so it is a green thread of this OS thread's hub, on which it
                // sleeps, so it has started and not ended; the caller has ended its wait.
                Some(control) => here.woken(unsafe { header.ready(control) }),
                None => self.make_runnable(),
            }
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
        let mailbox = self.header().mailbox.load(Ordering::Relaxed);
        if let Some(control) = NonNull::new(self.header().control.load(Ordering::Relaxed)) {
            // SAFETY: the closure runs on the task's own hub, where the task sleeps, so it has started and not ended; the caller has
            // ended its wait.
            if here::with_if(mailbox, |here| here.woken(unsafe { self.header().ready(control) })) {
                return;
            }
        }
        // SAFETY: a task that slept has started, or waits to be started by a hub, so the mailbox is set; mailboxes are never freed.
        // The caller won the wake-up, and it is that of the task's hub.
        unsafe { (*mailbox).leave(self.0) };
    }

    // --- park and unpark of users, with a token of their own -----------------------------------------------------

    /// Takes the permit, if it is there.
    pub(crate) fn take_permit(&self) -> bool {
        self.header().flags.fetch_and(!PERMIT, Ordering::SeqCst) & PERMIT != 0
    }

    /// Notes the waiter that [`give_permit`](Self::give_permit) is to wake. Returns `false` if there is a permit: then
    /// it takes that instead.
    pub(crate) fn await_permit(&self, waiter: Waiter) -> bool {
        let mut completion = self.header().completion.lock();
        if self.take_permit() {
            return false;
        }
        self.header().more(&mut completion).parked = Some(waiter);
        true
    }

    /// Cancels what [`await_permit`](Self::await_permit) has noted.
    pub(crate) fn forget_waiter(&self) {
        if let Some(more) = &mut self.header().completion.lock().more {
            more.parked = None;
        }
    }

    /// Leaves a permit, and wakes the task if it waits for one.
    pub(crate) fn give_permit(&self) {
        let header = self.header();
        let parked = {
            let mut completion = header.completion.lock();
            header.flags.fetch_or(PERMIT, Ordering::SeqCst);
            completion.more.as_mut().and_then(|more| more.parked.take())
        };
        if let Some(waiter) = parked {
            waiter.unpark();
        }
    }

    // --- what differs between the types of tasks -----------------------------------------------------------------

    /// Runs the body.
    ///
    /// # Safety
    /// Called once, in the task's own coroutine; `abandon` is not called.
    pub(super) unsafe fn run(&self) {
        // SAFETY: as the caller promises.
        unsafe { (self.header().vtable.run)(self.0) };
    }

    /// The address of the result, a `Result<T, JoinError>` of the task's `T`.
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
