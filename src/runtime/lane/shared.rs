//! The part of a lane that every thread may touch.
#![forbid(unsafe_code)]

use super::sources::Sources;
use super::tally::Tally;
use crate::runtime::task::mailbox::Mailbox;
use crate::sys::poll::Poller;
use std::io;
use std::sync::atomic::AtomicUsize;

/// The shared part is never freed, as a late waker may still look at it. It has cache lines of its own, since others
/// write to it.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct LaneShared {
    pub(crate) mailbox: Mailbox,
    pub(crate) sources: Sources,
    /// How many waits for its sources belong to futures, which may wake its green threads.
    pub(crate) watching: AtomicUsize,
    pub(in crate::runtime) tally: Tally,
}

impl LaneShared {
    pub(crate) fn new() -> Self {
        Self {
            mailbox: Mailbox::new(),
            sources: Sources::new(),
            watching: AtomicUsize::new(0),
            tally: Tally::default(),
        }
    }

    /// Gets it ready for a hub. Returns a poller, whose wait other threads can end.
    pub(crate) fn open(&self) -> io::Result<Poller> {
        let poller = Poller::new()?;
        let (waker, registry) = (poller.waker()?, poller.registry()?);
        self.mailbox.open(waker);
        self.sources.open(registry);
        Ok(poller)
    }

    /// Undoes [`open`](Self::open). Its sources are registered with another hub when somebody next waits for them.
    pub(crate) fn close(&self) {
        self.sources.close(self);
        self.mailbox.close();
    }
}
