//! A place for a coroutine in which it can be resumed.

use super::closing::closing;
use super::{Control, Coroutine, NotSuspended, Progress};
use std::cell::Cell;
use std::ptr::NonNull;

/// Holds a [`Coroutine`] until that has returned or is taken out.
///
/// It is like `Cell<Option<Coroutine>>`, but the coroutine need not be moved out to be resumed.
#[derive(Debug)]
pub(crate) struct Slot(Cell<Option<NonNull<Control>>>);

impl Slot {
    pub(crate) fn new(coroutine: Coroutine) -> Self {
        let control = coroutine.control();
        std::mem::forget(coroutine);
        Self(Cell::new(Some(control)))
    }

    /// Runs the body until it suspends or returns. If it returns, the coroutine is dropped.
    ///
    /// # Errors
    /// [`NotSuspended`] if it runs already, has finished, or must not go on, and if the slot is empty.
    #[inline(always)]
    pub(crate) fn resume(&self) -> Result<Progress, NotSuspended> {
        let control = self.0.get().ok_or(NotSuspended)?;
        // SAFETY: the coroutine is ours. Should it be taken out while it runs, that leaks it: its control block stays.
        let (progress, _) = unsafe { super::resuming::resume(control, super::port::NOTHING) }?;
        if progress == Progress::Finished {
            self.finished();
        }
        Ok(progress)
    }

    /// As [`resume`](Self::resume), for one that is suspended and will unwind to its end.
    pub(crate) fn close(&self) -> Result<Progress, NotSuspended> {
        let control = self.0.get().ok_or(NotSuspended)?;
        closing(control, || self.resume())
    }

    #[cold]
    #[inline(never)]
    fn finished(&self) {
        drop(self.take());
    }

    /// Whether there is a coroutine that can be resumed.
    pub(crate) fn is_suspended(&self) -> bool {
        // SAFETY: the coroutine is ours; the reference ends before anything else happens.
        self.0.get().is_some_and(|control| unsafe { !control.as_ref().is_running_or_finished() })
    }

    /// Takes the coroutine out.
    pub(crate) fn take(&self) -> Option<Coroutine> {
        // SAFETY: it was put in as a `Coroutine` of this OS thread (a slot is not `Send`), and is taken out once.
        self.0.take().map(|control| unsafe { Coroutine::from_control(control) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.take());
    }
}
