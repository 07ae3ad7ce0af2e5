//! Suspending a coroutine from inside it, checked.

use super::Control;
use super::port::NOTHING;
use super::running::{current, running};
#[cfg(test)]
use super::suspend;
use std::ptr;

/// The name of a coroutine. It may outlive the coroutine; then it means nothing, or another coroutine at the same
/// place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct This(*const Control);

/// Why a coroutine was not suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The caller does not run in it, or runs in another one inside it.
    NotInnermost,
    /// A region out of which it must not be switched began inside it and is still open.
    OpenRegion,
}

impl This {
    #[inline(always)]
    pub(super) fn new(control: *const Control) -> Self {
        Self(control)
    }

    /// The innermost running coroutine.
    #[inline(always)]
    pub(crate) fn innermost() -> Self {
        Self(current())
    }

    /// Suspends the coroutine, which must be the innermost one.
    ///
    /// # Errors
    /// See [`Refused`].
    #[cfg(test)]
    pub(super) fn suspend(self) -> Result<(), Refused> {
        self.check_open().map(|()| suspend())
    }

    /// Checks that it is the innermost one, and that no region is open in it. Returns its control block.
    ///
    /// # Safety
    /// It is not that of a green thread, and its control block is valid, if it is the latest one that was resumed.
    #[inline(always)]
    pub(super) unsafe fn if_open(self) -> Result<*const Control, Refused> {
        // SAFETY: the thread-local is valid while its thread runs; for the coroutine the caller promises.
        match unsafe { (*running()).if_open(self.0) } {
            Some(control) => Ok(control),
            None => self.check_open().map(|()| self.0),
        }
    }

    #[cold]
    #[inline(never)]
    fn check_open(self) -> Result<(), Refused> {
        let control = self.if_innermost().ok_or(Refused::NotInnermost)?;
        // SAFETY: a running coroutine's control block is valid.
        if unsafe { (*control).regions().get() } != 0 { Err(Refused::OpenRegion) } else { Ok(()) }
    }

    /// The control block of the coroutine, if that is the innermost one. Then it is valid, its body has begun, its
    /// frames are the topmost ones, and it is the latest one that was resumed.
    #[inline(always)]
    pub(super) fn if_innermost(self) -> Option<*const Control> {
        // SAFETY: the thread-local is valid while its thread runs.
        unsafe { (*running()).if_innermost(self.0) }
    }

    /// Suspends the coroutine together with those that run inside it.
    ///
    /// # Errors
    /// [`Refused::NotInnermost`] if the caller does not run inside it. Regions are not checked.
    #[inline(always)]
    pub(crate) fn suspend_with_inner(self) -> Result<(), Refused> {
        let Some(control) = self.if_innermost() else { return self.suspend_around() };
        // SAFETY: it is the innermost running coroutine.
        unsafe { (*control).suspend(NOTHING) };
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn suspend_around(self) -> Result<(), Refused> {
        let innermost = current();
        if !self.encloses_caller() {
            return Err(Refused::NotInnermost);
        }
        // SAFETY: both run, so their control blocks are valid. This one is in the chain of resumes that leads to the
        // caller, so a `resume` of it waits on this OS thread, and everything above keeps its frames until it is resumed,
        // on the same OS thread. It is the one that suspends, not `innermost`, so it is to be the latest one.
        unsafe {
            let running = &*running();
            running.set_latest(self.0);
            (*self.0).suspend(NOTHING);
            running.set_latest(innermost);
        }
        Ok(())
    }

    /// Whether the coroutine is in the chain of resumes that leads to the caller, inside the caller's green thread.
    fn encloses_caller(self) -> bool {
        let mut at = current();
        while !at.is_null() {
            if ptr::eq(at, self.0) {
                return true;
            }
            // SAFETY: the walk starts at a running coroutine and goes on to the one that resumed it, which therefore
            // runs as well; a running coroutine's control block is valid. Green threads end the chain.
            at = unsafe { (*at).resumer().get() };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Coroutine, Description, Progress};
    use super::*;
    use crate::stack::{Stack, StackSize};

    fn coroutine(body: impl FnOnce() + 'static) -> Coroutine {
        Coroutine::new(Stack::acquire(StackSize::default()).unwrap(), Description::NONE, body)
    }

    #[test]
    fn only_the_innermost_suspends_itself() {
        assert_eq!(This::innermost().suspend(), Err(Refused::NotInnermost));
        let outer = coroutine(|| {
            let outer = This::innermost();
            let inner = coroutine(move || {
                assert_eq!(outer.suspend(), Err(Refused::NotInnermost));
                outer.suspend_with_inner().unwrap();
                This::innermost().suspend().unwrap();
            });
            let name = inner.this();
            assert_eq!(
                name.suspend_with_inner(),
                Err(Refused::NotInnermost),
                "it does not run yet"
            );
            assert_eq!(inner.resume(), Ok(Progress::Suspended));
            assert_eq!(inner.resume(), Ok(Progress::Finished));
        });
        assert_eq!(outer.resume(), Ok(Progress::Suspended));
        assert_eq!(outer.this().suspend_with_inner(), Err(Refused::NotInnermost));
        assert_eq!(outer.resume(), Ok(Progress::Finished));
    }
}
