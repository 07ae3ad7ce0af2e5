//! How std's locks wait: `syscall(SYS_futex, ...)`.
//!
//! The green threads that wait are kept in a table by the address of their word. Whoever wakes that address wakes green
//! threads first; if more are to be woken, the kernel wakes OS threads that wait there.
//!
//! No wake-up is lost. A waiter counts itself in [`WAITERS`] and then looks at the word, under the lock of its part of
//! the table. A waker has changed the word and then looks at the count. So at least one of the two sees the other.
//!
//! Some waits must block instead, because they belong to the OS thread; [`bound`] finds out which.

use super::bound::{self, Bound};
use super::hook::{Hook, Interposed};
use super::patch::{Patch, is_in_handler, is_on, is_patched, is_worker};
use crate::runtime::park::{Parker, Reason, Waiter, Wake};
use crate::runtime::wait_list::WaitList;
use crate::sys::bare::{self, to_libc};
use crate::sys::clock;
use crate::sys::process::PerProcess;
use crate::util::lock::Mutex;
use std::collections::HashMap;
use std::ffi::{c_int, c_long};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use std::time::{Duration, Instant};

pub(super) static HOOK: Hook = Hook::new(c"syscall");

/// All functions of this file.
pub(super) static INTERPOSED: &[Interposed] =
    &[Interposed { hook: &HOOK, ours: syscall as *const () }];

/// Stands in for `syscall`. It takes as many arguments as any system call may have; those that the caller did not pass
/// are whatever the registers hold.
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
    // The functions that are called from here are not inlined, are called last of all and cannot unwind, so that this
    // function needs no frame.
    if number == libc::SYS_futex {
        let operation = b as c_int;
        if waits(operation) {
            // SAFETY: the caller keeps the contract of `futex`.
            return unsafe { futex_wait(a, b, c, d, e, f) };
        }
        if WAITERS.load(Ordering::Relaxed) > 0 {
            // SAFETY: as above.
            return unsafe { futex_wake(a, b, c, d, e, f) };
        }
    }
    // SAFETY: the caller keeps the contract of the system call.
    let result = unsafe { bare::syscall(number, [a, b, c, d, e, f]) };
    // This waker has asked the kernel first, as no waiter was counted then. The system call orders all of memory
    // between the caller's change of the word and this look at the count, so no green thread is missed. It costs less
    // than a fence here.
    if number == libc::SYS_futex && WAITERS.load(Ordering::SeqCst) > 0 {
        return futex_woke(a, b, c, e, f, result);
    }
    to_libc(result)
}

/// The C library's own `syscall`, which blocks the OS thread.
///
/// # Safety
/// As the system call demands.
///
/// # Examples
/// ```
/// use greenthread::monkey::original;
///
/// // SAFETY: this call takes nothing and cannot fail.
/// let own = unsafe { original::syscall(libc::SYS_getpid, [0; 6]) };
/// assert_eq!(own as u32, std::process::id());
/// ```
pub unsafe fn original_syscall(number: c_long, arguments: [c_long; 6]) -> c_long {
    // SAFETY: as the caller promises.
    to_libc(unsafe { bare::syscall(number, arguments) })
}

/// The arguments that this file looks at, read as the kernel does: of the 32-bit ones it takes the low half.
#[derive(Clone, Copy)]
pub(super) struct FutexCall {
    pub(super) word: *const AtomicU32,
    pub(super) operation: c_int,
    pub(super) value: u32,
    pub(super) time: *const libc::timespec,
    mask: u32,
}

const PRIVATE: c_int = libc::FUTEX_PRIVATE_FLAG;
const ANY: u32 = u32::MAX;

/// Whether a call with this operation waits.
#[inline(always)]
fn waits(operation: c_int) -> bool {
    let operation = operation & !(PRIVATE | libc::FUTEX_CLOCK_REALTIME);
    matches!(operation, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET)
}

impl FutexCall {
    fn new(arguments: [c_long; 6]) -> Self {
        Self {
            word: ptr::with_exposed_provenance(arguments[0] as usize),
            operation: arguments[1] as c_int,
            value: arguments[2] as u32,
            time: ptr::with_exposed_provenance(arguments[3] as usize),
            mask: arguments[5] as u32,
        }
    }

    /// Whether it waits in the form that std uses. Other libraries use other forms.
    pub(super) fn is_wait_of_std(self) -> bool {
        self.operation == libc::FUTEX_WAIT_BITSET | PRIVATE && self.mask == ANY
    }

    /// Whether any wake-up ends the wait, whatever bits it has.
    pub(super) fn is_for_any(self) -> bool {
        self.operation & !PRIVATE == libc::FUTEX_WAIT || self.mask == ANY
    }

    /// Whether it wakes as many as `value` says of those who wait in the form that std uses.
    fn wakes(self) -> bool {
        match self.operation ^ PRIVATE {
            libc::FUTEX_WAKE => true,
            libc::FUTEX_WAKE_BITSET => self.mask != 0,
            _ => false,
        }
    }

    /// Whether it does more than wake. Then all green threads that wait for either word are woken, and look for
    /// themselves.
    fn moves(self) -> bool {
        matches!(
            self.operation ^ PRIVATE,
            libc::FUTEX_REQUEUE | libc::FUTEX_CMP_REQUEUE | libc::FUTEX_WAKE_OP
        )
    }
}

/// How many the call wakes: the number that its caller asked for, and the number to wake of green threads. While a
/// worker waits in the kernel, a green thread of it that is woken does not run, and may be the one for which the worker
/// waits. So meanwhile all green threads that wait for the word are woken.
fn wanted_of(call: FutexCall) -> (c_long, usize) {
    let wanted = c_long::from(call.value as c_int).max(0);
    let to_all = BLOCKED.load(Ordering::SeqCst) > 0 && wanted > 0;
    (wanted, if to_all { usize::MAX } else { wanted as usize })
}

/// A call that does not wait, made while some green threads wait for any word. Wakes green threads, and if there are
/// fewer than were to be woken, OS threads.
#[inline(never)]
unsafe extern "C" fn futex_wake(
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    let arguments = [a, b, c, d, e, f];
    let call = FutexCall::new(arguments);
    if !call.wakes() || is_in_handler() {
        // SAFETY: as the caller promises.
        let result = unsafe { bare::syscall(libc::SYS_futex, arguments) };
        return futex_woke(a, b, c, e, f, result);
    }
    fence(Ordering::SeqCst);
    let (wanted, most) = wanted_of(call);
    let woken = wake(call.word.addr(), most);
    let left = if most == usize::MAX { wanted } else { wanted - woken as c_long };
    if left <= 0 {
        return woken as c_long;
    }
    let mut rest = arguments;
    rest[2] = left;
    // SAFETY: as the caller promises.
    let others = unsafe { bare::syscall(libc::SYS_futex, rest) };
    to_libc(if others < 0 { others } else { wanted.min(others + woken as c_long) })
}

/// Called when the kernel has made a call that does not wait, and some green threads wait for any word. Wakes those
/// that it concerns. In a signal handler it wakes none, as the handler may have interrupted a thread that holds the
/// lock of the table.
#[inline(never)]
extern "C" fn futex_woke(
    a: c_long,
    b: c_long,
    c: c_long,
    e: c_long,
    f: c_long,
    result: c_long,
) -> c_long {
    if is_in_handler() {
        return to_libc(result);
    }
    let call = FutexCall::new([a, b, c, 0, e, f]);
    if call.wakes() && result >= 0 {
        let (wanted, most) = wanted_of(call);
        let most = if most == usize::MAX { most } else { (wanted - result).max(0) as usize };
        let woken = wake(call.word.addr(), most);
        return wanted.min(result + woken as c_long);
    }
    if call.moves() {
        wake(call.word.addr(), usize::MAX);
        wake(e as usize, usize::MAX);
    }
    to_libc(result)
}

/// A call that waits. Most threads run no green threads, and wait in the kernel.
#[inline(never)]
unsafe extern "C" fn futex_wait(
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    let arguments = [a, b, c, d, e, f];
    // SAFETY: as the caller promises.
    let kernel = || unsafe { bare::syscall(libc::SYS_futex, arguments) };
    if bound::is_learning() {
        bound::learn(a as usize);
        return to_libc(kernel());
    }
    if !is_worker() || !is_patched(Patch::Futex) {
        return to_libc(kernel());
    }
    // In a signal handler the patch is not on either: the handler may have interrupted a thread that holds the lock of
    // the table.
    if !is_on(Patch::Futex) {
        return to_libc(blocked(kernel));
    }
    let call = FutexCall::new(arguments);
    HOOK.count_call();
    to_libc(match Bound::of(call) {
        // SAFETY: std's word is valid as long as somebody waits for it.
        None => unsafe { wait(call) },
        // SAFETY: as the caller promises.
        Some(bound) => blocked(|| unsafe { bound::block(bound, call, arguments) }),
    })
}

// --- waiting ------------------------------------------------------------------------------------------------------------

/// How many green threads wait.
static WAITERS: AtomicUsize = AtomicUsize::new(0);

/// How many workers wait in the kernel for some word, and so run none of their green threads.
static BLOCKED: AtomicUsize = AtomicUsize::new(0);

/// Has the calling worker wait in the kernel. As with [`WAITERS`], it is counted before the kernel looks at the word.
fn blocked<T>(wait: impl FnOnce() -> T) -> T {
    BLOCKED.fetch_add(1, Ordering::SeqCst);
    let result = wait();
    BLOCKED.fetch_sub(1, Ordering::SeqCst);
    result
}

const SHARDS: usize = 64;

struct FutexTable([Mutex<HashMap<usize, WaitList<Waiter>>>; SHARDS]);

static TABLE: PerProcess<FutexTable> = PerProcess::new();

fn shard(address: usize) -> &'static Mutex<HashMap<usize, WaitList<Waiter>>> {
    let table = TABLE.get(|| FutexTable(std::array::from_fn(|_| Mutex::default())));
    // Words are aligned to four bytes.
    &table.0[(address >> 2) % SHARDS]
}

/// Suspends until the address is woken. A kill stays pending, as code that waits for a lock of std's does not expect an
/// error.
///
/// # Safety
/// The word is valid until the call returns, and so is the time.
unsafe fn wait(call: FutexCall) -> c_long {
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
        // Somebody has woken this waiter in the same moment, and counted it.
        return 0;
    }
    WAITERS.fetch_sub(1, Ordering::SeqCst);
    -c_long::from(libc::ETIMEDOUT)
}

/// Turns a time of the kernel's monotonic clock into a deadline. The outer `None` means that the time is not valid, the
/// inner one that it never comes.
fn monotonic(time: &libc::timespec) -> Option<Option<Instant>> {
    let nanos = u32::try_from(time.tv_nsec).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let at = Duration::new(u64::try_from(time.tv_sec).ok()?, nanos);
    let now = bare::time_of(libc::CLOCK_MONOTONIC)?;
    let now = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
    Some(clock::now().checked_add(at.saturating_sub(now)))
}

/// Wakes up to `most` of those who wait for the address, in the order in which they came. Returns how many it woke.
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
        // A waiter that was given up with its runtime would take the wake-up away from the next.
        if !waiter.is_given_up() {
            waiter.unpark();
            woken += 1;
        }
    }
    woken
}
