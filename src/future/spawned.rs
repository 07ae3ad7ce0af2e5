//! What a green thread runs that a future was spawned on.
#![forbid(unsafe_code)]

use super::block_on::{drop_in_context, poll_once};
use crate::runtime::task::{Body, Ran};
use crate::runtime::waker::poll_or_rest;
use std::pin::Pin;
use std::task::Poll;

/// The body of a green thread that polls a future, and rests while that is pending.
pub(super) struct Spawned<I>(pub(super) I);

/// What it has polled.
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
}

impl<F> Drop for Pending<F> {
    fn drop(&mut self) {
        drop_in_context(self.0.as_mut());
    }
}
