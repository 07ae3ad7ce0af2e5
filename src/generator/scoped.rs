//! Generators whose bodies borrow.
#![forbid(unsafe_code)]

use super::core::{DESCRIPTION, GeneratorCore};
use super::{CloseError, SendError, Yielder};
use crate::coroutine::{self, PortMut};
use crate::stack::{Stack, StackSize};
use crate::util::dropping::Held;
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::iter::FusedIterator;
use std::panic::resume_unwind;

/// A generator whose body may borrow; it lives inside the call of [`scope`] that made it.
///
/// It has the methods of a [`Generator`](super::Generator), and the end of the scope closes it. It is neither `Send` nor
/// `Sync`.
///
/// # Examples
/// ```
/// use greenthread::generator::{self, Yielder};
/// let prices = [3, 4];
/// let total = generator::scope(
///     |y: &Yielder<u32, u32>| {
///         // The amounts are sent in return for the prices.
///         prices.iter().map(|price| price * y.yield_(*price)).sum::<u32>()
///     },
///     |mut shop| {
///         assert_eq!(shop.start(), Some(3));
///         assert_eq!(shop.send(10), Ok(Some(4)));
///         assert_eq!(shop.send(100), Ok(None));
///         shop.take_return_value()
///     },
/// );
/// assert_eq!(total, Some(430));
/// ```
pub struct Scoped<'scope, Y, S = (), R = ()> {
    core: &'scope RefCell<GeneratorCore<R>>,
    port: PortMut<'scope, Y, S>,
    closed: bool,
}

impl<Y, S, R> fmt::Debug for Scoped<'_, Y, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped")
            .field("started", &self.is_started())
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

impl<Y, S, R> Scoped<'_, Y, S, R> {
    /// As [`Generator::start`](super::Generator::start).
    ///
    /// # Panics
    /// If the generator has started already; and if the body panics, with the same payload.
    pub fn start(&mut self) -> Option<Y> {
        assert!(
            !self.is_started(),
            "the generator has started already: `send` and `next` go on with it"
        );
        self.step(|port| port.resume_with_nothing())
    }

    /// As [`Generator::send`](super::Generator::send).
    ///
    /// # Errors
    /// [`SendError`], which holds the value, if no `yield_` waits.
    ///
    /// # Panics
    /// If the body panics, with the same payload.
    pub fn send(&mut self, value: S) -> Result<Option<Y>, SendError<S>> {
        if self.is_finished() {
            Err(SendError::Finished(value))
        } else if !self.port.is_started() {
            Err(SendError::NotStarted(value))
        } else {
            Ok(self.step(|port| port.resume(value)))
        }
    }

    /// As [`Generator::throw`](super::Generator::throw); a body that has not begun will not run.
    ///
    /// # Examples
    /// ```
    /// use greenthread::generator::{self, Yielder};
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    /// let by = String::from("stopped by ");
    /// let item = generator::scope(
    ///     |y: &Yielder<String>| {
    ///         let caught = catch_unwind(AssertUnwindSafe(|| y.yield_(String::new()))).unwrap_err();
    ///         y.yield_(by.clone() + caught.downcast_ref::<&str>().unwrap());
    ///     },
    ///     |mut generator| {
    ///         generator.start();
    ///         generator.throw(Box::new("ann"))
    ///     },
    /// );
    /// assert_eq!(item.as_deref(), Some("stopped by ann"));
    /// ```
    ///
    /// # Panics
    /// For the same reasons as [`Generator::throw`](super::Generator::throw).
    pub fn throw(&mut self, payload: Box<dyn Any + Send>) -> Option<Y> {
        if self.closed {
            resume_unwind(payload);
        }
        let thrown = self.core.borrow().throw(&mut self.port, payload);
        match thrown {
            Ok(item) => self.look_after(item),
            Err(payload) => {
                self.closed |= !self.port.is_started();
                resume_unwind(payload)
            }
        }
    }

    /// As [`Generator::close`](super::Generator::close); a body that has not begun will not run. A body that does not end is
    /// not leaked here: the end of the scope [has to end it](scope#aborts).
    ///
    /// # Examples
    /// ```
    /// use greenthread::generator::{self, Yielder};
    /// let text = String::from("abc");
    /// generator::scope(
    ///     |y: &Yielder<char>| y.yield_all(text.chars()),
    ///     |mut chars| {
    ///         assert_eq!(chars.next(), Some('a'));
    ///         chars.close().unwrap();
    ///         assert_eq!(chars.next(), None);
    ///     },
    /// );
    /// ```
    ///
    /// # Errors
    /// [`CloseError`] if the body does not end.
    ///
    /// # Panics
    /// If the body panics while it is unwound, with the same payload.
    pub fn close(&mut self) -> Result<(), CloseError> {
        if self.closed {
            return Ok(());
        }
        self.closed = true;
        self.core.borrow_mut().close(&mut self.port)
    }

    /// Whether the body has begun.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.closed || self.port.is_started()
    }

    /// Whether the body has ended, or the generator was closed: it yields nothing more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.closed || self.port.is_finished()
    }

    #[inline(always)]
    fn step(&mut self, step: impl FnOnce(&mut PortMut<'_, Y, S>) -> Option<Y>) -> Option<Y> {
        if self.closed {
            return None;
        }
        let item = step(&mut self.port);
        self.look_after(item)
    }

    /// Called after a step: if the body has ended, takes what it has left.
    #[inline(always)]
    fn look_after(&mut self, item: Option<Y>) -> Option<Y> {
        if item.is_none() && self.port.is_finished() {
            self.core.borrow_mut().end();
        }
        item
    }

    /// Takes out what the body returned; `None` before it has ended, if it ended in another way, and the second time.
    pub fn take_return_value(&mut self) -> Option<R> {
        self.core.borrow_mut().returned.take()
    }
}

impl<Y, S: Default, R> Iterator for Scoped<'_, Y, S, R> {
    type Item = Y;

    #[inline(always)]
    fn next(&mut self) -> Option<Y> {
        self.step(|port| port.resume(S::default()))
    }
}

impl<Y, S: Default, R> FusedIterator for Scoped<'_, Y, S, R> {}

/// Calls `consumer` with a generator that runs `body`, which may borrow from the caller. The generator cannot leave the call.
///
/// The body has ended when this returns: if it is half-run, it is unwound, also when `consumer` panics or forgets the
/// generator. So whatever the frames of the body hold (a `std::thread::scope`, say) is gone before what the body borrows.
///
/// # Examples
/// ```
/// use greenthread::generator::{self, Yielder};
/// let text = String::from("to be or not");
/// let longest = generator::scope(
///     |y: &Yielder<&str>| y.yield_all(text.split(' ')),
///     |words| words.max_by_key(|word| word.len()),
/// );
/// assert_eq!(longest, Some("not"));
/// ```
///
/// # Panics
/// If `consumer` panics, or the body does while it is unwound at the end, with the same payload; and if there is no memory for
/// another stack.
///
/// # Aborts
/// A body that does not end at the end of the call can be neither left alone nor leaked, since others may use what it borrows:
/// the process is aborted, with a report. That is so for a body that catches the unwinding and yields again, for one that
/// yielded from a destructor while a panic was unwinding, and, with `panic = "abort"`, for every half-run body.
#[track_caller]
pub fn scope<Y, S, R, T>(
    body: impl FnOnce(&Yielder<'_, Y, S>) -> R,
    consumer: impl FnOnce(Scoped<'_, Y, S, R>) -> T,
) -> T {
    let (body, consumer) = (Held::new(body), Held::new(consumer));
    let stack = match Stack::acquire(StackSize::default()) {
        Ok(stack) => stack,
        Err(error) => panic!("{error}"),
    };
    coroutine::ensure_overflow_report();
    let (body, consumer) = (body.into_inner(), consumer.into_inner());
    let (core, body) = GeneratorCore::new(body);
    let core = RefCell::new(core);
    let result = Held::new(coroutine::scope(
        stack,
        DESCRIPTION,
        body,
        |port| consumer(Scoped { core: &core, port, closed: false }),
        // `coroutine::scope` checks whether the body has ended.
        |mut port| {
            let _ = core.borrow_mut().close(&mut port);
        },
    ));
    drop(core);
    result.into_inner()
}

/// What must not compile.
///
/// It is neither `Send` nor `Sync`:
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<greenthread::generator::Scoped<'static, i32, (), ()>>();
/// ```
///
/// The generator cannot leave the call:
/// ```compile_fail
/// use greenthread::generator::{self, Yielder};
/// let text = String::from("abc");
/// let escaped = generator::scope(|y: &Yielder<char>| y.yield_all(text.chars()), |chars| chars);
/// ```
#[cfg(doctest)]
mod must_not_compile {}
