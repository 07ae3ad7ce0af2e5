//! Unwinds by which a generator is closed or a greenlet ended, which locks must tell from a panic.
//!
//! A coroutine that is closed was suspended where nothing unwound on its stack. So the first unwind on that stack while
//! the closing lasts is the one that closes it, as it was begun or passed on; unless the panic hook has seen a panic
//! begin there since.

use super::Control;
use super::running::current;
use super::unwinds::own_unwinds;
use std::cell::RefCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A coroutine that is being closed.
struct BeingClosed {
    /// Its control block, which stays where it is while it is being closed.
    control: *const Control,
    /// Whether the hook has seen a panic begin on its stack since.
    panicked: bool,
}

/// How many coroutines are being closed in the process. While it is zero, nobody need ask what an unwind is.
static CLOSINGS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static HERE: RefCell<Vec<BeingClosed>> = const { RefCell::new(Vec::new()) };
}

/// Calls `resume`, which makes the suspended coroutine unwind.
pub(super) fn closing<R>(control: NonNull<Control>, resume: impl FnOnce() -> R) -> R {
    struct Done(*const Control);

    impl Drop for Done {
        fn drop(&mut self) {
            CLOSINGS.fetch_sub(1, Ordering::Relaxed);
            let _ = HERE.try_with(|here| {
                here.borrow_mut().retain(|closing| !ptr::eq(closing.control, self.0));
            });
        }
    }

    CLOSINGS.fetch_add(1, Ordering::Relaxed);
    let done = Done(control.as_ptr());
    // If the thread-locals are gone already, locks take it for a panic.
    let _ = HERE.try_with(|here| {
        here.borrow_mut().push(BeingClosed { control: done.0, panicked: false });
    });
    resume()
}

fn with_own<R>(f: impl FnOnce(&mut BeingClosed) -> R) -> Option<R> {
    let own = current();
    let of_own = |here: &RefCell<Vec<BeingClosed>>| {
        here.borrow_mut().iter_mut().find(|closing| ptr::eq(closing.control, own)).map(f)
    };
    HERE.try_with(of_own).ok().flatten()
}

/// Whether anything is being closed in the process.
#[inline(always)]
pub(crate) fn any_closing() -> bool {
    CLOSINGS.load(Ordering::Relaxed) != 0
}

/// Whether the unwind on the calling stack is the one that closes its coroutine.
#[cold]
pub(crate) fn is_closed() -> bool {
    any_closing() && own_unwinds() == 1 && with_own(|closing| !closing.panicked) == Some(true)
}

/// Notes that a panic begins on the calling stack. Called by the panic hook.
pub(crate) fn note_panic() {
    if any_closing() && own_unwinds() == 1 {
        with_own(|closing| closing.panicked = true);
    }
}

/// Notes that no other unwind than the present one is under way on the calling stack.
#[cold]
pub(crate) fn note_calm() {
    if own_unwinds() == 0 {
        with_own(|closing| closing.panicked = false);
    }
}
