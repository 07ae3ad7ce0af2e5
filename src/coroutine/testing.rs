//! Green threads without a runtime, for the tests of the layers above.

use super::{Coroutine, Description, Progress, resume_green_thread};
use crate::stack::{Stack, StackSize};

/// A coroutine that is always resumed as a green thread.
#[derive(Debug)]
pub(crate) struct Green(Coroutine);

impl Green {
    pub(crate) fn new(body: impl FnOnce() + 'static) -> Self {
        let stack = Stack::acquire(StackSize::default()).unwrap();
        Self(Coroutine::new(stack, Description::NONE, body))
    }

    pub(crate) fn resume(&self) -> Progress {
        // SAFETY: the coroutine is alive, of this OS thread (it is not `Send`), and always resumed like this.
        unsafe { resume_green_thread(self.0.control()) }.unwrap()
    }
}
