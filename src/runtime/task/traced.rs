//! What reports say of a task, and where a suspended green thread is.

use super::history::Told;
use super::started::Started;
use super::task_ref::TaskRef;
use crate::coroutine::{Root, Trace, Tracer};
use std::sync::atomic::Ordering;

impl TaskRef {
    /// Where it comes from, and what it has done so far.
    pub(crate) fn history(&self) -> Told {
        self.header().history.tell()
    }

    /// The time when its wait ends at the latest, in nanoseconds, if it has a deadline.
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
    /// Has the task find out where it is. It stays suspended.
    ///
    /// Called by its hub, which runs no green thread at this moment. So the task is suspended, and has run before.
    pub(in crate::runtime) fn look(self, root: Root, tracer: &mut Tracer) -> Trace {
        // SAFETY: a `Started` is valid on its own hub's thread until the task ends. The hub calls this between two
        // green threads, outside all coroutines. A task is in the roster, from which this one comes, only once it is
        // about to be resumed for the first time.
        tracer.trace(|tracer| unsafe { root.trace(self.control(), tracer) })
    }
}
