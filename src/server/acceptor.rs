//! Takes items from a source, and has a handler begin for each.
//!
//! Invariant: the source of an acceptor is closed before the server counts the acceptor off; and whatever ends an acceptor, even
//! before it began, counts it off.
#![forbid(unsafe_code)]

use super::backoff::{Backoff, Verdict};
use super::core::ServerCore;
use crate::runtime::park;
use crate::thread::yield_now;
use crate::util::dropping::Held;
use std::io;
use std::sync::Arc;

/// Where the items of one acceptor come from.
pub(super) trait ItemSource: Send + 'static {
    type Item: Send + 'static;

    /// Waits for the next item.
    fn next(&mut self) -> io::Result<Self::Item>;

    /// Whether no other item will ever come after this error.
    fn is_fatal(&self, error: &io::Error) -> bool;
}

/// A living acceptor.
struct Accepting<T> {
    core: Arc<ServerCore<T>>,
    /// Whether it has begun and has not returned.
    runs: bool,
}

impl<T> Drop for Accepting<T> {
    fn drop(&mut self) {
        if self.runs && !park::is_interrupted() {
            self.core.fail(io::Error::other("taking a connection has panicked"));
        }
        self.core.acceptor_ended();
    }
}

/// A green thread that takes items from its source and begins a handler for each. The fields are dropped in this
/// order, so the source is closed before the server counts as closed.
pub(super) struct Acceptor<S: ItemSource> {
    source: Held<S>,
    at: usize,
    accepting: Accepting<S::Item>,
}

impl<S: ItemSource> Acceptor<S> {
    /// One that counts in the server from now on: dropping it takes it off, whether it has begun or not.
    pub(super) fn new(core: &Arc<ServerCore<S::Item>>, source: Held<S>, at: usize) -> Self {
        let accepting = Accepting { core: Arc::clone(core), runs: false };
        Self { source, at, accepting }
    }

    /// Its number among the acceptors of the server.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn accept_all(mut self) {
        self.accepting.runs = true;
        self.accept_until_the_end();
        self.accepting.runs = false;
    }

    fn accept_until_the_end(&mut self) {
        let core = Arc::clone(&self.accepting.core);
        let mut backoff = Backoff::new();
        loop {
            if let Some(limit) = core.limits.get(self.at) {
                limit.acquire_raw();
            }
            let item = loop {
                match self.source.next() {
                    Ok(_) if core.is_stopping() => return,
                    Ok(item) => break item,
                    Err(error) => {
                        core.counters.fail();
                        if self.source.is_fatal(&error) {
                            return core.fail(error);
                        }
                        match backoff.failed(&error) {
                            Verdict::GoOn => yield_now(),
                            Verdict::Pause(pause) => core.pause(pause),
                        }
                    }
                }
            };
            match core.begin(self.at, item) {
                Ok(()) => backoff.succeeded(),
                Err(error) => {
                    core.counters.fail();
                    // The settings are wrong, so the next one would fail in the same way.
                    if error.kind() == io::ErrorKind::InvalidInput {
                        return core.fail(error);
                    }
                    core.pause(backoff.longer());
                }
            }
        }
    }
}
