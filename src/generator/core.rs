//! What a generator's user and its body share, and the steps between them.
#![forbid(unsafe_code)]

use super::{CloseError, SendError, Yielder};
use crate::coroutine::{Description, NotSuspended, Port, Step, Suspender};
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

pub(super) type Payload = Box<dyn Any + Send>;

/// What the body unwinds with when it is closed.
pub(super) struct Closed;

/// What a suspended body shall do instead of taking a value.
pub(super) enum Order {
    Throw(Payload),
    Close,
}

/// What passes outside of the switches.
pub(super) struct Orders {
    /// Set when the body is resumed without a value.
    pub(super) order: Cell<Option<Order>>,
    /// The body is suspended while a panic unwinds on this OS thread, perhaps in it: raising there could abort.
    pub(super) unwinding: Cell<bool>,
}

struct Shared<R> {
    orders: Orders,
    outcome: Cell<Option<Result<R, Payload>>>,
}

/// For the overflow report.
pub(super) const DESCRIPTION: Description =
    Description { write: Some(|_, out| out(b"a generator")), owner: std::ptr::null() };

/// The user's side of a generator, apart from the coroutine itself.
pub(super) struct Core<R> {
    shared: Rc<Shared<R>>,
    pub(super) returned: Option<R>,
}

impl<R> Core<R> {
    /// The user's side, and the body as the coroutine runs it.
    #[inline]
    pub(super) fn new<Y, S, F>(body: F) -> (Self, impl FnOnce(Suspender<Y, S>, Option<S>))
    where
        F: FnOnce(&Yielder<'_, Y, S>) -> R,
    {
        let shared = Rc::new(Shared {
            orders: Orders { order: Cell::new(None), unwinding: Cell::new(false) },
            outcome: Cell::new(None),
        });
        let inner = Rc::clone(&shared);
        let body = move |suspender, first: Option<S>| {
            let yielder = Yielder::new(suspender, &inner.orders);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                // No `yield_` waited for it.
                drop(first);
                body(&yielder)
            }));
            inner.outcome.set(Some(outcome));
        };
        (Self { shared, returned: None }, body)
    }

    /// Resumes the body with a value, or for the first time.
    ///
    /// A panic that leaves the body goes on in the caller.
    #[inline(always)]
    pub(super) fn resume<Y, S>(&mut self, port: &Port<Y, S>, input: S) -> Option<Y> {
        let step = port.resume(input);
        self.after(step)
    }

    /// Resumes the body without a value.
    pub(super) fn run<Y, S>(&mut self, port: &Port<Y, S>) -> Option<Y> {
        let step = port.resume_with_nothing();
        self.after(step)
    }

    #[inline(always)]
    fn after<Y>(&mut self, step: Result<Step<Y>, NotSuspended>) -> Option<Y> {
        match step {
            Ok(Step::Suspended(item)) => item,
            Ok(Step::Finished) => {
                self.end();
                None
            }
            Err(_) => None,
        }
    }

    /// Takes what the body left when it ended.
    #[cold]
    #[inline(never)]
    fn end(&mut self) {
        match self.shared.outcome.take() {
            Some(Ok(value)) => self.returned = Some(value),
            Some(Err(payload)) if payload.is::<Closed>() => {}
            Some(Err(payload)) => resume_unwind(payload),
            None => {}
        }
    }

    /// Resumes the body with a value.
    #[inline(always)]
    pub(super) fn send<Y, S>(
        &mut self,
        port: &Port<Y, S>,
        value: S,
    ) -> Result<Option<Y>, SendError<S>> {
        if port.is_finished() {
            Err(SendError::Finished(value))
        } else if !port.is_started() {
            Err(SendError::NotStarted(value))
        } else {
            Ok(self.resume(port, value))
        }
    }

    /// Resumes a suspended body, which unwinds with `payload`; gives it back where raising it there could abort.
    pub(super) fn throw<Y, S>(
        &mut self,
        port: &Port<Y, S>,
        payload: Payload,
    ) -> Result<Option<Y>, Payload> {
        if port.is_disposable() || self.shared.orders.unwinding.get() {
            return Err(payload);
        }
        self.shared.orders.order.set(Some(Order::Throw(payload)));
        Ok(self.run(port))
    }

    /// Makes a suspended body unwind. A panic that it ends with goes on in the caller.
    pub(super) fn close<Y, S>(&mut self, port: &Port<Y, S>) -> Result<(), CloseError> {
        if port.is_disposable() {
            return Ok(());
        }
        if cfg!(panic = "abort") || self.shared.orders.unwinding.get() {
            return Err(CloseError(()));
        }
        self.shared.orders.order.set(Some(Order::Close));
        drop(self.run(port));
        if port.is_finished() { Ok(()) } else { Err(CloseError(())) }
    }
}
