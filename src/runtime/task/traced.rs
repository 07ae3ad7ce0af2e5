//! What reports tell of a task, and where a suspended green thread is.

use super::history::Told;
use super::started::Started;
use super::task_ref::TaskRef;
use crate::coroutine::{Root, Trace, Tracer};
use std::sync::atomic::Ordering;

impl TaskRef {
    /// Where it comes from and what it has done so far.
    pub(crate) fn history(&self) -> Told {
        self.header().history.tell()
    }

    /// Until when its wait lasts at most, in nanoseconds, if that is certain.
    pub(crate) fn waits_until(&self) -> Option<u64> {
        let until = self.header().until.load(Ordering::Relaxed);
        (until != 0).then_some(until)
    }

    /// How many references to it there are.
    pub(in crate::runtime) fn references(&self) -> usize {
        self.header().refs.load(Ordering::Acquire)
    }
}

impl Started {
    /// Has the task look where it is. It stays suspended.
    ///
    /// Called by its hub, which runs nothing: so the task is suspended, and has run before.
    pub(in crate::runtime) fn look(self, root: Root, tracer: &mut Tracer) -> Trace {
        // SAFETY: a `Started` is valid on its own hub's thread until the task ends. What the hub says of itself is asked for between
        // two green threads, outside all coroutines; and a task is in the roster, from which this one comes, only once it is about to
        // be resumed for the first time.
        tracer.trace(|tracer| unsafe { root.trace(self.control(), tracer) })
    }
}
