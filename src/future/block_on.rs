//! Waiting for one future.
#![forbid(unsafe_code)]

use crate::runtime::ambient;
use crate::runtime::waker::poll_until;
use crate::util::dropping::{Held, drop_each};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

/// Waits for a future and returns its output. Suspends a green thread, blocks an OS thread.
///
/// As `block_on` of pollster and futures-lite, which block an OS thread. A future that only works inside a certain runtime needs the
/// context of that runtime besides; for tokio, the feature `tokio` gives it.
///
/// The future is polled on the caller's own stack, and no other task is polled there. So a future may itself call `block_on`, as deep
/// as the stack allows, and `block_on` may be called inside an executor, a callback, or a destructor. (It blocks the OS thread of an
/// async executor, as any other blocking call does.) A kill and the end of a [`timeout`](crate::timeout()) unwind out of it and drop
/// the future in place; [`shield`](crate::shield) keeps them off.
///
/// It allocates nothing. The waker that a future is given may be kept for ever and used from any thread; used late, it does nothing.
/// A future that wakes itself, to yield, lets the other green threads run.
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
// It is inlined, so that the future is made where it is polled, and not copied there.
#[inline(always)]
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    match block_until(None, future) {
        Some(output) => output,
        None => unreachable!("there was no deadline"),
    }
}

/// Like [`block_on`]; `None` if the deadline passed first.
#[inline(always)]
pub(super) fn block_until<F: IntoFuture>(
    deadline: Option<Instant>,
    future: F,
) -> Option<F::Output> {
    let future = pin!(Some(future.into_future()));
    let mut polled = PolledInContext(future);
    poll_until(deadline, |context| polled.poll(context))
}

/// A future that is dropped in the context in which it was polled, as its destructors may need that too.
pub(super) struct PolledInContext<'a, F>(pub(super) Pin<&'a mut Option<F>>);

impl<F: Future> PolledInContext<'_, F> {
    #[inline(always)]
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<F::Output> {
        poll_once(self.0.as_mut(), context)
    }
}

impl<F> Drop for PolledInContext<'_, F> {
    #[inline(always)]
    fn drop(&mut self) {
        drop_in_context(self.0.as_mut());
    }
}

/// Polls a future, and drops it once it is ready.
#[inline(always)]
pub(super) fn poll_once<F: Future>(
    mut future: Pin<&mut Option<F>>,
    context: &mut Context<'_>,
) -> Poll<F::Output> {
    let Some(pending) = future.as_mut().as_pin_mut() else { panic!("polled after it was ready") };
    let Poll::Ready(output) = pending.poll(context) else { return Poll::Pending };
    let output = Held::new(output);
    future.set(None);
    Poll::Ready(output.into_inner())
}

/// Drops a future, if it still exists, in the context in which it was polled.
#[inline(always)]
pub(super) fn drop_in_context<F>(mut future: Pin<&mut Option<F>>) {
    if future.is_some() {
        // If this runs during an unwind, for example by an interruption, a panic of the destructor would end the
        // process.
        drop_each([|| ambient::within(|| future.set(None))]);
    }
}
