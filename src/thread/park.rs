//! Waiting for an `unpark`.
#![forbid(unsafe_code)]

use super::current;
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::sys::time::deadline_after;
use std::time::{Duration, Instant};

/// Suspends the calling green thread until its [`Thread::unpark`](crate::thread::Thread::unpark), as [`std::thread::park`];
/// blocks an OS thread. Returns at once if that was called since the last `park`. Does not return for any other reason.
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
    task.set_parked(Some(parker.waiter()));
    // Whoever leaves a permit looks for the waiter afterwards.
    let wake = if task.take_permit() {
        Wake::Notified
    } else {
        let wake = parker.park(Reason::Park, deadline);
        task.take_permit();
        wake
    };
    task.set_parked(None);
    if wake == Wake::Killed {
        park::raise_kill();
    }
}
