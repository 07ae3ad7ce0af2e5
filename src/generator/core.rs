//! What a generator's user and its body share, and the steps between them.
#![forbid(unsafe_code)]

use super::{CloseError, SendError, Yielder};
use crate::coroutine::{Coroutine, Description, Progress};
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

/// Written by one side before it switches, taken by the other after.
pub(super) struct Exchange<Y, S> {
    pub(super) item: Cell<Option<Y>>,
    /// Empty when the body is resumed: there is an order instead.
    pub(super) input: Cell<Option<S>>,
    pub(super) order: Cell<Option<Order>>,
    /// The body is suspended while a panic unwinds on this OS thread, perhaps in it: raising there could abort.
    pub(super) unwinding: Cell<bool>,
}

struct Shared<Y, S, R> {
    exchange: Exchange<Y, S>,
    outcome: Cell<Option<Result<R, Payload>>>,
}

/// For the overflow report.
pub(super) const DESCRIPTION: Description =
    Description { write: Some(|_, out| out(b"a generator")), owner: std::ptr::null() };

/// The user's side of a generator, apart from the coroutine itself.
pub(super) struct Core<Y, S, R> {
    shared: Rc<Shared<Y, S, R>>,
    pub(super) returned: Option<R>,
}

impl<Y, S, R> Core<Y, S, R> {
    /// The user's side, and the body as the coroutine runs it.
    #[inline]
    pub(super) fn new<F>(body: F) -> (Self, impl FnOnce())
    where
        F: FnOnce(&Yielder<'_, Y, S>) -> R,
    {
        let shared = Rc::new(Shared {
            exchange: Exchange {
                item: Cell::new(None),
                input: Cell::new(None),
                order: Cell::new(None),
                unwinding: Cell::new(false),
            },
            outcome: Cell::new(None),
        });
        let inner = Rc::clone(&shared);
        let body = move || {
            let yielder = Yielder::new(&inner.exchange);
            let outcome = catch_unwind(AssertUnwindSafe(|| body(&yielder)));
            inner.outcome.set(Some(outcome));
        };
        (Self { shared, returned: None }, body)
    }

    /// Resumes the body with a value, or for the first time.
    ///
    /// A panic that leaves the body goes on in the caller.
    #[inline(always)]
    pub(super) fn resume(&mut self, coroutine: &Coroutine, input: S) -> Option<Y> {
        self.shared.exchange.input.set(Some(input));
        self.run(coroutine)
    }

    #[inline(always)]
    pub(super) fn run(&mut self, coroutine: &Coroutine) -> Option<Y> {
        match coroutine.resume() {
            Ok(Progress::Suspended) => self.shared.exchange.item.take(),
            Ok(Progress::Finished) => {
                self.end();
                None
            }
            Err(_) => None,
        }
    }

    fn order(&self, order: Order) {
        // The first resume leaves a value that no `yield_` waited for.
        drop(self.shared.exchange.input.take());
        self.shared.exchange.order.set(Some(order));
    }

    /// Takes what the body left when it ended.
    #[cold]
    fn end(&mut self) {
        drop(self.shared.exchange.input.take());
        match self.shared.outcome.take() {
            Some(Ok(value)) => self.returned = Some(value),
            Some(Err(payload)) if payload.is::<Closed>() => {}
            Some(Err(payload)) => resume_unwind(payload),
            None => {}
        }
    }

    /// Resumes the body with a value.
    #[inline]
    pub(super) fn send(
        &mut self,
        coroutine: &Coroutine,
        value: S,
    ) -> Result<Option<Y>, SendError<S>> {
        if coroutine.is_finished() {
            Err(SendError::Finished(value))
        } else if !coroutine.is_started() {
            Err(SendError::NotStarted(value))
        } else {
            Ok(self.resume(coroutine, value))
        }
    }

    /// Resumes a suspended body, which unwinds with `payload`; gives it back where raising it there could abort.
    pub(super) fn throw(
        &mut self,
        coroutine: &Coroutine,
        payload: Payload,
    ) -> Result<Option<Y>, Payload> {
        if coroutine.is_disposable() || self.shared.exchange.unwinding.get() {
            return Err(payload);
        }
        self.order(Order::Throw(payload));
        Ok(self.run(coroutine))
    }

    /// Makes a suspended body unwind. A panic that it ends with goes on in the caller.
    pub(super) fn close(&mut self, coroutine: &Coroutine) -> Result<(), CloseError> {
        if coroutine.is_disposable() {
            return Ok(());
        }
        if cfg!(panic = "abort") || self.shared.exchange.unwinding.get() {
            return Err(CloseError(()));
        }
        self.order(Order::Close);
        drop(self.run(coroutine));
        if coroutine.is_finished() { Ok(()) } else { Err(CloseError(())) }
    }
}
