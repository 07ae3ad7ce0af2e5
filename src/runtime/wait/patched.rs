//! What patched functions of the C library need of the runtime.
#![forbid(unsafe_code)]

use super::park::{Parker, Wake};
use super::reactor::{Direction, Source};
use crate::runtime::lane::current;
pub(crate) use crate::runtime::lane::rival::let_go_by;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// Whether the calling OS thread runs green threads, even if none runs at this moment.
#[inline(always)]
pub(crate) fn is_worker() -> bool {
    current::is_here()
}

impl Source {
    /// Like [`wait`](Self::wait), for a green thread that must not unwind here. The wait also ends when `over` returns
    /// `true`; whoever makes that so calls [`wake_all`](Self::wake_all) afterwards.
    pub(crate) fn wait_quietly(
        self: &Arc<Self>,
        direction: Direction,
        deadline: Option<Instant>,
        over: impl FnOnce() -> bool,
    ) -> io::Result<Wake> {
        match Parker::of_green_thread() {
            Some(parker) => self.park(&parker, direction, deadline, over),
            None => Ok(Wake::Notified),
        }
    }
}
