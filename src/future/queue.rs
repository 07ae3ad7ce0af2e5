//! Queues from `async` code.
#![forbid(unsafe_code)]

use super::awaited::AtGate;
use crate::queue::{GetError, LifoQueue, PriorityQueue, PutError, Queue, TryGetError, TryPutError};
use crate::util::dropping::Held;
use std::future::poll_fn;
use std::task::{Poll, ready};

macro_rules! queue {
    ($($queue:ident <T $(: $bound:ident)?>),*) => {$(
        impl<T $(: $bound)?> $queue<T> {
            /// As [`get`](Self::get), to be awaited: the call returns a future, and does not suspend. Dropping the future loses no
            /// item.
            ///
            /// # Errors
            /// [`GetError`] if the queue has been shut down and nothing is left in it.
            ///
            /// # Examples
            /// ```
            /// use greenthread::{future::block_on, queue::Queue, sync::Arc};
            /// let jobs = Arc::new(Queue::with_capacity(1));
            /// let worker = Arc::clone(&jobs);
            /// let sum = greenthread::spawn(move || worker.iter().sum::<u32>());
            /// block_on(async {
            ///     for job in 1..=3 {
            ///         jobs.put_async(job).await.unwrap();
            ///     }
            ///     jobs.shutdown();
            ///     assert!(jobs.put_async(4).await.is_err());
            /// });
            /// assert_eq!(sum.join().unwrap(), 6);
            /// ```
            pub async fn get_async(&self) -> Result<T, GetError> {
                let mut wait = AtGate::new(self.items());
                poll_fn(|context| loop {
                    match self.try_get() {
                        Ok(item) => return Poll::Ready(Ok(item)),
                        Err(TryGetError::ShutDown) => return Poll::Ready(Err(GetError)),
                        Err(TryGetError::Empty) => {}
                    }
                    ready!(wait.poll(context, || !self.is_empty() || self.is_shut_down()));
                })
                .await
            }

            /// As [`put`](Self::put), to be awaited: the call returns a future, and does not suspend. Dropping the future before it
            /// is ready drops the item.
            ///
            /// # Errors
            /// [`PutError`], which holds the item, if the queue has been shut down.
            pub fn put_async(&self, item: T) -> impl Future<Output = Result<(), PutError<T>>> {
                // This is not an `async fn`, which would own a bare item until it is polled.
                let mut item = Held::new(Some(item));
                let mut wait = AtGate::new(self.room());
                poll_fn(move |context| loop {
                    let Some(one) = item.take() else { panic!("a future of a queue was polled after it was ready") };
                    match self.try_put(one) {
                        Ok(()) => return Poll::Ready(Ok(())),
                        Err(TryPutError::ShutDown(one)) => return Poll::Ready(Err(PutError(one))),
                        Err(TryPutError::Full(one)) => *item = Some(one),
                    }
                    ready!(wait.poll(context, || !self.is_full() || self.is_shut_down()));
                })
            }
        }
    )*};
}

queue!(Queue<T>, LifoQueue<T>, PriorityQueue<T: Ord>);
