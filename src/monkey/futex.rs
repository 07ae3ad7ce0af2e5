//! What std's locks wait by: `syscall(SYS_futex, ...)`.
//!
//! A green thread that waits is kept in a table by the address of its word. Whoever wakes that address wakes green threads
//! first, and passes on to the kernel what is left of their number, for OS threads that wait there.
//!
//! Waiter and waker do not miss each other: a waiter counts itself in [`WAITERS`] and then looks at the word, in the lock of its
//! part of the table; a waker has changed the word and then looks at the count. One of them sees the other.
//!
//! Only the form that std uses suspends. `parking_lot` uses another one, and must block: before the call it has put a node that
//! belongs to the OS thread into a list, and a second green thread would put in the same. So must `std::thread::park`, whose
//! word belongs to the OS thread: with one green thread suspended in it, the next would find the word changed, for ever.

use super::hook::{Hook, Interposed};
use super::patch::{Patch, is_on, is_patched};
use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::wait_list::WaitList;
use crate::sys::bare::{self, to_libc};
use crate::sys::process::PerProcess;
use crate::sys::report;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{c_int, c_long};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant};

static HOOK: Hook = Hook::new(c"syscall");

/// All of this file.
pub(super) static INTERPOSED: &[Interposed] =
    &[Interposed { hook: &HOOK, ours: syscall as *const () }];

/// Stands in for `syscall`, which takes as many arguments as the call has: the rest is what the registers happen to hold.
///
/// # Safety
/// As the C library's function.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    let arguments = [a, b, c, d, e, f];
    if number == libc::SYS_futex && (is_patched(Patch::Futex) || LEARNING.get()) {
        // SAFETY: the caller keeps the contract of `futex`.
        return to_libc(unsafe { futex(arguments) });
    }
    // SAFETY: the caller keeps the contract of the system call.
    to_libc(unsafe { bare::syscall(number, arguments) })
}

/// The C library's own `syscall`, which blocks the OS thread.
///
/// # Safety
/// As the system call demands.
pub unsafe fn original_syscall(number: c_long, arguments: [c_long; 6]) -> c_long {
    // SAFETY: as the caller promises.
    to_libc(unsafe { bare::syscall(number, arguments) })
}

/// The arguments that this file looks at, as the kernel does: it takes the low half of what it counts in 32 bits.
#[derive(Clone, Copy)]
struct Call {
    word: *const AtomicU32,
    operation: c_int,
    value: u32,
    time: *const libc::timespec,
    mask: u32,
}

const PRIVATE: c_int = libc::FUTEX_PRIVATE_FLAG;
const ANY: u32 = u32::MAX;

impl Call {
    fn new(arguments: [c_long; 6]) -> Self {
        Self {
            word: ptr::with_exposed_provenance(arguments[0] as usize),
            operation: arguments[1] as c_int,
            value: arguments[2] as u32,
            time: ptr::with_exposed_provenance(arguments[3] as usize),
            mask: arguments[5] as u32,
        }
    }

    /// Whether it waits in the form that std uses, by which it can be told from those of others.
    fn is_wait_of_std(self) -> bool {
        self.operation == libc::FUTEX_WAIT_BITSET | PRIVATE && self.mask == ANY
    }

    fn waits(self) -> bool {
        let operation = self.operation & !(PRIVATE | libc::FUTEX_CLOCK_REALTIME);
        matches!(operation, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET)
    }

    fn wakes(self) -> bool {
        self.operation == libc::FUTEX_WAKE | PRIVATE
    }
}

unsafe fn futex(arguments: [c_long; 6]) -> c_long {
    let call = Call::new(arguments);
    // SAFETY: as the caller promises.
    let kernel = |arguments| unsafe { bare::syscall(libc::SYS_futex, arguments) };
    if call.wakes() {
        fence(Ordering::SeqCst);
        if WAITERS.load(Ordering::SeqCst) == 0 {
            return kernel(arguments);
        }
        let wanted = call.value as c_int;
        let woken = wake(call.word.addr(), usize::try_from(wanted).unwrap_or(0));
        let left = i64::from(wanted) - woken as i64;
        if left <= 0 {
            return woken as c_long;
        }
        let mut rest = arguments;
        rest[2] = left as c_long;
        let others = kernel(rest);
        return if others < 0 { others } else { others + woken as c_long };
    }
    if !call.waits() {
        return kernel(arguments);
    }
    if LEARNING.get() {
        LEARNED.set(call.word.addr());
        return kernel(arguments);
    }
    if !is_on(Patch::Futex) {
        return kernel(arguments);
    }
    HOOK.count_call();
    if call.is_wait_of_std() && !is_parker_of_std(call) {
        // SAFETY: std's word is valid as long as somebody waits for it.
        return unsafe { wait(call) };
    }
    // SAFETY: as the caller promises.
    unsafe { block(call, arguments) }
}

// --- waiting ------------------------------------------------------------------------------------------------------------

/// How many green threads wait.
static WAITERS: AtomicUsize = AtomicUsize::new(0);

const SHARDS: usize = 64;

struct Table([Mutex<HashMap<usize, WaitList<Waiter>>>; SHARDS]);

static TABLE: PerProcess<Table> = PerProcess::new();

fn shard(address: usize) -> &'static Mutex<HashMap<usize, WaitList<Waiter>>> {
    let table = TABLE.get(|| Table(std::array::from_fn(|_| Mutex::default())));
    // Words are aligned to four bytes.
    &table.0[(address >> 2) % SHARDS]
}

/// Suspends until the address is woken. A kill stays pending: what waits for a lock of std's does not expect to be refused.
///
/// # Safety
/// The word is valid until the call returns, and so is the time.
unsafe fn wait(call: Call) -> c_long {
    let address = call.word.addr();
    // SAFETY: as the caller promises.
    let deadline = match unsafe { call.time.as_ref() } {
        Some(time) => match monotonic(time) {
            Some(deadline) => deadline,
            None => return -c_long::from(libc::EINVAL),
        },
        None => None,
    };
    let parker = Parker::uninterruptible();
    let key = {
        let mut words = shard(address).lock();
        WAITERS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: as the caller promises.
        if unsafe { &*call.word }.load(Ordering::SeqCst) != call.value {
            WAITERS.fetch_sub(1, Ordering::SeqCst);
            return -c_long::from(libc::EAGAIN);
        }
        words.entry(address).or_default().push_back(parker.waiter())
    };
    HOOK.count_wait();
    if parker.park(Reason::Lock, deadline) == Wake::Notified {
        return 0;
    }
    let mut words = shard(address).lock();
    let Some(list) = words.get_mut(&address) else { return 0 };
    let gave_up = list.remove(key).is_some();
    if list.is_empty() {
        words.remove(&address);
    }
    if !gave_up {
        // Somebody has woken us in the same moment, and counts on us.
        return 0;
    }
    WAITERS.fetch_sub(1, Ordering::SeqCst);
    -c_long::from(libc::ETIMEDOUT)
}

/// A time of the kernel's monotonic clock. The outer `None` is one that is none; the inner one that never comes.
fn monotonic(time: &libc::timespec) -> Option<Option<Instant>> {
    let nanos = u32::try_from(time.tv_nsec).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let at = Duration::new(u64::try_from(time.tv_sec).ok()?, nanos);
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the buffer is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    let now = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
    Some(Instant::now().checked_add(at.saturating_sub(now)))
}

/// Wakes up to `most` of those who wait for the address, the first ones first. Returns how many.
fn wake(address: usize, most: usize) -> usize {
    let mut woken = 0;
    while woken < most {
        let waiter = {
            let mut words = shard(address).lock();
            let Some(list) = words.get_mut(&address) else { break };
            let first = list.pop_front();
            if list.is_empty() {
                words.remove(&address);
            }
            first
        };
        let Some(waiter) = waiter else { break };
        WAITERS.fetch_sub(1, Ordering::SeqCst);
        waiter.unpark();
        woken += 1;
    }
    woken
}

// --- what must block ----------------------------------------------------------------------------------------------------

/// After how long the user is told that a green thread blocks its worker.
const TELL_AFTER: Duration = Duration::from_secs(1);

static TOLD_OF_PARK: AtomicBool = AtomicBool::new(false);
static TOLD_OF_OTHERS: AtomicBool = AtomicBool::new(false);

/// A wait that must not suspend: blocks the worker, and says so if it takes long.
unsafe fn block(call: Call, arguments: [c_long; 6]) -> c_long {
    // SAFETY: as the caller promises, for the caller's arguments and for those with another time.
    let kernel = |arguments| unsafe { bare::syscall(libc::SYS_futex, arguments) };
    let (what, told) = if is_parker_of_std(call) {
        (
            "std::thread::park, by which std's mpsc channels, std::thread::scope and crossbeam-channel wait",
            &TOLD_OF_PARK,
        )
    } else {
        ("a futex of a form that std does not use, as parking_lot's locks do", &TOLD_OF_OTHERS)
    };
    HOOK.holding(|| {
        if !call.time.is_null() || told.load(Ordering::Relaxed) {
            return kernel(arguments);
        }
        let time = libc::timespec { tv_sec: TELL_AFTER.as_secs() as _, tv_nsec: 0 };
        let mut bounded = arguments;
        // This form counts its time from now.
        bounded[1] = (libc::FUTEX_WAIT | call.operation & PRIVATE).into();
        bounded[3] = (&raw const time).expose_provenance() as c_long;
        let result = if call.mask == ANY || call.operation & !PRIVATE == libc::FUTEX_WAIT {
            kernel(bounded)
        } else {
            return kernel(arguments);
        };
        if result != -c_long::from(libc::ETIMEDOUT) {
            return result;
        }
        if !told.swap(true, Ordering::Relaxed) {
            let task = park::own_task();
            report(format_args!(
                "the green thread {:?} has blocked its worker for {TELL_AFTER:?} in {what}. Its neighbours wait, and if one \
                 of them is to end this wait it never ends. Use greenthread::sync there, or an OS thread. Told once; \
                 greenthread::monkey::report() shows where",
                task.to_string(),
            ));
        }
        kernel(arguments)
    })
}

thread_local! {
    /// Whether the next wait of this thread is `std::thread::park`'s.
    static LEARNING: Cell<bool> = const { Cell::new(false) };
    static LEARNED: Cell<usize> = const { Cell::new(0) };
}

/// What std's word for a parked thread has.
const PARKED: u32 = u32::MAX;

/// Whether std keeps the word of a thread's `park` where [`is_parker_of_std`] looks for it.
static IS_IN_HANDLE: AtomicBool = AtomicBool::new(false);

/// How far into the memory of a thread's handle the word may lie.
const REACH: usize = 256;

/// The memory behind the calling thread's handle.
fn own_handle() -> usize {
    let handle = std::thread::current();
    if size_of_val(&handle) != size_of::<usize>() {
        return 0;
    }
    // SAFETY: the handle is one word, as just seen; only its value is used, never what it may point to.
    unsafe { std::mem::transmute_copy::<std::thread::Thread, usize>(&handle) }
}

/// Whether the call is that of `std::thread::park`. Other locks of std's may wait with the same number, so the place decides;
/// where that is unknown, so does the number, and such a lock blocks.
fn is_parker_of_std(call: Call) -> bool {
    call.value == PARKED
        && call.is_wait_of_std()
        && (!IS_IN_HANDLE.load(Ordering::Relaxed)
            || call.word.addr().wrapping_sub(own_handle()) < REACH)
}

/// Finds out where std keeps the word of `std::thread::park`.
pub(super) fn prepare() {
    let learn = || {
        LEARNING.set(true);
        std::thread::park_timeout(Duration::from_nanos(1));
        LEARNING.set(false);
        let learned = LEARNED.get();
        learned != 0 && own_handle() != 0 && learned.wrapping_sub(own_handle()) < REACH
    };
    // A thread of its own has no permit that would end its `park` at once.
    let learner = std::thread::Builder::new().name("greenthread-learns".into()).spawn(learn);
    let found = learner.is_ok_and(|learner| learner.join().unwrap_or(false));
    IS_IN_HANDLE.store(found, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_park_is_found_in_the_handle() {
        prepare();
        assert!(IS_IN_HANDLE.load(Ordering::Relaxed));
    }
}
