//! Whole-process events: the beginning of `exit`, and a `fork`.

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static EXITING: AtomicBool = AtomicBool::new(false);
static FORKED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether this OS thread is the one that runs the exit handlers.
    static EXITS: Cell<bool> = const { Cell::new(false) };
}

extern "C" fn mark_exiting() {
    EXITS.set(true);
    EXITING.store(true, Ordering::Relaxed);
}

unsafe extern "C" fn mark_forked() {
    FORKED.store(true, Ordering::Relaxed);
}

/// Arranges that [`is_exiting`] and [`is_forked_child`] know; later calls do nothing.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: both handlers only store to an atomic, which is allowed at exit and in a forked child.
        unsafe {
            libc::atexit(mark_exiting);
            libc::pthread_atfork(None, None, Some(mark_forked));
        }
    });
}

/// Whether the calling OS thread runs the process's exit handlers. The others go on: a handler may wait for them.
#[inline]
pub(crate) fn is_exiting() -> bool {
    EXITING.load(Ordering::Relaxed) && exits_here()
}

#[cold]
#[inline(never)]
fn exits_here() -> bool {
    EXITS.get()
}

/// Whether this process is the child of a `fork` made after the library was first used.
pub(crate) fn is_forked_child() -> bool {
    FORKED.load(Ordering::Relaxed)
}
