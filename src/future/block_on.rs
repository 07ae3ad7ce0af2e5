//! Waiting for one future.
#![forbid(unsafe_code)]

use crate::runtime::ambient;
use crate::runtime::dropping::drop_each;
use crate::runtime::waker::poll_until;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

/// Waits for a future and returns its output. Suspends a green thread, blocks an OS thread.
///
/// The future is polled here, on the caller's own stack, and no other task ever is: so it may itself call `block_on`, as deep
/// as the stack allows, and may be called inside an executor, a callback, or a destructor. (An async executor's own OS thread
/// is blocked by it, as by any other blocking call.) A kill and the end of a [`timeout`](crate::timeout()) unwind out of it and
/// drop the future in place; code that must not be cut off there is for [`shield`](crate::shield).
///
/// It allocates nothing. What a future keeps to be woken by may be kept for ever, used from any thread, and used late: that
/// does nothing then. A future that wakes itself, to yield, lets the other green threads run.
///
/// As `block_on` of pollster and futures-lite, which block an OS thread. A future that only works inside a certain runtime
/// needs that runtime's context besides.
///
/// # Examples
/// ```
/// use greenthread::future::block_on;
///
/// let two = block_on(async {
///     let one = async { 1 };
///     one.await + block_on(async { 1 })
/// });
/// assert_eq!(two, 2);
/// ```
#[inline]
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    match block_until(None, future) {
        Some(output) => output,
        None => unreachable!("there was no deadline"),
    }
}

/// As [`block_on`]; `None` if the deadline passed first.
#[inline(always)]
pub(super) fn block_until<F: IntoFuture>(
    deadline: Option<Instant>,
    future: F,
) -> Option<F::Output> {
    let future = pin!(Some(future.into_future()));
    let mut polled = Polled(future);
    poll_until(deadline, |context| polled.poll(context))
}

/// A future that is dropped where it was polled, in the same context: its destructors may need that too.
struct Polled<'a, F>(Pin<&'a mut Option<F>>);

impl<F: Future> Polled<'_, F> {
    #[inline(always)]
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = self.0.as_mut().as_pin_mut() else {
            panic!("polled after it was ready")
        };
        let polled = future.poll(context);
        if polled.is_ready() {
            self.0.set(None);
        }
        polled
    }
}

impl<F> Drop for Polled<'_, F> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0.is_some() {
            // Where an unwind comes by, an interruption's for one, a panic of its destructor would end the process.
            drop_each([|| ambient::within(|| self.0.set(None))]);
        }
    }
}
