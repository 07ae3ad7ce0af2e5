//! Regions out of which a coroutine must not be switched: the inside of a timeout, a shield, a scope, a group.
//!
//! Such a region ends with the block that began it. If a generator yielded inside it, the block would stay open while
//! unrelated code runs: a timeout would strike that code, and a shield would keep kills away from it (see Python's PEP
//! 789).

use super::Control;
use super::running::{current, green_thread, running};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

/// A region that is open until the value is dropped, in the coroutine that made it.
#[derive(Debug)]
#[must_use = "the region ends when this is dropped"]
pub(crate) struct Region {
    coroutine: *const Control,
    green_thread: *const Control,
    not_send: PhantomData<*mut ()>,
}

/// The counters of the innermost coroutine, and of the green thread around it.
fn counters<'a>() -> (&'a Cell<u16>, &'a Cell<u16>) {
    // SAFETY: control blocks of running coroutines are valid while those run, the thread-local while its thread does;
    // the callers are done with the references before anything can switch.
    unsafe {
        let outside = &*running();
        (
            current().as_ref().map_or(&outside.regions, Control::regions),
            green_thread().as_ref().map_or(&outside.regions_inside, Control::regions_inside),
        )
    }
}

/// Updates the word in which a coroutine that is about to suspend itself looks for open regions.
fn note_change() {
    // SAFETY: as in `counters`; a running coroutine's control block is valid.
    unsafe { (*running()).set_latest(current()) };
}

/// Begins a region. Until it is dropped, the innermost coroutine does not yield, and no greenlet of this green or OS
/// thread is switched away from. Suspending the whole green thread stays possible.
///
/// # Panics
/// If 65,535 regions are open around the caller, as one that is not counted would not be respected.
pub(crate) fn enter_no_switch_region() -> Region {
    let region = try_enter_no_switch_region();
    region.expect("too many timeouts, shields, scopes or groups inside one another")
}

/// Like [`enter_no_switch_region`], but returns `None` if so many are open that no more can be counted. Greenlets are
/// not switched then either.
pub(crate) fn try_enter_no_switch_region() -> Option<Region> {
    let (own, around) = counters();
    // Whatever is counted in `own` is counted in `around` too.
    around.set(around.get().checked_add(1)?);
    own.set(own.get() + 1);
    note_change();
    Some(Region { coroutine: current(), green_thread: green_thread(), not_send: PhantomData })
}

/// Whether a region is open in this green thread, or in this OS thread outside of green threads.
#[inline(always)]
pub(crate) fn in_no_switch_region() -> bool {
    // SAFETY: as in `counters`.
    let around = unsafe {
        green_thread().as_ref().map_or(&(*running()).regions_inside, Control::regions_inside)
    };
    around.get() != 0
}

impl Drop for Region {
    fn drop(&mut self) {
        // A region that is dropped elsewhere stays counted: a refused switch is better than a wrong count.
        if ptr::eq(self.coroutine, current()) && ptr::eq(self.green_thread, green_thread()) {
            let (own, around) = counters();
            own.set(own.get().saturating_sub(1));
            around.set(around.get().saturating_sub(1));
            note_change();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Coroutine, Description, Progress, Refused, This};
    use super::*;
    use crate::stack::{Stack, StackSize};

    #[test]
    fn counts_for_the_coroutine_and_around_it() {
        fn stack() -> Stack {
            Stack::acquire(StackSize::default()).unwrap()
        }
        let outer = enter_no_switch_region();
        let co = Coroutine::new(stack(), Description::NONE, || {
            This::innermost().suspend().unwrap();
            let region = enter_no_switch_region();
            assert_eq!(This::innermost().suspend(), Err(Refused::OpenRegion));
            let nested = Coroutine::new(stack(), Description::NONE, || {
                This::innermost().suspend().unwrap();
            });
            assert_eq!(nested.resume(), Ok(Progress::Suspended), "its own yields stay possible");
            assert_eq!(nested.resume(), Ok(Progress::Finished));
            drop(region);
            This::innermost().suspend().unwrap();
        });
        assert_eq!(co.resume(), Ok(Progress::Suspended));
        assert!(in_no_switch_region());
        drop(outer);
        assert!(!in_no_switch_region());
        assert_eq!(co.resume(), Ok(Progress::Suspended));
        assert_eq!(co.resume(), Ok(Progress::Finished));
    }
}
