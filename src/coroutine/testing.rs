//! Green threads without a runtime, for tests of the layers above.

use super::{Coroutine, Description, Progress, Root};
use crate::stack::{Stack, StackSize};

/// A coroutine that is always resumed as a green thread.
#[derive(Debug)]
pub(crate) struct TestThread(Coroutine);

impl TestThread {
    pub(crate) fn new(body: impl FnOnce() + 'static) -> Self {
        let stack = Stack::acquire(StackSize::default()).unwrap();
        Self(Coroutine::new(stack, Description::NONE, body))
    }

    pub(crate) fn resume(&self) -> Progress {
        assert!(!self.0.is_finished() && super::current().is_null());
        let root = Root::of_this_thread();
        // SAFETY: the coroutine is alive, of this OS thread (it is not `Send`), and always resumed like this; no other
        // coroutine runs, so it is suspended.
        let progress = unsafe { root.resume(self.0.control()) };
        root.leave();
        progress
    }
}
