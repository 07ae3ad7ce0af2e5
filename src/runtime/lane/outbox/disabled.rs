//! The twin without the feature `io-uring`: each write is a system call of its own, so the outbox is always empty.
#![forbid(unsafe_code)]

#[derive(Debug)]
pub(crate) struct Outbox(());

impl Outbox {
    pub(crate) fn new() -> Self {
        Self(())
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    #[inline(always)]
    pub(crate) fn is_due(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn flush(&self) {}
}
