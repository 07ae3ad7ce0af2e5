//! Where a suspended green thread is.

use super::started::Started;
use crate::coroutine::{Root, Trace, Tracer};

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
