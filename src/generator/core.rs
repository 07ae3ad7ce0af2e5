//! The state that a generator's user and its body share, and the steps between them.
#![forbid(unsafe_code)]

use super::{CloseError, Yielder};
use crate::coroutine::{Description, PortMut, Suspender};
use crate::util::dropping::{Held, PanicPayload};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// The payload of the unwinding that closes a body.
pub(super) struct Closed;

/// What a suspended body is to do instead of taking a value.
pub(super) enum BodyOrder {
    Throw(PanicPayload),
    Close,
}

/// What user and body tell each other besides the values that are passed with the switches.
pub(super) struct Orders {
    /// Set when the body is resumed without a value.
    pub(super) order: Cell<Option<BodyOrder>>,
    /// Whether the body is suspended while a panic unwinds on this OS thread, perhaps in the body itself. Then raising
    /// something there could abort the process.
    pub(super) unwinding: Cell<bool>,
}

struct GeneratorShared<R> {
    orders: Orders,
    outcome: Cell<Option<Result<R, PanicPayload>>>,
}

/// The text for the report of a stack overflow.
pub(super) const DESCRIPTION: Description =
    Description { write: Some(|_, out| out(b"a generator")), owner: std::ptr::null() };

/// The user's side of a generator, without the coroutine itself.
pub(super) struct GeneratorCore<R> {
    shared: Rc<GeneratorShared<R>>,
    pub(super) returned: Held<Option<R>>,
}

impl<R> GeneratorCore<R> {
    /// Makes the user's side, and the body in the form in which the coroutine runs it.
    #[inline]
    pub(super) fn new<Y, S, F>(body: F) -> (Self, impl FnOnce(Suspender<Y, S>, Option<S>))
    where
        F: FnOnce(&Yielder<'_, Y, S>) -> R,
    {
        let shared = Rc::new(GeneratorShared {
            orders: Orders { order: Cell::new(None), unwinding: Cell::new(false) },
            outcome: Cell::new(None),
        });
        let inner = Rc::clone(&shared);
        let body = Held::new(body);
        let body = move |suspender, first: Option<S>| {
            let yielder = Yielder::new(suspender, &inner.orders);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                // No `yield_` has waited for this value.
                drop(first);
                body.into_inner()(&yielder)
            }));
            inner.outcome.set(Some(outcome));
        };
        (Self { shared, returned: Held::new(None) }, body)
    }

    /// Takes what the body left when it ended, and raises a panic with which the body ended. It is called when a resume
    /// gave no item, and is a function of its own, so that a resume which gives one does not pay for it.
    #[cold]
    #[inline(never)]
    pub(super) fn end(&mut self) {
        match self.shared.outcome.take() {
            Some(Ok(value)) => *self.returned = Some(value),
            Some(Err(payload)) if payload.is::<Closed>() => {}
            Some(Err(payload)) => resume_unwind(payload),
            None => {}
        }
    }

    /// Resumes a suspended body, which unwinds with `payload`; returns `payload` if raising it there could abort the process.
    pub(super) fn throw<Y, S>(
        &self,
        port: &mut PortMut<'_, Y, S>,
        payload: PanicPayload,
    ) -> Result<Option<Y>, PanicPayload> {
        if port.is_disposable() || self.shared.orders.unwinding.get() {
            return Err(payload);
        }
        self.shared.orders.order.set(Some(BodyOrder::Throw(payload)));
        Ok(port.resume_with_nothing())
    }

    /// Makes a suspended body unwind. If the body ends with a panic, this raises it.
    pub(super) fn close<Y, S>(&mut self, port: &mut PortMut<'_, Y, S>) -> Result<(), CloseError> {
        if port.is_disposable() {
            return Ok(());
        }
        if cfg!(panic = "abort") || self.shared.orders.unwinding.get() {
            return Err(CloseError(()));
        }
        self.shared.orders.order.set(Some(BodyOrder::Close));
        drop(port.close());
        let outcome = self.shared.outcome.take();
        // While the OS thread destroys its thread-locals, the body is not run to its end, but leaked.
        if !port.is_finished() || outcome.is_none() {
            return Err(CloseError(()));
        }
        self.shared.outcome.set(outcome);
        self.end();
        Ok(())
    }
}
