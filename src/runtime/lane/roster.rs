//! The started tasks of one hub.
#![forbid(unsafe_code)]

use crate::runtime::task::{Live, Started, TaskRef};
use crate::sys::prefetch::prefetch;

/// A list with holes. Each task knows its place, so leaving the list is a single store.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    places: Vec<Option<Live>>,
    free: Vec<u32>,
}

impl Roster {
    #[inline]
    pub(crate) fn add(&mut self, started: Started) {
        let live = Live::of(started);
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place as usize] = Some(live);
                place
            }
            None => {
                self.places.push(Some(live));
                (self.places.len() - 1) as u32
            }
        };
        live.with(|task| task.set_roster(place));
    }

    #[inline]
    pub(crate) fn remove(&mut self, task: &TaskRef) {
        let place = task.roster();
        self.places[place as usize] = None;
        self.free.push(place);
    }

    /// Asks for the memory that [`remove`](Self::remove) touches.
    #[inline]
    pub(crate) fn prefetch(&self, place: u32) {
        prefetch(self.places.as_ptr().wrapping_add(place as usize));
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Up to `most` of them from a place on, and the place after these; `None` if there is nothing left.
    #[allow(dead_code, reason = "reports alone ask")]
    pub(crate) fn some(&self, from: usize, most: usize) -> (Vec<Live>, Option<usize>) {
        let rest = self.places.iter().enumerate().skip(from);
        let mut all = rest.filter_map(|(at, place)| place.map(|live| (at, live)));
        let some: Vec<_> = all.by_ref().take(most).collect();
        let next = all.next().map(|(at, _)| at);
        (some.into_iter().map(|(_, live)| live).collect(), next)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Live> {
        self.places.iter().filter_map(|place| *place)
    }
}
