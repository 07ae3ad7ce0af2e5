//! The body's side of a generator.
#![forbid(unsafe_code)]

use super::Generator;
use super::core::{BodyOrder, Closed, Orders};
use crate::coroutine::{Refused, Suspender};
use crate::util::dropping::each;
use std::fmt;
use std::panic::resume_unwind;

/// What a generator's body yields with. `Y` is the type of the items, `S` that of the values that are sent back.
///
/// The body is given a reference and can pass it on to functions that it calls, recursive ones too. A yielder is neither `Send`
/// nor `Sync`: it stays on its OS thread.
///
/// # Examples
/// ```
/// use greenthread::generator::{Generator, Yielder};
///
/// fn count_down(y: &Yielder<u32>, from: u32) {
///     if from > 0 {
///         y.yield_(from);
///         count_down(y, from - 1);
///     }
/// }
/// let generator = Generator::new(|y: &Yielder<u32>| count_down(y, 3));
/// assert_eq!(generator.collect::<Vec<_>>(), [3, 2, 1]);
/// ```
pub struct Yielder<'body, Y, S = ()> {
    suspender: Suspender<Y, S>,
    orders: &'body Orders,
}

impl<Y, S> fmt::Debug for Yielder<'_, Y, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

impl<'body, Y, S> Yielder<'body, Y, S> {
    /// Made by the body's coroutine when it begins.
    #[inline(always)]
    pub(super) fn new(suspender: Suspender<Y, S>, orders: &'body Orders) -> Self {
        Self { suspender, orders }
    }

    /// Hands `item` to the generator's user and waits until the next item is asked for. Returns the value that comes with that:
    /// `S::default()` from `next`, the argument from `send`. (Python's `yield`.)
    ///
    /// Suspends the generator only, not the thread. When the generator is closed or thrown into, this call unwinds.
    ///
    /// # Panics
    /// If it is called outside of the body that this yielder was given to, in another generator or greenlet that runs inside
    /// that body; and inside a timeout, shield, scope or group that began inside the body (as Python's PEP 789 proposes).
    ///
    /// # Examples
    /// It returns what is sent for the item:
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    ///
    /// let mut echo = Generator::new(|y: &Yielder<String, &str>| {
    ///     let mut heard = y.yield_("say something".into());
    ///     loop {
    ///         heard = y.yield_(format!("you said {heard}"));
    ///     }
    /// });
    /// assert_eq!(echo.start().as_deref(), Some("say something"));
    /// assert_eq!(echo.send("hello").unwrap().as_deref(), Some("you said hello"));
    /// ```
    #[doc(alias("yield"))]
    #[inline(always)]
    pub fn yield_(&self, item: Y) -> S {
        match self.exchange(item) {
            Some(input) => input,
            None => self.raise(),
        }
    }

    /// Yields each item of an iterator. (Python's `yield from` with an iterable.)
    ///
    /// # Examples
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    /// let generator = Generator::new(|y: &Yielder<i32>| {
    ///     y.yield_all(0..3);
    ///     y.yield_all(vec![7, 8]);
    /// });
    /// assert_eq!(generator.collect::<Vec<_>>(), [0, 1, 2, 7, 8]);
    /// ```
    ///
    /// # Panics
    /// If [`yield_`](Self::yield_) would.
    pub fn yield_all(&self, items: impl IntoIterator<Item = Y>) {
        for item in each(items) {
            self.yield_(item);
        }
    }

    #[inline(always)]
    fn exchange(&self, item: Y) -> Option<S> {
        if std::thread::panicking() {
            return self.exchange_unwinding(item);
        }
        match self.suspender.suspend(item) {
            Ok(input) => input,
            Err(refused) => refuse(refused),
        }
    }

    #[cold]
    #[inline(never)]
    fn exchange_unwinding(&self, item: Y) -> Option<S> {
        self.orders.unwinding.set(true);
        let result = self.suspender.suspend(item);
        self.orders.unwinding.set(false);
        result.unwrap_or_else(|refused| refuse(refused))
    }

    #[cold]
    #[inline(never)]
    fn raise(&self) -> ! {
        match self.orders.order.take() {
            Some(BodyOrder::Throw(payload)) => resume_unwind(payload),
            Some(BodyOrder::Close) | None => resume_unwind(Box::new(Closed)),
        }
    }
}

#[cold]
#[inline(never)]
fn refuse(refused: Refused) -> ! {
    match refused {
        Refused::NotInnermost => panic!("yield_ called outside of the generator's own body"),
        Refused::OpenRegion => {
            panic!(
                "a generator must not yield inside a timeout, shield, scope or group that began in it: end that first, or \
                 put it around the calls of `next`"
            )
        }
    }
}

impl<Y: 'static, S: Default + 'static> Yielder<'_, Y, S> {
    /// Delegates to another generator: yields its items, passes sent values and thrown payloads on to it, closes it when this
    /// generator is closed, and returns its return value. (Python's `yield from`, PEP 380.) Returns `None` if the inner
    /// generator has no return value any more: it was taken, or the generator was closed.
    ///
    /// # Examples
    /// ```
    /// use greenthread::generator::{Generator, Yielder};
    /// fn words(text: &'static str) -> Generator<&'static str, (), usize> {
    ///     Generator::new(move |y: &Yielder<_>| {
    ///         y.yield_all(text.split(' '));
    ///         text.split(' ').count()
    ///     })
    /// }
    /// let mut both = Generator::<_, (), usize>::new(|y: &Yielder<_>| {
    ///     y.yield_from(words("a b")).unwrap() + y.yield_from(words("c")).unwrap()
    /// });
    /// assert_eq!(both.by_ref().collect::<String>(), "abc");
    /// assert_eq!(both.return_value(), Some(&3));
    /// ```
    ///
    /// # Panics
    /// If [`yield_`](Self::yield_) would; and if the body of the inner generator panics, with the same payload.
    pub fn yield_from<Q: 'static>(&self, mut inner: Generator<Y, S, Q>) -> Option<Q> {
        let mut next = inner.next();
        while let Some(item) = next {
            next = match self.exchange(item) {
                Some(input) => inner.send(input).unwrap_or(None),
                None => match self.orders.order.take() {
                    Some(BodyOrder::Throw(payload)) => inner.throw(payload),
                    Some(BodyOrder::Close) | None => {
                        // If it does not end, that is reported when it is dropped.
                        let _ = inner.close();
                        resume_unwind(Box::new(Closed))
                    }
                },
            };
        }
        inner.into_return_value()
    }
}

/// What must not compile.
///
/// It stays on its OS thread:
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<greenthread::generator::Yielder<u32>>();
/// ```
/// ```compile_fail
/// fn is_sync<T: Sync>() {}
/// is_sync::<greenthread::generator::Yielder<u32>>();
/// ```
#[cfg(doctest)]
mod must_not_compile {}
