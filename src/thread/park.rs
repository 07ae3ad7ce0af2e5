//! Waiting for an `unpark`.
#![forbid(unsafe_code)]

use super::current;
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::sys::time::deadline_after;
use std::time::{Duration, Instant};

/// Suspends the calling green thread until its [`Thread::unpark`](crate::thread::Thread::unpark), as [`std::thread::park`];
/// blocks an OS thread. Returns at once if that was called since the last `park`. Does not return for any other reason.
///
/// A kill or a timeout that ends it uses no permit up: one that comes in the same moment is there for the next `park`.
///
/// The token is apart from the one of `std::thread::park` and from what this library waits with inside.
///
/// # Examples
/// ```
/// let handle = greenthread::spawn(|| greenthread::thread::park());
/// handle.thread().unpark();
/// handle.join().unwrap();
/// ```
pub fn park() {
    park_until(None);
}

/// Like [`park`], for at most `timeout`.
pub fn park_timeout(timeout: Duration) {
    park_until(deadline_after(timeout));
}

/// `None` is for ever.
pub(super) fn park_until(deadline: Option<Instant>) {
    let thread = current();
    let task = thread.task();
    if task.take_permit() {
        return;
    }
    let parker = Parker::new();
    if !task.await_permit(parker.waiter()) {
        return;
    }
    if parker.park(Reason::Park, deadline) == Wake::Killed {
        // A permit that came in the same moment stays for the next `park`.
        task.forget_waiter();
        park::raise_kill();
    }
    task.forget_waiter();
    task.take_permit();
}
