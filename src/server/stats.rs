//! Counts what a server has done so far.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

/// What a server has done so far, in numbers of handlers; made by [`StreamServer::stats`](super::StreamServer::stats).
///
/// `accepted` is the sum of `live`, `finished`, `panicked` and `killed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections or datagrams taken from the system.
    pub accepted: u64,
    /// Handlers that run or are about to.
    pub live: u64,
    /// Handlers that have returned.
    pub finished: u64,
    /// Handlers that have panicked.
    pub panicked: u64,
    /// Handlers that were killed, and those that could not begin, as for want of memory for a stack.
    pub killed: u64,
    /// How often taking a connection or datagram failed, for whatever reason.
    pub accept_errors: u64,
}

/// How a handler ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum HandlerEnd {
    Finished,
    Panicked,
    Killed,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    accepted: AtomicU64,
    finished: AtomicU64,
    panicked: AtomicU64,
    killed: AtomicU64,
    accept_errors: AtomicU64,
}

impl Counters {
    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end(&self, outcome: HandlerEnd) {
        let counter = match outcome {
            HandlerEnd::Finished => &self.finished,
            HandlerEnd::Panicked => &self.panicked,
            HandlerEnd::Killed => &self.killed,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn fail(&self) {
        self.accept_errors.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn read(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        // The ends are read first, so that no handler is counted as ended without being counted as accepted.
        let (finished, panicked) = (get(&self.finished), get(&self.panicked));
        let (killed, accept_errors) = (get(&self.killed), get(&self.accept_errors));
        let accepted = get(&self.accepted);
        let live = accepted - finished - panicked - killed;
        Stats { accepted, live, finished, panicked, killed, accept_errors }
    }
}
