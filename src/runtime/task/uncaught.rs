//! The hook that is told of the failures of green threads that nobody joins.
#![forbid(unsafe_code)]

use super::{Cause, JoinError, Thread};
use crate::sys::report;
use crate::util::dropping::Held;
use crate::util::lock::RwLock;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The function that [`set_uncaught_hook`](crate::thread::set_uncaught_hook) takes.
pub(crate) type UncaughtHook = dyn Fn(&Thread, JoinError) + Send + Sync;

static HOOK: RwLock<Option<Arc<UncaughtHook>>> = RwLock::new(None);

/// Sets another hook; returns the one before, which the caller drops where no lock is held.
pub(crate) fn replace(hook: Option<Arc<UncaughtHook>>) -> Option<Arc<UncaughtHook>> {
    std::mem::replace(&mut *HOOK.write(), hook)
}

/// The default hook. The panic hook has printed a panic already, so this prints only what kept a green thread from
/// running.
pub(crate) fn print(error: &JoinError) {
    if error.io_error().is_some() {
        report(format_args!("{error}"));
    }
}

/// Calls the hook. A panic of the hook itself has been printed, and goes no further.
#[cold]
pub(crate) fn tell(thread: &Thread, error: JoinError) {
    let hook = HOOK.read().clone();
    let told = catch_unwind(AssertUnwindSafe(|| match hook {
        Some(hook) => {
            // The hook may set another one meanwhile.
            let hook = Held::new(hook);
            (*hook)(thread, error);
        }
        None => {
            print(&error);
            drop(error);
        }
    }));
    if let Err(payload) = told {
        // Dropping the payload may panic as well.
        std::mem::forget(payload);
    }
}

/// Whether a task that ended for this cause has failed in a way that should be reported.
pub(crate) fn is_failure(cause: &Cause) -> bool {
    match cause {
        Cause::Panic(_) | Cause::Io(_) => true,
        Cause::Killed | Cause::OwnJoin | Cause::Deadlock(_) => false,
    }
}
