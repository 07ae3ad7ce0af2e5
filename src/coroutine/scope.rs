//! A coroutine that may borrow for the duration of a call.

use super::{Description, Port, PortMut, Suspender};
use crate::stack::Stack;
use crate::util::dropping::drop_quietly;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Makes a coroutine of `body`, calls `consumer` with it, and then `finish`, which must bring the body to its end.
///
/// The body's frames may hold anything, for example a `std::thread::scope` whose threads use what it borrows. So this
/// returns, or goes on unwinding, only when no frame of the body is left. If `finish` cannot bring the body to its end,
/// nothing can be done that is sound: the process is aborted with a report.
pub(crate) fn scope<Y, S, T>(
    stack: Stack,
    description: Description,
    body: impl FnOnce(Suspender<Y, S>, Option<S>),
    consumer: impl FnOnce(PortMut<'_, Y, S>) -> T,
    finish: impl FnOnce(PortMut<'_, Y, S>),
) -> T {
    // SAFETY: what the body borrows outlives this call, and control leaves this call only below the check that the
    // body has returned or never began: neither of the closures can unwind past it, and neither can move the
    // coroutine out of its reference.
    let mut coroutine = unsafe { Port::borrowing(stack, description, body) };
    let result = catch_unwind(AssertUnwindSafe(|| consumer(coroutine.as_mut())));
    let finished = catch_unwind(AssertUnwindSafe(|| finish(coroutine.as_mut())));
    if !coroutine.is_disposable() {
        let _ = std::io::stderr().write_all(
            b"greenthread: a borrowing generator could not be unwound at the end of its scope; aborting\n",
        );
        std::process::abort();
    }
    drop(coroutine);
    match (result, finished) {
        // A panic here would come inside of the unwind that is about to go on, which ends the process.
        (Err(payload), other) => {
            drop_quietly(other);
            resume_unwind(payload)
        }
        (Ok(value), Err(payload)) => {
            drop_quietly(value);
            resume_unwind(payload)
        }
        (Ok(value), Ok(())) => value,
    }
}
