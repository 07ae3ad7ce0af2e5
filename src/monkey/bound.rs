//! Waits by `futex` that must block, because what they wait by belongs to the OS thread and not to the green thread:
//!
//! - `std::thread::park`, whose word belongs to the OS thread. If a green thread were suspended in it, the next one
//!   that parks would find the word changed, and so on for ever. An experiment at the start finds out where std keeps
//!   the word.
//! - A lock that lies in a thread-local, such as the one by which rayon waits for its pool: other green threads of the
//!   worker would take it for their own.
//! - A wait in a form that std does not use. Before parking_lot waits, it puts a node that belongs to the OS thread
//!   into a list, and a second green thread would put the same node in again.

use super::futex::{FutexCall, HOOK};
use crate::runtime::park;
use crate::sys::bare::{self, address};
use crate::sys::linker;
use crate::sys::{report, thread};
use std::cell::Cell;
use std::ffi::c_long;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How long a green thread blocks its worker before the user is told.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Why a wait is bound to its OS thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Park,
    ThreadLocal,
    Form,
}

impl Bound {
    /// Why this wait must block; `None` for one that may suspend.
    pub(super) fn of(call: FutexCall) -> Option<Self> {
        if !call.is_wait_of_std() {
            Some(Self::Form)
        } else if is_parker_of_std(call) {
            Some(Self::Park)
        } else {
            is_in_thread_local(call.word.addr()).then_some(Self::ThreadLocal)
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Park => {
                "std::thread::park, by which std's mpsc channels, std::thread::scope and crossbeam-channel wait"
            }
            Self::ThreadLocal => "a lock that lies in a thread-local, as rayon's do",
            Self::Form => "a futex of a form that std does not use, as parking_lot's locks do",
        }
    }
}

/// For each variant of [`Bound`], whether the user has been told.
static TOLD: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

/// A wait that must not suspend: blocks the worker, and says so if it takes long.
///
/// # Safety
/// As the system call demands of its arguments.
pub(super) unsafe fn block(bound: Bound, call: FutexCall, arguments: [c_long; 6]) -> c_long {
    // SAFETY: as the caller promises, for the caller's arguments and for those with another time.
    let kernel = |arguments| unsafe { bare::syscall(libc::SYS_futex, arguments) };
    let told = &TOLD[bound as usize];
    HOOK.holding(|| {
        if !call.time.is_null() || !call.is_for_any() || told.load(Ordering::Relaxed) {
            return kernel(arguments);
        }
        let time = libc::timespec { tv_sec: TELL_AFTER.as_secs() as _, tv_nsec: 0 };
        let mut bounded = arguments;
        // This form counts its time from the call.
        bounded[1] = (libc::FUTEX_WAIT | call.operation & libc::FUTEX_PRIVATE_FLAG).into();
        bounded[3] = address(&raw const time);
        let result = kernel(bounded);
        if result != -c_long::from(libc::ETIMEDOUT) {
            return result;
        }
        if !told.swap(true, Ordering::Relaxed) {
            let task = park::own_task();
            report(format_args!(
                "the green thread {:?} has blocked its worker for {TELL_AFTER:?} in {}. Its neighbours wait, and if one \
                 of them is to end this wait it never ends. Use greenthread::sync there, or an OS thread. Told once; \
                 greenthread::monkey::report() shows where",
                task.to_string(),
                bound.text(),
            ));
        }
        kernel(arguments)
    })
}

thread_local! {
    /// Whether the next wait of this thread is the one of `std::thread::park` that is to be observed.
    static LEARNING: Cell<bool> = const { Cell::new(false) };
    static LEARNED: Cell<usize> = const { Cell::new(0) };
}

/// The value of std's word while its thread is parked.
const PARKED: u32 = u32::MAX;

/// Whether std keeps the word of a thread's `park` where [`is_parker_of_std`] looks for it.
static IS_IN_HANDLE: AtomicBool = AtomicBool::new(false);

/// How far into the memory of a thread's handle the word may lie.
const REACH: usize = 256;

/// The address of the memory that the calling thread's handle points to.
fn own_handle() -> usize {
    let handle = std::thread::current();
    if size_of_val(&handle) != size_of::<usize>() {
        return 0;
    }
    // SAFETY: the handle is one word, as just seen; only its value is used, never what it may point to.
    unsafe { std::mem::transmute_copy::<std::thread::Thread, usize>(&handle) }
}

/// Whether the call, which waits in the form that std uses, is that of `std::thread::park`. Other locks of std's may
/// wait with the same value, so the address decides. Where the place of the word is unknown, the value alone decides,
/// and such a lock blocks.
fn is_parker_of_std(call: FutexCall) -> bool {
    call.value == PARKED
        && (!IS_IN_HANDLE.load(Ordering::Relaxed)
            || call.word.addr().wrapping_sub(own_handle()) < REACH)
}

/// Whether the calling thread is finding out where std keeps the word of its `park`.
#[inline(always)]
pub(super) fn is_learning() -> bool {
    // std inlines `try_with` here, but not `get`.
    LEARNING.try_with(Cell::get).unwrap_or(false)
}

/// Notes the address by which the calling thread waits, as it [is learning](is_learning).
pub(super) fn learn(word: usize) {
    LEARNED.set(word);
}

fn learn_place_of_park() {
    let learn = || {
        LEARNING.set(true);
        std::thread::park_timeout(Duration::from_nanos(1));
        LEARNING.set(false);
        let learned = LEARNED.get();
        learned != 0 && own_handle() != 0 && learned.wrapping_sub(own_handle()) < REACH
    };
    // A new thread has no permit, which would end its `park` at once.
    let learner = thread::start("greenthread-learns", None, learn);
    let found = learner.is_ok_and(|learner| learner.join().unwrap_or(false));
    IS_IN_HANDLE.store(found, Ordering::Relaxed);
}

/// How far the thread-locals of the object that this code is part of extend below and above [`landmark`]. That is the
/// same in each thread.
static BELOW: AtomicUsize = AtomicUsize::new(0);
static ABOVE: AtomicUsize = AtomicUsize::new(0);

/// The address of one of the calling thread's own thread-locals.
fn landmark() -> usize {
    LEARNED.with(|word| std::ptr::from_ref(word).addr())
}

fn is_in_thread_local(word: usize) -> bool {
    let below = BELOW.load(Ordering::Relaxed);
    word.wrapping_sub(landmark().wrapping_sub(below)) < below + ABOVE.load(Ordering::Relaxed)
}

/// Finds out what [`Bound::of`] needs to know.
pub(super) fn prepare() {
    learn_place_of_park();
    if let Some((below, above)) = linker::reach_of_thread_locals(landmark()) {
        BELOW.store(below, Ordering::Relaxed);
        ABOVE.store(above, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_park_is_found_in_the_handle() {
        prepare();
        assert!(IS_IN_HANDLE.load(Ordering::Relaxed));
    }

    #[test]
    fn thread_locals_are_told_from_what_is_elsewhere() {
        thread_local! {
            static OWN: Cell<[usize; 100]> = const { Cell::new([0; 100]) };
        }
        prepare();
        let look = || {
            let (heap, stack) = (Box::new(0), 0);
            OWN.with(|own| assert!(is_in_thread_local(std::ptr::from_ref(own).addr() + 792)));
            assert!(!is_in_thread_local(std::ptr::from_ref(&*heap).addr()));
            assert!(!is_in_thread_local(std::ptr::from_ref(&stack).addr()));
            assert!(!is_in_thread_local((&raw const BELOW).addr()));
            OWN.with(|own| std::ptr::from_ref(own).addr())
        };
        let own = look();
        let other = std::thread::spawn(move || {
            assert!(!is_in_thread_local(own), "another thread's");
            look()
        });
        assert_ne!(other.join().unwrap(), own);
    }
}
