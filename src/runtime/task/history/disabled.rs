//! The twin without the feature `inspect`: nothing is noted, and both types are empty.
#![forbid(unsafe_code)]

/// Where in the code a task is spawned.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpawnPlace(());

impl SpawnPlace {
    #[inline(always)]
    pub(crate) fn caller() -> Self {
        Self(())
    }
}

#[derive(Debug)]
pub(in crate::runtime::task) struct History(());

impl History {
    #[inline(always)]
    pub(in crate::runtime::task) fn new() -> Self {
        Self(())
    }

    #[inline(always)]
    pub(in crate::runtime::task) fn set_place(&self, _: SpawnPlace) {}

    #[inline(always)]
    pub(in crate::runtime::task) fn waits(&self) {}

    #[allow(dead_code, reason = "the watchdog alone tells")]
    #[inline(always)]
    pub(in crate::runtime::task) fn resumed(&self) {}
}
