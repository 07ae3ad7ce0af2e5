//! Waiting for the green threads that descend from one `run`.
#![forbid(unsafe_code)]

use super::park::{Parker, Reason, Wake};
use crate::runtime::task::family::Family;
use crate::sys::time::deadline_after;
use std::time::{Duration, Instant};

impl Family {
    /// Waits until every member has ended, then kills the daemons and waits for them, and gives the family back.
    ///
    /// # Errors
    /// The names of daemons that did not end within `grace`. They keep the family.
    pub(crate) fn wait_and_free(&'static self, grace: Duration) -> Result<(), Vec<String>> {
        loop {
            self.wait(Self::is_empty, None);
            self.kill_daemons();
            if self.wait(Self::is_over, deadline_after(grace)) {
                self.free();
                return Ok(());
            }
            // They may have made new members meanwhile.
            if self.is_empty() {
                return Err(self.names());
            }
        }
    }

    fn wait(&self, over: impl Fn(&Self) -> bool, deadline: Option<Instant>) -> bool {
        while !over(self) {
            let parker = Parker::uninterruptible();
            self.await_by(parker.waiter());
            if over(self) {
                break;
            }
            // A member of the family's former life may have woken us: look again.
            if parker.park(Reason::Run, deadline) == Wake::TimedOut {
                return over(self);
            }
        }
        true
    }
}
