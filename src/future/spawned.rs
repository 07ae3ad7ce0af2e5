//! The body of a green thread on which a future was spawned.
#![forbid(unsafe_code)]

use super::block_on::{drop_in_context, poll_once};
use crate::runtime::task::{Body, Ran};
use crate::runtime::waker::poll_or_rest;
use crate::sys::prefetch::prefetch;
use std::pin::Pin;
use std::task::Poll;

/// The body of a green thread that polls a future, and rests while that is pending.
pub(super) struct Spawned<I>(pub(super) I);

/// Like [`Spawned`], but it does not take the task's own memory. That stays as large as what it began with, while a
/// future lies elsewhere as soon as it is polled.
pub(super) struct Boxed<I>(Box<I>);

/// Whether it is so large that it is worth an allocation to keep it out of the task.
pub(super) const fn is_large<I>() -> bool {
    size_of::<I>() > 128
}

impl<I> Boxed<I> {
    pub(super) fn new(future: I) -> Self {
        Self(Box::new(future))
    }
}

impl<I: IntoFuture> IntoFuture for Boxed<I> {
    type Output = I::Output;
    type IntoFuture = I::IntoFuture;

    fn into_future(self) -> I::IntoFuture {
        (*self.0).into_future()
    }
}

/// How many cache lines of a future are worth prefetching.
const LINES: usize = 16;
const LINE: usize = 64;

/// A future that has been polled and is pending.
pub(super) struct Pending<F>(Pin<Box<Option<F>>>);

impl<I: IntoFuture> Body<I::Output> for Spawned<I> {
    type Rest = Pending<I::IntoFuture>;

    fn run(self) -> Ran<Self::Rest, I::Output> {
        Self::go_on(Pending(Box::pin(Some(self.0.into_future()))))
    }

    fn go_on(mut rest: Self::Rest) -> Ran<Self::Rest, I::Output> {
        match poll_or_rest(|context| poll_once(rest.0.as_mut(), context)) {
            Poll::Ready(output) => Ran::Ended(Ok(output)),
            Poll::Pending => Ran::Rests(rest),
        }
    }

    #[inline(always)]
    fn prefetch(rest: &Self::Rest) {
        let future = std::ptr::from_ref(&*rest.0).cast::<[u8; LINE]>();
        let lines = size_of::<Option<I::IntoFuture>>().div_ceil(LINE).min(LINES);
        (0..lines).for_each(|at| prefetch(future.wrapping_add(at)));
    }
}

impl<F> Drop for Pending<F> {
    fn drop(&mut self) {
        drop_in_context(self.0.as_mut());
    }
}
