//! What a waiting thread depends on, so that the report of a deadlock can name who has it.
//!
//! A lock remembers its holder by an address on the holder's stack. That costs one plain store, while the thread's id
//! would have to be looked up first. The report looks for the green thread that has the address on its stack. It finds
//! none if the holder is an OS thread, belongs to another hub, or took the lock inside a greenlet. If a green thread
//! has ended and has forgotten a guard, the next user of its stack is named.
#![forbid(unsafe_code)]

use super::TaskRef;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The holder of a lock. Whoever takes the lock sets it; while nobody holds the lock its value means nothing.
#[derive(Debug)]
pub(crate) struct Owner(AtomicUsize);

impl Owner {
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Notes that the caller has taken the lock.
    #[inline(always)]
    pub(crate) fn set(&self) {
        let here = MaybeUninit::<u8>::uninit();
        self.0.store((&raw const here).addr(), Ordering::Relaxed);
    }

    /// Notes that the lock has no single holder.
    #[inline]
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    pub(super) fn address(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a wait depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blocker<'a> {
    /// The holder of a lock.
    Owner(&'a Owner),
    /// A task that is being joined.
    Task(&'a TaskRef),
}

/// Who holds what a wait is for.
#[derive(Debug)]
pub(crate) enum HeldBy {
    Task(TaskRef),
    /// The thread that has this address on its stack; zero if it is not known.
    Stack(usize),
}
