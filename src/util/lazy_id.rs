//! Numbers that are given out when they are first asked for.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where numbers come from; none is given out twice.
pub(crate) struct Ids(AtomicUsize);

impl Ids {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(1))
    }
}

/// The number of one thing.
pub(crate) struct LazyId(AtomicUsize);

impl LazyId {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// The number. The first call takes it from `ids`, which all things of a kind share.
    #[inline]
    pub(crate) fn get(&self, ids: &Ids) -> usize {
        match self.0.load(Ordering::Relaxed) {
            0 => self.take(ids),
            id => id,
        }
    }

    #[cold]
    fn take(&self, ids: &Ids) -> usize {
        let new = ids.0.fetch_add(1, Ordering::Relaxed);
        let set = self.0.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed);
        set.map_or_else(|other| other, |_| new)
    }
}

impl fmt::Debug for LazyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
