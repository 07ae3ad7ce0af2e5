//! Streams as iterators, and channels and green threads as streams.
#![forbid(unsafe_code)]

use super::block_on::block_on;
use super::channel::Receiving;
use super::join::Joining;
use crate::runtime::ambient;
use crate::sync::mpmc::{self, Receiver, Sender};
use crate::sync::mpsc::{self, RecvError};
use crate::sync::select::RecvFrom;
use crate::thread::{JoinHandle, spawn};
use crate::util::dropping::{Held, drop_each};
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// An iterator over the items of a stream; its `next` waits for an item as [`block_on`] does. (Python's `async for`, in a plain `for`.)
///
/// # Examples
/// ```
/// use greenthread::future;
///
/// let (sender, receiver) = greenthread::sync::mpsc::channel();
/// greenthread::spawn(move || (1..4).for_each(|i| sender.send(i).unwrap()));
/// let items: Vec<_> = future::iter(receiver.stream()).collect();
/// assert_eq!(items, [1, 2, 3]);
/// ```
pub fn iter<S: Stream>(stream: S) -> Iter<S> {
    Iter(Some(Box::pin(stream)))
}

/// The iterator of [`iter`].
#[derive(Debug)]
pub struct Iter<S>(Option<Pin<Box<S>>>);

impl<S: Stream> Iterator for Iter<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        let stream = self.0.as_mut()?;
        block_on(poll_fn(|context| stream.as_mut().poll_next(context)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.as_ref().map_or((0, Some(0)), |stream| stream.size_hint())
    }
}

impl<S> Drop for Iter<S> {
    fn drop(&mut self) {
        // It is dropped in the context in which it was polled, as its destructors may need that too.
        let stream = self.0.take();
        drop_each([|| ambient::within(|| drop(stream))]);
    }
}

/// The stream of what a channel receives; made by the method `stream` of a receiver, which it borrows.
pub struct Items<'a, R: RecvFrom> {
    receiver: &'a R,
    next: Option<Receiving<'a, R::Item>>,
}

macro_rules! stream {
    ($($receiver:ty),*) => {$(
        impl<T> $receiver {
            /// What is received, until all senders are gone, as a [`Stream`]: the `async` form of `iter`. Dropping it loses no item.
            ///
            /// # Examples
            /// ```
            /// use greenthread::future;
            /// use greenthread::sync::mpmc;
            ///
            /// let (sender, receiver) = mpmc::bounded(1);
            /// greenthread::spawn(move || (1..4).for_each(|i| sender.send(i).unwrap()));
            /// assert_eq!(future::iter(receiver.stream()).sum::<i32>(), 6);
            /// ```
            pub fn stream(&self) -> Items<'_, Self> {
                Items { receiver: self, next: None }
            }
        }
    )*};
}

stream!(mpmc::Receiver<T>, mpsc::Receiver<T>);

// None of its contents is pinned.
impl<R: RecvFrom> Unpin for Items<'_, R> {}

impl<R: RecvFrom> Stream for Items<'_, R> {
    type Item = R::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<R::Item>> {
        let receiver = self.receiver;
        let next = self.next.get_or_insert_with(|| Receiving::new(receiver));
        let item = ready!(Pin::new(next).poll(context));
        self.next = None;
        Poll::Ready(item.ok())
    }
}

impl<R: RecvFrom> fmt::Debug for Items<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}

type Received<T> = (Result<T, RecvError>, Receiver<T>);

/// As [`Items`], but it owns the receiver; made by the method `into_stream` of a receiver. Each wait for an item allocates memory.
pub struct IntoItems<T> {
    receiver: Option<Receiver<T>>,
    next: Option<Pin<Box<dyn Future<Output = Received<T>> + Send>>>,
}

impl<T: Send + 'static> Receiver<T> {
    /// As [`stream`](Self::stream), but the stream owns the receiver.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{future, sync::mpmc};
    /// fn numbers() -> impl futures_core::Stream<Item = u32> {
    ///     let (sender, receiver) = mpmc::unbounded();
    ///     greenthread::spawn(move || (1..4).for_each(|i| sender.send(i).unwrap()));
    ///     receiver.into_stream()
    /// }
    /// assert_eq!(future::iter(numbers()).sum::<u32>(), 6);
    /// ```
    #[must_use]
    pub fn into_stream(self) -> IntoItems<T> {
        IntoItems { receiver: Some(self), next: None }
    }
}

// None of its contents is pinned, except what is in a box.
impl<T> Unpin for IntoItems<T> {}

impl<T: Send + 'static> Stream for IntoItems<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(receiver) = self.receiver.take() {
            if let Ok(item) = receiver.try_recv() {
                self.receiver = Some(receiver);
                return Poll::Ready(Some(item));
            }
            self.next = Some(Box::pin(async move { (receiver.recv_async().await, receiver) }));
        }
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        let (item, receiver) = ready!(next.as_mut().poll(context));
        self.next = None;
        if item.is_ok() {
            self.receiver = Some(receiver);
        }
        Poll::Ready(item.ok())
    }
}

impl<T> fmt::Debug for IntoItems<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoItems").finish_non_exhaustive()
    }
}

/// A stream whose items are sent by straight-line code on a green thread of its own, as Python's `async` generators.
///
/// The code begins with the first poll, and each [`send`](Sender::send) returns when its item has been taken. The stream ends with the
/// code; if the code panics, the poll panics with the same payload. Dropping the stream kills the green thread.
///
/// # Examples
/// ```
/// use greenthread::future;
///
/// let ticks = future::stream(|items| {
///     for i in 1..4 {
///         greenthread::sleep(std::time::Duration::from_millis(1));
///         items.send(i).unwrap();
///     }
/// });
/// assert_eq!(future::iter(ticks).collect::<Vec<_>>(), [1, 2, 3]);
/// ```
pub fn stream<T, F>(code: F) -> GreenStream<T, F>
where
    F: FnOnce(&Sender<T>) + Send + 'static,
    T: Send + 'static,
{
    GreenStream(StreamState::New(Held::new(code)))
}

/// The stream of [`stream`].
pub struct GreenStream<T, F>(StreamState<T, F>);

enum StreamState<T, F> {
    New(Held<F>),
    Running(IntoItems<T>, Joining<JoinHandle<()>>),
    Over,
}

// None of its contents is pinned.
impl<T, F> Unpin for GreenStream<T, F> {}

impl<T, F> Stream for GreenStream<T, F>
where
    F: FnOnce(&Sender<T>) + Send + 'static,
    T: Send + 'static,
{
    type Item = T;

    /// # Panics
    /// If the code has panicked.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let state = &mut self.0;
        if let StreamState::New(_) = state
            && let StreamState::New(code) = std::mem::replace(state, StreamState::Over)
        {
            let (sender, receiver) = mpmc::bounded(0);
            let code = code.into_inner();
            let handle = spawn(move || code(&sender));
            *state =
                StreamState::Running(receiver.into_stream(), handle.into_future().kill_on_drop());
        }
        let StreamState::Running(items, end) = state else { return Poll::Ready(None) };
        if let Some(item) = ready!(Pin::new(items).poll_next(context)) {
            return Poll::Ready(Some(item));
        }
        let ended = ready!(Pin::new(end).poll(context));
        *state = StreamState::Over;
        match ended {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => Poll::Ready(None),
        }
    }
}

impl<T, F> fmt::Debug for GreenStream<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GreenStream").finish_non_exhaustive()
    }
}
