//! Waiting for several futures at once.
#![forbid(unsafe_code)]

use super::block_on::{PolledInContext, block_on};
use crate::util::dropping::Held;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Waits for all of several futures at once, up to twelve, and returns their outputs as a tuple. (asyncio's `gather`.)
///
/// Each argument is anything that can be awaited: a future, the handle of a green thread, blocking code as
/// [`green`](super::green()). So both worlds mix, and what borrows is for the handles of a [`scope`](crate::scope). The futures
/// are polled in turn on the caller's own stack; one that blocks by itself, rather than being pending, keeps the others waiting,
/// while what runs on green threads of its own runs beside them.
///
/// Suspends a green thread, blocks an OS thread, as [`block_on`](super::block_on()). A kill, a timeout, or a panic of one of them
/// unwinds out of it and drops them all in place. It allocates nothing.
///
/// As `join!` of tokio and futures, but for straight-line code.
///
/// # Examples
/// ```
/// use greenthread::future;
///
/// async fn fetch() -> u32 {
///     1
/// }
///
/// let handle = greenthread::spawn(|| 2);
/// let (one, two, three) = future::join!(fetch(), handle, future::green(|| 3));
/// assert_eq!((one, two.unwrap(), three.unwrap()), (1, 2, 3));
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __future_join {
    ($($future:expr),+ $(,)?) => {
        $crate::future::Together::wait_for_all(($($future,)+))
    };
}

/// As [`join!`](macro@super::join), for futures with results: the first error is returned at once, and drops those that are not
/// ready; the values of all of them are returned as a tuple.
///
/// What is dropped ends as its kind does: [`green`](super::green()) kills its green thread, while that of a handle goes on, unless
/// the handle has been told [`kill_on_drop`](super::Joining::kill_on_drop).
///
/// # Errors
/// The first that one of them has. All have the same type of error.
///
/// # Examples
/// ```
/// use greenthread::future;
///
/// let both = future::try_join!(async { Ok::<_, String>(1) }, async { Ok(2) });
/// assert_eq!(both, Ok((1, 2)));
/// let failed: Result<((), ()), _> =
///     future::try_join!(std::future::pending(), async { Err("no such host") });
/// assert_eq!(failed, Err("no such host"));
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __future_try_join {
    ($($future:expr),+ $(,)?) => {
        $crate::future::TryTogether::wait_for_values(($($future,)+))
    };
}

/// A tuple of what can be awaited. See [`join!`](macro@super::join).
#[doc(hidden)]
pub trait Together {
    type Outputs;

    fn wait_for_all(self) -> Self::Outputs;
}

/// A tuple of what can be awaited for a result. See [`try_join!`](macro@super::try_join).
#[doc(hidden)]
pub trait TryTogether {
    type Values;
    type Error;

    fn wait_for_values(self) -> Result<Self::Values, Self::Error>;
}

/// One of the futures.
struct TogetherPart<'a, F: Future> {
    future: PolledInContext<'a, F>,
    output: Held<Option<F::Output>>,
}

impl<'a, F: Future> TogetherPart<'a, F> {
    fn new(future: Pin<&'a mut Option<F>>) -> Self {
        Self { future: PolledInContext(future), output: Held::new(None) }
    }

    /// The output, if there is one by now.
    fn poll(&mut self, context: &mut Context<'_>) -> Option<&F::Output> {
        if self.output.is_none()
            && let Poll::Ready(output) = self.future.poll(context)
        {
            *self.output = Some(output);
        }
        self.output.as_ref()
    }

    fn take(&mut self) -> F::Output {
        self.output.take().unwrap_or_else(|| unreachable!("all are ready"))
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> TogetherPart<'_, F> {
    fn take_value(&mut self) -> T {
        match self.take() {
            Ok(value) => value,
            Err(_) => unreachable!("the first error has been returned"),
        }
    }

    /// Whether there is a value by now; or the error.
    fn try_poll(&mut self, context: &mut Context<'_>) -> Result<bool, E> {
        match self.poll(context) {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(_)) => self.take().map(|_| true),
        }
    }
}

macro_rules! tuples {
    () => {};
    ($($future:ident $value:ident $name:ident,)+) => {
        impl<$($future: IntoFuture),+> Together for ($($future,)+) {
            type Outputs = ($($future::Output,)+);

            fn wait_for_all(self) -> Self::Outputs {
                let ($($name,)+) = self;
                $(let $name = Held::new($name);)+
                $(
                    let $name = pin!(Some($name.into_inner().into_future()));
                    let mut $name = TogetherPart::new($name);
                )+
                block_on(poll_fn(|context| {
                    let mut all = true;
                    $(all &= $name.poll(context).is_some();)+
                    if all { Poll::Ready(($($name.take(),)+)) } else { Poll::Pending }
                }))
            }
        }

        impl<E, $($future, $value),+> TryTogether for ($($future,)+)
        where
            $($future: IntoFuture<Output = Result<$value, E>>,)+
        {
            type Values = ($($value,)+);
            type Error = E;

            fn wait_for_values(self) -> Result<Self::Values, E> {
                let ($($name,)+) = self;
                $(let $name = Held::new($name);)+
                $(
                    let $name = pin!(Some($name.into_inner().into_future()));
                    let mut $name = TogetherPart::new($name);
                )+
                let result = Held::new(block_on(poll_fn(|context| {
                    let mut all = true;
                    $(match $name.try_poll(context) {
                        Ok(is_there) => all &= is_there,
                        Err(error) => return Poll::Ready(Err(error)),
                    })+
                    if all { Poll::Ready(Ok(($($name.take_value(),)+))) } else { Poll::Pending }
                })));
                // After an error there may be values and futures to drop.
                $(drop($name);)+
                result.into_inner()
            }
        }

        tuples!(@shorter $($future $value $name,)+);
    };
    (@shorter $first:ident $value:ident $name:ident, $($rest:tt)*) => {
        tuples!($($rest)*);
    };
}

tuples!(
    A TA a, B TB b, C TC c, D TD d, F TF f, G TG g, H TH h, I TI i, J TJ j, K TK k, L TL l, M TM m,
);
