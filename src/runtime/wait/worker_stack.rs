//! Running a function on the worker's own stack, where it must not wait.
#![forbid(unsafe_code)]

use super::interruption::refuse;
use super::sleeper::current_green;
use crate::runtime::lane::current;
use crate::runtime::task;

/// Calls `f` on the stack of the worker, if the caller is a green thread and is not on that stack already. Otherwise
/// calls it where the caller is.
#[inline]
pub(crate) fn on_worker_stack<R>(f: impl FnOnce() -> R) -> R {
    if current_green().is_some() { task::on_worker_stack(f) } else { f() }
}

/// Refuses something that cannot be undone once it has begun to wait, if the caller runs on its worker's stack.
#[inline]
pub(super) fn refuse_on_worker_stack(what: &str) {
    if current::lent().is_some() {
        refuse(what);
    }
}
