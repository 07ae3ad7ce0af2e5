//! The started tasks of one hub.
#![forbid(unsafe_code)]

use crate::runtime::task::{Live, Started, TaskRef};
use crate::sys::prefetch::prefetch;
use crate::util::holey_vec::HoleyVec;

/// The list. Each task knows its place in it, so removing a task is a single store.
#[derive(Debug, Default)]
pub(crate) struct Roster(HoleyVec<Live>);

impl Roster {
    #[inline]
    pub(crate) fn add(&mut self, started: Started) {
        let live = Live::of(started);
        let place = self.0.add(live);
        live.with(|task| task.set_roster(place));
    }

    #[inline]
    pub(crate) fn remove(&mut self, task: &TaskRef) {
        self.0.free(task.roster());
    }

    /// Prefetches the memory that [`remove`](Self::remove) touches.
    #[inline]
    pub(crate) fn prefetch(&self, place: u32) {
        prefetch(self.0.address(place));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Up to `most` tasks from a place on, and the place after these; `None` if no more are left.
    #[allow(dead_code, reason = "reports alone ask")]
    pub(crate) fn some(&self, from: usize, most: usize) -> (Vec<Live>, Option<usize>) {
        let mut all = self.0.iter_from(from);
        let some = all.by_ref().take(most).map(|(_, live)| *live).collect();
        (some, all.next().map(|(at, _)| at))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Live> {
        self.0.iter().copied()
    }
}
