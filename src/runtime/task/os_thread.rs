//! An OS thread as something that waits and is woken like a task.

use super::header::{Header, VTable};
use super::meta::Meta;
use super::park_word::Token;
use super::task_ref::TaskRef;
use crate::stack::budget::Reservation;
use crate::sys::clock;
use crate::sys::process::PerProcess;
use crate::util::sync::{Condvar, Mutex};
use std::collections::HashSet;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::time::Instant;

#[repr(C)]
struct OsThread {
    header: Header,
    lock: Mutex<()>,
    woken: Condvar,
}

static VTABLE: VTable = VTable::of_waiting(free, wake);

/// The addresses of all such tasks in this process. Each is taken out, under the lock, before it is freed.
type All = crate::util::lock::Mutex<HashSet<HeaderAddress>>;

#[derive(Debug, PartialEq, Eq, Hash)]
struct HeaderAddress(NonNull<Header>);

// SAFETY: it is only an address; `os_threads` says when it may be followed.
unsafe impl Send for HeaderAddress {}

fn all() -> &'static All {
    static ALL: PerProcess<All> = PerProcess::new();
    ALL.get(All::default)
}

/// # Safety
/// `header` is that of an `OsThread` without references.
unsafe fn free(header: NonNull<Header>) {
    all().lock().remove(&HeaderAddress(header));
    // SAFETY: allocated as this type in `new_os_thread`.
    drop(unsafe { Box::from_raw(header.cast::<OsThread>().as_ptr()) });
}

/// # Safety
/// `header` is that of a live `OsThread`.
unsafe fn wake(header: NonNull<Header>) {
    // SAFETY: as the caller promises; the type is `repr(C)` with the header first.
    let thread = unsafe { header.cast::<OsThread>().as_ref() };
    // The lock orders this after the sleeper's last look at its park word.
    drop(thread.lock.lock());
    thread.woken.notify_one();
}

/// Makes the task by which the calling OS thread waits.
pub(crate) fn new_os_thread() -> TaskRef {
    let name = std::thread::current().name().map(Into::into);
    let meta = Box::new(Meta { name, ..Meta::default() });
    let thread = Box::new(OsThread {
        header: Header::new(&VTABLE, 1, Some(meta), None, Reservation::NONE),
        lock: Mutex::new(()),
        woken: Condvar::new(),
    });
    let header: NonNull<Header> = NonNull::from(Box::leak(thread)).cast();
    all().lock().insert(HeaderAddress(header));
    // SAFETY: the count began at one, and this is it.
    unsafe { TaskRef::adopt(header) }
}

/// The OS threads of this process that have waited for something of this library.
pub(crate) fn os_threads() -> Vec<TaskRef> {
    let all = all().lock();
    let counted = |address: &HeaderAddress| {
        // SAFETY: whoever frees it takes it out first, for which it needs the lock that we hold.
        let header = unsafe { address.0.as_ref() };
        let more = |refs: usize| (refs > 0).then(|| refs + 1);
        let counted = header.refs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        // SAFETY: it was not at zero, and now it is one higher.
        counted.is_ok().then(|| unsafe { TaskRef::adopt(address.0) })
    };
    all.iter().filter_map(counted).collect()
}

/// Blocks the calling OS thread until the wait of `token`, for which its park word says PARKED, is over.
pub(crate) fn sleep_os_thread(task: &TaskRef, token: Token, deadline: Option<Instant>) {
    debug_assert!(!task.is_green());
    // SAFETY: only `new_os_thread` makes references that are not green, all to `OsThread`s.
    let thread = unsafe { task.as_ptr().cast::<OsThread>().as_ref() };
    let mut guard = thread.lock.lock();
    while task.park_word().is_parked(token) {
        match deadline {
            None => guard = thread.woken.wait(guard),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(clock::now());
                let waited = thread.woken.wait_timeout(guard, left);
                guard = waited.0;
                if waited.1.timed_out() {
                    task.park_word().expire(token);
                }
            }
        }
    }
}
