//! The twin with the feature `inspect`: notes when a task is made and where, when it waits, and when it is resumed.
#![forbid(unsafe_code)]

use crate::sys::time;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Where in the code a task is spawned.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpawnPlace(Option<&'static Location<'static>>);

impl SpawnPlace {
    #[inline(always)]
    #[track_caller]
    pub(crate) fn caller() -> Self {
        Self(Some(Location::caller()))
    }
}

/// The times are in nanoseconds. Whoever makes the task writes them, then its own hub; everybody may read them.
#[derive(Debug)]
pub(in crate::runtime::task) struct History {
    made: u64,
    place: OnceLock<&'static Location<'static>>,
    waits_since: AtomicU64,
    resumes: AtomicU64,
}

/// What [`History`] says at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// How long ago it was made.
    pub(crate) age: Duration,
    pub(crate) place: Option<&'static Location<'static>>,
    /// How long ago its last wait began.
    pub(crate) waits_for: Duration,
    /// How many times it was resumed.
    pub(crate) resumes: u64,
}

impl History {
    pub(in crate::runtime::task) fn new() -> Self {
        Self {
            made: time::now(),
            place: OnceLock::new(),
            waits_since: AtomicU64::new(0),
            resumes: AtomicU64::new(0),
        }
    }

    pub(in crate::runtime::task) fn set_place(&self, place: SpawnPlace) {
        if let Some(place) = place.0 {
            let _ = self.place.set(place);
        }
    }

    /// To be called when a wait begins.
    pub(in crate::runtime::task) fn waits(&self) {
        self.waits_since.store(time::now(), Ordering::Relaxed);
    }

    /// To be called when its hub resumes it.
    #[inline]
    pub(in crate::runtime::task) fn resumed(&self) {
        self.resumes.store(self.resumes.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub(in crate::runtime::task) fn tell(&self) -> Told {
        let since = |at| Duration::from_nanos(time::now().saturating_sub(at));
        Told {
            age: since(self.made),
            place: self.place.get().copied(),
            waits_for: since(self.waits_since.load(Ordering::Relaxed)),
            resumes: self.resumes.load(Ordering::Relaxed),
        }
    }
}
