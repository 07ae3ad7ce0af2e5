//! The right to a green thread's result.
#![forbid(unsafe_code)]

use super::{JoinError, Thread};
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::runtime::task::{Cause, Joinable};
use crate::sys::time::deadline_after;
use std::fmt;
use std::time::{Duration, Instant};

/// Owns the right to join a green thread, as [`std::thread::JoinHandle`]. Dropping it detaches the green thread.
///
/// It is `Send` when the result is:
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<greenthread::JoinHandle<std::rc::Rc<u8>>>();
/// ```
pub struct JoinHandle<T> {
    joinable: Joinable<T>,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(joinable: Joinable<T>) -> Self {
        Self { joinable }
    }

    /// Waits for the green thread to end and returns its value. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`JoinError`] where there is no value: the green thread panicked, was killed, or could not run.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(greenthread::spawn(|| "value").join().unwrap(), "value");
    /// ```
    pub fn join(self) -> Result<T, JoinError> {
        self.wait_until(None);
        self.finish()
    }

    /// Like [`join`](Self::join), for at most `timeout`. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// The handle back if the time ran out; otherwise what `join` returns is inside.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let handle = greenthread::spawn(|| greenthread::thread::park());
    /// let handle = handle.join_timeout(Duration::from_millis(1)).unwrap_err();
    /// handle.kill();
    /// assert!(handle.join().unwrap_err().is_killed());
    /// ```
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        if self.wait_until(deadline_after(timeout)) { Ok(self.finish()) } else { Err(self) }
    }

    /// Ends the green thread by unwinding it at its next suspension point, or now if it is suspended at one; one that has
    /// not begun never runs. Does not wait for that, and does nothing to one that has ended. Does not suspend.
    ///
    /// It is not a panic: the hook stays silent, and [`JoinError::is_killed`] tells. Destructors run, and may wait. A
    /// body that catches it and returns a value has that value; one that goes on is killed again at its next suspension.
    pub fn kill(&self) {
        if !cfg!(panic = "abort") {
            self.joinable.task().kill();
        }
    }

    /// Waits for the end; `false` if the deadline passed first.
    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        let task = self.joinable.task();
        while !task.is_done() {
            let parker = Parker::new();
            let waiter = parker.waiter();
            if !task.add_waiter(waiter.clone()) {
                break;
            }
            match parker.park(Reason::Join, deadline) {
                Wake::Notified => {}
                Wake::TimedOut => {
                    task.remove_waiter(&waiter);
                    return task.is_done();
                }
                Wake::Killed => {
                    task.remove_waiter(&waiter);
                    park::raise_kill();
                }
            }
        }
        true
    }

    fn finish(self) -> Result<T, JoinError> {
        let lost = || Err(JoinError::new(Cause::Killed, None));
        self.joinable.take_result().unwrap_or_else(lost)
    }

    /// Whether the green thread has ended: then [`join`](Self::join) does not wait.
    pub fn is_finished(&self) -> bool {
        self.joinable.task().is_done()
    }

    /// The green thread itself: its name and id.
    pub fn thread(&self) -> &Thread {
        self.joinable.thread()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("thread", self.thread()).finish_non_exhaustive()
    }
}
