//! Waking tasks of other executors, where that was put off.
//!
//! Their wakers are code of users: they may wait, and so may the destructors of a future whose last reference such a waker is. On its own
//! stack the hub would wait with them, for ever if one of its own green threads is to end that. So they are used by a green thread;
//! while one of them waits, another green thread goes on with the others.
#![forbid(unsafe_code)]

use super::local::Hub;
use crate::runtime::task::{Meta, foreign, new_task};
use crate::stack::budget::Reservation;

impl Hub {
    /// Has those woken whose wake-up was put off; returns whether there were any.
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
        // Who is to be woken may belong to an executor that goes on after the end of this runtime.
        task.refuse_kills();
        self.enroll(&task);
        self.push_local(task);
    }
}
