//! The twin without the feature `counters`: nothing is counted, and no task is followed.
#![forbid(unsafe_code)]

use crate::runtime::task::{Ready, Reason};

#[derive(Debug, Default)]
pub(crate) struct Tally(());

impl Tally {
    #[inline(always)]
    pub(crate) fn reset(&self) {}

    #[inline(always)]
    pub(crate) fn spawned(&self) {}

    #[inline(always)]
    pub(crate) fn spawned_outside(&self) {}

    #[inline(always)]
    pub(crate) fn started(&self) {}

    #[inline(always)]
    pub(crate) fn ended(&self, _: impl FnOnce() -> bool) {}

    #[inline(always)]
    pub(crate) fn parked(&self, _: Reason) {}

    #[inline(always)]
    pub(crate) fn rested(&self) {}

    #[inline(always)]
    pub(crate) fn stole(&self, _: impl FnOnce() -> usize) {}

    #[inline(always)]
    pub(crate) fn woken_by_another(&self) {}

    #[inline(always)]
    pub(crate) fn polled(&self, _: impl FnOnce() -> usize) {}

    #[inline(always)]
    pub(crate) fn fired(&self) {}

    #[inline(always)]
    pub(crate) fn turned(&self, _: usize, _: usize, _: impl FnOnce() -> usize) {}

    #[inline(always)]
    pub(crate) fn sleeps(&self) {}
}

#[derive(Debug, Default)]
pub(crate) struct Probe(());

impl Probe {
    #[inline(always)]
    pub(crate) fn next(&self, _: &Tally, batch: usize) -> usize {
        batch
    }

    #[inline(always)]
    pub(crate) fn woken(&self, _: usize, _: Ready) {}

    #[inline(always)]
    pub(crate) fn follow_last(&self, _: usize) {}
}
