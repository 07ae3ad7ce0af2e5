//! A task of another executor, as something that waits and is woken like a task of this library.
//!
//! It waits in the same lists as other tasks. Waking it means using the [`Waker`] that its last poll left. That is code
//! of users, which may do anything: wait, call what is just being changed, panic. So it is called where nothing of the
//! library is locked or borrowed. Inside [`put_off`], and on a hub's own stack, it is put off; in the second case a
//! green thread does it later (`hub/foreign.rs`). A panic goes no further.
//!
//! A foreign task that waits for what others may take as well is on a roll of its own kind, so that it is found if it
//! was woken and does not come (`runtime/observe/bypass.rs`).

use super::header::{Header, VTable};
use super::here::{self, Here};
use super::mark::Mark;
use super::park_word::{ParkWord, Token, WaitOutcome};
use super::roll::OpenRoll;
use super::task_ref::TaskRef;
use crate::stack::budget::Reservation;
use crate::sys::process::PerProcess;
use crate::util::dropping::drop_quietly;
use crate::util::sync::{Mutex, mutated};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::task::Waker;

#[repr(C)]
struct Foreign {
    header: Header,
    waker: Mutex<Option<Waker>>,
}

static VTABLE: VTable = VTable::of_waiting(free, wake);

/// # Safety
/// `header` is that of a `Foreign` without references.
unsafe fn free(header: NonNull<Header>) {
    // SAFETY: allocated as this type in `new_foreign`.
    drop(unsafe { Box::from_raw(header.cast::<Foreign>().as_ptr()) });
}

/// # Safety
/// `header` is that of a live `Foreign`.
unsafe fn wake(header: NonNull<Header>) {
    // SAFETY: the header is alive, so its count may be raised.
    let task = unsafe { TaskRef::share(header) };
    let put_off = must_put_off()
        && LATER.try_with(|later| later.tasks.borrow_mut().push_back(task.clone())).is_ok();
    if put_off {
        here::with(Here::note_foreign);
    } else {
        use_waker(&task);
    }
}

/// Makes a task for a future that waits outside of all hubs and threads of the library.
pub(crate) fn new_foreign() -> TaskRef {
    let foreign = Box::new(Foreign {
        header: Header::new(&VTABLE, 1, None, None, Reservation::NONE),
        waker: Mutex::new(None),
    });
    // SAFETY: the count began at one, and this is it.
    unsafe { TaskRef::adopt(NonNull::from(Box::leak(foreign)).cast()) }
}

/// How many rolls there are. There are several so that tasks which wait for different things seldom want the same lock.
const ROLLS: usize = 16;

fn rolls() -> &'static [OpenRoll; ROLLS] {
    static ALL: PerProcess<[OpenRoll; ROLLS]> = PerProcess::new();
    ALL.get(Default::default)
}

/// Notes that `task` waits for what `mark` stands for, and puts it on a roll, where [`enrolled`] finds it until it
/// ends.
pub(crate) fn enroll(task: &TaskRef, mark: Mark) {
    task.set_mark(mark);
    if task.header().place.get().is_none() {
        let mixed = (task.as_ptr().addr().get() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        rolls()[mixed as usize % ROLLS].enter(task);
    }
}

/// The tasks that have been enrolled and have not ended.
pub(crate) fn enrolled() -> Vec<TaskRef> {
    let mut tasks = Vec::new();
    rolls().iter().for_each(|roll| roll.roll().list(&mut tasks));
    tasks
}

/// The task of this library that polls the future of this wait, if there is one and it waits for that future.
pub(crate) fn poller(task: &TaskRef) -> Option<TaskRef> {
    TaskRef::of_waker(slot(task).lock().as_ref()?)
}

/// Leaves the waker to be used when the wait of `token` ends. Returns `false` if it has ended already: then the waker
/// is not used.
pub(crate) fn sleep_foreign(task: &TaskRef, token: Token, waker: &Waker) -> bool {
    sleep(task, token, waker, |park| park.park(token, false))
}

/// Like [`sleep_foreign`], for something that others may take as well. `Some` says how the wait ended. After a nudge
/// the wait goes on, and the caller looks before it calls this again.
pub(crate) fn sleep_open(task: &TaskRef, token: Token, waker: &Waker) -> Option<WaitOutcome> {
    if sleep(task, token, waker, |park| park.park_open(token, false)) {
        return None;
    }
    let park = task.park_word();
    let nudged = park.outcome() == WaitOutcome::Nudged && park.rearm(token);
    Some(if nudged { WaitOutcome::Nudged } else { WaitOutcome::Notified })
}

fn sleep(
    task: &TaskRef,
    token: Token,
    waker: &Waker,
    begin: impl FnOnce(&ParkWord) -> bool,
) -> bool {
    let slot = slot(task);
    let is_new = match &*slot.lock() {
        Some(_) if mutated("the waker of the first poll stays") => false,
        Some(old) => !old.will_wake(waker),
        None => true,
    };
    if is_new {
        // Cloning and dropping a waker is code of users too.
        let new = waker.clone();
        let old = slot.lock().replace(new);
        drop_quietly(old);
    }
    if mutated("a future does not look again after it has left its waker") {
        begin(task.park_word());
        return true;
    }
    // Whoever ends the wait takes the waker after that. So either it finds the new waker, or we find that the wait is
    // over.
    begin(task.park_word()) || task.park_word().is_parked(token)
}

/// Called when the task will not wait again: drops the waker of its executor. A panic of the waker's destructor goes no
/// further, as the caller must still leave the list in which it waits.
pub(crate) fn end_foreign(task: &TaskRef) {
    task.leave_roll();
    let waker = slot(task).lock().take();
    drop_quietly(waker);
}

/// Whether it waits for a future.
pub(super) fn is_foreign(task: &TaskRef) -> bool {
    std::ptr::eq(task.header().vtable, &raw const VTABLE)
}

fn slot(task: &TaskRef) -> &Mutex<Option<Waker>> {
    debug_assert!(is_foreign(task));
    // SAFETY: only `new_foreign` makes the references that come here, all to `Foreign`s.
    unsafe { &task.as_ptr().cast::<Foreign>().as_ref().waker }
}

fn use_waker(task: &TaskRef) {
    let waker = slot(task).lock().take();
    if let Some(waker) = waker
        && let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake()))
    {
        // The panic has been printed. Others are still to be woken, and our caller did nothing wrong.
        drop_quietly(payload);
    }
}

/// The tasks that are to be woken later.
struct Later {
    depth: Cell<usize>,
    tasks: RefCell<VecDeque<TaskRef>>,
}

thread_local! {
    static LATER: Later =
        const { Later { depth: Cell::new(0), tasks: RefCell::new(VecDeque::new()) } };
}

fn must_put_off() -> bool {
    LATER.try_with(|later| later.depth.get() > 0).unwrap_or(false)
        || here::with(Here::is_between).unwrap_or(false)
}

/// While this lives, the calling OS thread does not use wakers of other executors, and must not suspend.
#[derive(Debug)]
pub(crate) struct PutOff(());

/// For callers that wake several tasks while they hold a lock. It is made before the lock is taken, so that it is
/// dropped after the lock is free.
pub(crate) fn put_off() -> PutOff {
    let _ = LATER.try_with(|later| later.depth.set(later.depth.get() + 1));
    PutOff(())
}

impl PutOff {
    /// Ends it, and returns the tasks that are to be woken by users' wakers; the caller wakes them.
    pub(in crate::runtime) fn leave(self) -> Vec<PutOffWake> {
        take_others().into_iter().map(PutOffWake).collect()
    }
}

impl Drop for PutOff {
    fn drop(&mut self) {
        let any = LATER.try_with(|later| {
            later.depth.set(later.depth.get() - 1);
            !later.tasks.borrow().is_empty()
        });
        if any.unwrap_or(false) && !must_put_off() {
            wake_later();
        }
    }
}

/// A task whose wake-up was put off: dropping this uses its waker.
#[derive(Debug)]
pub(in crate::runtime) struct PutOffWake(TaskRef);

impl Drop for PutOffWake {
    fn drop(&mut self) {
        use_waker(&self.0);
    }
}

/// The wake-ups by users' wakers that a hub has put off: dropping this uses these wakers.
#[derive(Debug)]
pub(in crate::runtime) struct PutOffWakes(());

impl Drop for PutOffWakes {
    fn drop(&mut self) {
        // If one of the wakers waits, the hub is to look again and have another green thread go on with the rest.
        here::with(Here::note_foreign);
        wake_later();
    }
}

/// Of the tasks whose wake-up was put off, wakes those with wakers of this library. If others are left, the caller has
/// to wake them by dropping the result.
pub(in crate::runtime) fn wake_own() -> Option<PutOffWakes> {
    let others = take_others();
    if others.is_empty() {
        return None;
    }
    LATER.try_with(|later| later.tasks.borrow_mut().extend(others)).ok()?;
    Some(PutOffWakes(()))
}

/// Takes the tasks whose wake-up was put off, wakes those with wakers of this library, which run no code of users, and
/// returns the others.
fn take_others() -> VecDeque<TaskRef> {
    let mut tasks = LATER.try_with(|later| later.tasks.take()).unwrap_or_default();
    tasks.retain(|task| {
        let is_own = slot(task).lock().as_ref().is_none_or(|it| TaskRef::of_waker(it).is_some());
        if is_own {
            use_waker(task);
        }
        !is_own
    });
    tasks
}

/// Wakes the tasks whose wake-up was put off. Called where nothing is locked or borrowed.
#[cold]
pub(super) fn wake_later() {
    let next = || LATER.try_with(|later| later.tasks.borrow_mut().pop_front()).ok().flatten();
    // Those that are added meanwhile are left for later, so that on a hub other green threads have their turn first.
    let count = LATER.try_with(|later| later.tasks.borrow().len()).unwrap_or(0);
    for task in (0..count).map_while(|_| next()) {
        use_waker(&task);
    }
}
