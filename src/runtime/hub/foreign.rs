//! Waking tasks of other executors whose wake-up was put off.
//!
//! Their wakers are code of users: they may wait, and so may the destructors of a future to which such a waker is the
//! last reference. If the hub used them on its own stack it would wait with them, for ever if one of its own green
//! threads is to end that wait. So a green thread uses them. While it waits in one of them, another green thread goes
//! on with the rest.
#![forbid(unsafe_code)]

use super::local::Hub;
use crate::runtime::task::{Meta, foreign, new_task};
use crate::stack::budget::Reservation;

impl Hub {
    /// Has the tasks woken whose wake-up was put off. Returns whether there were any.
    #[inline(always)]
    pub(super) fn wake_foreign(&self) -> bool {
        let any = self.lane().here().take_foreign();
        if any {
            self.wake_put_off();
        }
        any
    }

    #[cold]
    #[inline(never)]
    fn wake_put_off(&self) {
        let Some(wakes) = foreign::wake_own() else { return };
        let meta = Meta { name: Some("wakers".into()), local: true, ..Meta::default() };
        let body = move || drop(wakes);
        let (task, _) = new_task(body, Some(Box::new(meta)), None, Reservation::NONE);
        // A task that is to be woken may belong to an executor that goes on after the end of this runtime.
        task.refuse_kills();
        self.enroll(&task);
        self.push_local(task);
    }
}
