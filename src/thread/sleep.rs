//! Letting time pass, and letting others run.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Parker, Reason, Wake};
use crate::sys::time::deadline_after;
use std::time::{Duration, Instant};

/// Suspends the calling green thread for at least `duration`, as [`std::thread::sleep`]; blocks an OS thread. A sleep of
/// zero is a [`yield_now`].
///
/// It is never short, and late by as long as other green threads keep the worker, and by what the kernel takes to wake an
/// idle one: some 20 to 40 µs. The 50 µs of timer slack that come on top of this for other threads are switched off on
/// workers, and for the time of a `run` on the thread of a current-thread runtime (`PR_SET_TIMERSLACK`); OS threads and
/// processes that are started there take this over. None is rounded up to whole milliseconds (it is by kernels before 5.11).
/// Where more than eight sleeps of one worker end in the same millisecond, an idle worker wakes once for all of them, at
/// the end of that millisecond: so each is late by up to one more, by half of one on average.
/// Sleeps of one worker that are due at the same time end in the order in which they began.
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
/// let before = Instant::now();
/// greenthread::spawn(|| greenthread::sleep(Duration::from_millis(10))).join().unwrap();
/// assert!(before.elapsed() >= Duration::from_millis(10));
/// ```
pub fn sleep(duration: Duration) {
    if duration.is_zero() {
        return yield_now();
    }
    wait(deadline_after(duration));
}

/// Like [`sleep`], to a point in time; one that has passed is a [`yield_now`].
pub fn sleep_until(deadline: Instant) {
    if deadline <= Instant::now() {
        return yield_now();
    }
    wait(Some(deadline));
}

/// `None` is a time beyond the clock's end: for ever.
fn wait(deadline: Option<Instant>) {
    if Parker::new().park(Reason::Sleep, deadline) == Wake::Killed {
        park::raise_kill();
    }
}

/// Lets every other ready green thread of the worker run first, as [`std::thread::yield_now`]; on a plain OS thread
/// yields that.
#[inline(always)]
#[doc(alias("Gosched", "gosched"))]
pub fn yield_now() {
    park::yield_now();
}
