//! The right to a green thread's result.
#![forbid(unsafe_code)]

use super::{JoinError, Thread};
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::runtime::task::{Cause, Joinable};
use std::fmt;

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
        let task = self.joinable.task();
        while !task.is_done() {
            let parker = Parker::new();
            let waiter = parker.waiter();
            if !task.add_waiter(waiter.clone()) {
                break;
            }
            if parker.park(Reason::Join, None) == Wake::Killed {
                task.remove_waiter(&waiter);
                park::raise_kill();
            }
        }
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
