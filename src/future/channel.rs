//! Channels from `async` code.
#![forbid(unsafe_code)]

use super::awaited::Awaited;
use crate::sync::mpsc::{RecvError, SendError};
use crate::sync::select::{RecvArm, RecvFrom, SendArm, SendTo};
use crate::sync::{mpmc, mpsc};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The future of [`mpmc::Receiver::recv_async`] and [`mpsc::Receiver::recv_async`](crate::sync::mpsc::Receiver::recv_async): an item that
/// is to be received.
#[must_use = "it does nothing unless it is awaited"]
pub struct Receiving<'a, T>(Awaited<RecvArm<'a, T>>);

/// The future of [`mpmc::Sender::send_async`] and its like: an item that is to be sent.
#[must_use = "it does nothing unless it is awaited"]
pub struct Sending<'a, T>(Awaited<SendArm<'a, T>>);

impl<'a, T> Receiving<'a, T> {
    pub(super) fn new(receiver: &'a impl RecvFrom<Item = T>) -> Self {
        Self(Awaited::new(receiver.use_a_receiver_of_greenthread_sync()))
    }
}

macro_rules! receiver {
    ($($receiver:ty),*) => {$(
        impl<T> $receiver {
            /// As `recv`, to be awaited: the call returns a future, and does not suspend.
            ///
            /// Dropping the future loses nothing: an item that has been handed over by then goes to the next receiver.
            ///
            /// # Errors
            /// The output is [`RecvError`] if no item is left and all senders are gone.
            ///
            /// # Examples
            /// ```
            /// use greenthread::sync::mpsc;
            ///
            /// let (sender, receiver) = mpsc::channel();
            /// greenthread::spawn(move || sender.send("from a green thread"));
            /// let item = greenthread::future::block_on(async { receiver.recv_async().await });
            /// assert_eq!(item, Ok("from a green thread"));
            /// ```
            pub fn recv_async(&self) -> Receiving<'_, T> {
                Receiving::new(self)
            }
        }
    )*};
}

receiver!(mpmc::Receiver<T>, mpsc::Receiver<T>);

macro_rules! sender {
    ($($sender:ty),*) => {$(
        impl<T> $sender {
            /// As `send`, to be awaited: the call returns a future, and does not suspend.
            ///
            /// Dropping the future before it is ready drops the item, unless that has been received by then.
            ///
            /// # Errors
            /// The output is [`SendError`], which holds the item, if all receivers are gone.
            ///
            /// # Examples
            /// ```
            /// use greenthread::sync::mpmc;
            ///
            /// let (sender, receiver) = mpmc::bounded(1);
            /// let sum = greenthread::spawn(move || receiver.iter().sum::<i32>());
            /// greenthread::future::block_on(async {
            ///     for i in 1..=10 {
            ///         sender.send_async(i).await.unwrap();
            ///     }
            /// });
            /// drop(sender);
            /// assert_eq!(sum.join().unwrap(), 55);
            /// ```
            pub fn send_async(&self, item: T) -> Sending<'_, T> {
                Sending(Awaited::new(self.use_a_sender_of_greenthread_sync(Some(item), None)))
            }
        }
    )*};
}

sender!(mpmc::Sender<T>, mpsc::SyncSender<T>);

// None of their contents is pinned.
impl<T> Unpin for Receiving<'_, T> {}
impl<T> Unpin for Sending<'_, T> {}

impl<T> Future for Receiving<'_, T> {
    type Output = Result<T, RecvError>;

    /// # Panics
    /// If it has been ready before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.0.poll(context)).finish())
    }
}

impl<T> Drop for Receiving<'_, T> {
    fn drop(&mut self) {
        self.0.end(RecvArm::give_back);
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    /// # Panics
    /// If it has been ready before.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(self.0.poll(context)).finish())
    }
}

impl<T> fmt::Debug for Receiving<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
