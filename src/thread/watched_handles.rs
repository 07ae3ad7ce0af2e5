//! Several green threads, and the order in which they end.
//!
//! Invariant: each different green thread comes out once, after its end and in the order of the ends; none is missed that ends while
//! the watch begins.
#![forbid(unsafe_code)]

use super::handle::Handle;
use super::{Thread, ThreadId};
use crate::runtime::finished::Finished;
use crate::runtime::park;
use crate::util::dropping::each;
use crate::util::moment::at_one_moment;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// Handles of different green threads, and the order in which these end.
pub(super) struct WatchedHandles<H: Handle> {
    handles: Vec<Option<H>>,
    pub(super) left: usize,
    /// The numbers of those that had ended before anybody waited, in the order given.
    ended: VecDeque<usize>,
    /// The numbers of the others, in the order in which they end. Some of `ended` may be there too.
    finished: Arc<Finished>,
}

/// Whether its end can still come. A forked child has the handles of its parent, but not the green threads.
fn is_awaited(thread: &Thread) -> bool {
    !thread.task().is_done() && !thread.task().is_parents()
}

impl<H: Handle> WatchedHandles<H> {
    #[track_caller]
    pub(super) fn new(handles: impl IntoIterator<Item = H>) -> Self {
        let mut seen: HashSet<ThreadId> = HashSet::new();
        let mut different: Vec<Option<H>> = Vec::new();
        for handle in each(handles) {
            assert!(
                !park::is_caller(handle.thread().task()),
                "a green thread cannot wait for its own end: it would wait for ever"
            );
            super::join_handle::start(handle.thread());
            if seen.insert(handle.thread().id()) {
                different.push(Some(handle));
            }
        }
        let left = different.len();
        let finished = Arc::new(Finished::default());
        let mut watched = Self { handles: different, left, ended: VecDeque::new(), finished };
        for (number, handle) in watched.handles.iter().enumerate() {
            if let Some(handle) = handle
                && is_awaited(handle.thread())
            {
                handle.thread().task().watch(&watched.finished, number);
            }
        }
        // All are watched by now, so those that have not ended here will be reported.
        watched.ended = at_one_moment(|| watched.have_ended());
        watched
    }

    fn have_ended(&self) -> VecDeque<usize> {
        let handles = self.handles.iter().enumerate();
        let has_ended = |handle: &H| !is_awaited(handle.thread());
        handles
            .filter(|(_, handle)| handle.as_ref().is_some_and(has_ended))
            .map(|(number, _)| number)
            .collect()
    }

    /// The next handle whose green thread has ended. `None` if none is left, or the deadline came first.
    pub(super) fn next(&mut self, deadline: Option<Instant>) -> Option<H> {
        self.next_numbered(deadline).map(|(_, handle)| handle)
    }

    /// Like `next`, with the position that the handle had among the different ones that were given.
    pub(super) fn next_numbered(&mut self, deadline: Option<Instant>) -> Option<(usize, H)> {
        if self.left == 0 {
            return None;
        }
        loop {
            let number = match self.ended.pop_front() {
                Some(number) => number,
                None => self.finished.next(deadline)?,
            };
            // It has been taken already if it was in `ended` too.
            if let Some(handle) = self.handles[number].take() {
                self.left -= 1;
                handle.thread().task().settle();
                return Some((number, handle));
            }
        }
    }

    /// The handles that have not been given out, in the order given.
    pub(super) fn into_rest(mut self) -> Vec<H> {
        self.unwatch();
        std::mem::take(&mut self.handles).into_iter().flatten().collect()
    }

    fn unwatch(&self) {
        for handle in self.handles.iter().flatten().filter(|handle| is_awaited(handle.thread())) {
            handle.thread().task().unwatch(&self.finished);
        }
    }
}

impl<H: Handle> Drop for WatchedHandles<H> {
    fn drop(&mut self) {
        self.unwatch();
    }
}
