//! Waiting for an `unpark`.
#![forbid(unsafe_code)]

use super::current;
use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::sys::time::deadline_after;
use crate::util::sync::mutated;
use std::time::{Duration, Instant};

/// Suspends the calling green thread until somebody calls its [`Thread::unpark`](crate::thread::Thread::unpark), as
/// [`std::thread::park`]; blocks an OS thread. Returns at once if `unpark` has been called since the last `park`. Unlike
/// std's, it returns for no other reason.
///
/// The permit that `unpark` gives is not the one of `std::thread::park`, and no other wait of this library takes it or gives
/// it. Where a kill or a timeout ends a `park`, a permit that comes at the same moment is kept for the next one.
///
/// # Examples
/// ```
/// let handle = greenthread::spawn(|| greenthread::thread::park());
/// handle.thread().unpark();
/// handle.join().unwrap();
/// ```
#[doc(alias = "Parker")]
#[doc(alias = "LockSupport")]
pub fn park() {
    park_until(None);
}

/// Like [`park`], for at most `timeout`; as [`std::thread::park_timeout`]. Suspends a green thread, blocks an OS thread. It does
/// not say which of the two ended it.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// // Nobody calls `unpark`.
/// greenthread::spawn(|| greenthread::thread::park_timeout(Duration::from_millis(1))).join().unwrap();
/// ```
pub fn park_timeout(timeout: Duration) {
    park_until(deadline_after(timeout));
}

/// Parks until the deadline; `None` is for ever.
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
        // A permit that came at the same moment stays for the next `park`.
        task.forget_waiter();
        if mutated("a killed park takes the permit") {
            task.take_permit();
        }
        park::raise_kill();
    }
    task.forget_waiter();
    task.take_permit();
}

#[cfg(all(test, loom))]
mod models {
    use super::park_until;
    use crate::runtime::park;
    use loom::thread;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Instant;

    #[test]
    fn a_permit_is_not_lost_to_a_kill() {
        loom::model(|| {
            let me = park::own_task();
            let other = {
                let me = me.clone();
                thread::spawn(move || {
                    me.kill();
                    me.give_permit();
                })
            };
            if catch_unwind(AssertUnwindSafe(|| park_until(None))).is_err() {
                me.enter_shield();
                park_until(None);
            }
            other.join().unwrap();
            assert!(!me.take_permit(), "it was used up");
        });
    }

    #[test]
    fn a_permit_wakes_or_waits() {
        loom::model(|| {
            let me = park::own_task();
            let other = {
                let me = me.clone();
                thread::spawn(move || me.give_permit())
            };
            park_until(Some(Instant::now()));
            other.join().unwrap();
            if !me.take_permit() {
                // The park has used the permit.
                return;
            }
            me.give_permit();
            park_until(None);
        });
    }
}
