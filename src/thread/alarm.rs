//! Calling something at a point in time.
#![forbid(unsafe_code)]

use super::{Builder, JoinHandle};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Calls a function at a point in time, unless this is dropped before.
///
/// A green thread does that, which has no stack until its time comes, and costs one timer. It belongs to a runtime, and
/// whoever waits for the alarm may outlive that. So an alarm whose green thread ends without having run rings early:
/// whoever hears it looks at the clock, and sets another one.
pub(crate) struct Alarm {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Rings when it is dropped, unless the alarm has been dropped before.
struct RingOnDrop<F: FnOnce()> {
    over: Arc<AtomicBool>,
    ring: Option<F>,
}

impl<F: FnOnce()> Drop for RingOnDrop<F> {
    fn drop(&mut self) {
        if let (Some(ring), false) = (self.ring.take(), self.over.swap(true, Ordering::AcqRel)) {
            ring();
        }
    }
}

impl Alarm {
    pub(crate) fn set(at: Instant, ring: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let ring = RingOnDrop { over: Arc::clone(&over), ring: Some(ring) };
        let thread = Builder::new().spawn_at(at, move || drop(ring))?;
        Ok(Self { over, thread })
    }

    /// Whether it is ringing or has rung.
    pub(crate) fn has_rung(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if !self.over.swap(true, Ordering::AcqRel) {
            self.thread.kill();
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("has_rung", &self.has_rung()).finish_non_exhaustive()
    }
}
