//! Futures waited for on green threads, and green threads awaited.

mod async_io;
mod join;
mod spawned;
mod sync;
mod time;
mod together;
mod wait;
mod wakers;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// Something to wait for that another thread gives: the simplest future there is. Each has one value.
pub(crate) struct Promise<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
    polls: usize,
}

/// Gives a [`Promise`] its value.
pub(crate) struct Giver<T>(Arc<Mutex<State<T>>>);

pub(crate) fn promise<T>() -> (Giver<T>, Promise<T>) {
    let state = Arc::new(Mutex::new(State { value: None, waker: None, polls: 0 }));
    (Giver(Arc::clone(&state)), Promise(state))
}

impl<T> Giver<T> {
    pub(crate) fn give(self, value: T) {
        let waker = {
            let mut state = self.0.lock().unwrap();
            state.value = Some(value);
            state.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// The waker that the last poll left.
    pub(crate) fn waker(&self) -> Option<Waker> {
        self.0.lock().unwrap().waker.clone()
    }

    pub(crate) fn polls(&self) -> usize {
        self.0.lock().unwrap().polls
    }
}

impl<T> Future for Promise<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.0.lock().unwrap();
        state.polls += 1;
        if let Some(value) = state.value.take() {
            return Poll::Ready(value);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Wakes itself a number of times before it is ready.
pub(crate) async fn yields(times: usize) {
    let mut left = times;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
