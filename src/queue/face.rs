//! The methods that all queues have.
#![forbid(unsafe_code)]

/// Implements the methods for a type with a field `core`, which is a `QueueCore`.
macro_rules! face {
    ($queue:ident <T $(: $bound:ident)?>) => {
        impl<T $(: $bound)?> $queue<T> {
            /// Makes a queue without a limit.
            pub fn new() -> Self {
                Self { core: QueueCore::new(None) }
            }

            /// Makes a queue that holds up to `capacity` items. With zero every [`put`](Self::put) waits until the queue is shut
            /// down. (In Python's queues zero means no limit: that is [`new`](Self::new).)
            ///
            /// # Examples
            /// A producer is kept from running far ahead:
            /// ```
            /// use greenthread::queue::{Queue, TryPutError};
            ///
            /// let queue = Queue::with_capacity(1);
            /// queue.put("first").unwrap();
            /// assert_eq!(queue.try_put("second"), Err(TryPutError::Full("second")));
            /// ```
            pub fn with_capacity(capacity: usize) -> Self {
                Self { core: QueueCore::new(Some(capacity)) }
            }

            /// Puts an item, and waits for room if need be. Suspends a green thread, blocks an OS thread.
            ///
            /// # Errors
            /// [`PutError`], which holds the item, if the queue has been shut down.
            ///
            /// # Examples
            /// ```
            /// use greenthread::queue::Queue;
            ///
            /// let queue = Queue::new();
            /// queue.put(1).unwrap();
            /// queue.shutdown();
            /// // Nobody would take it, so it comes back.
            /// assert_eq!(queue.put(2).unwrap_err().0, 2);
            /// assert_eq!(queue.get(), Ok(1));
            /// ```
            pub fn put(&self, item: T) -> Result<(), PutError<T>> {
                self.core.put(item, None, |error| PutError(error.into_inner()))
            }

            /// Puts an item if there is room. Does not wait. (Python's `put_nowait`.)
            ///
            /// # Errors
            /// [`TryPutError`], which holds the item, if the queue is full or has been shut down.
            ///
            /// # Examples
            /// See also [`is_full`](Self::is_full), [`len`](Self::len) and [`capacity`](Self::capacity), which may be
            /// true no more when one looks.
            /// ```
            /// use greenthread::queue::{Queue, TryPutError};
            ///
            /// let queue = Queue::with_capacity(1);
            /// assert_eq!(queue.try_put(1), Ok(()));
            /// assert!(queue.is_full() && queue.len() == 1 && queue.capacity() == Some(1));
            /// assert_eq!(queue.try_put(2), Err(TryPutError::Full(2)));
            /// ```
            #[doc(alias = "put_nowait")]
            pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
                self.core.try_put(item, |error| error)
            }

            /// As [`put`](Self::put), waiting for at most `timeout`.
            ///
            /// # Errors
            /// [`TryPutError`], which holds the item, if the queue was full all the time or has been shut down.
            ///
            /// # Examples
            /// ```
            /// use greenthread::queue::{Queue, TryPutError};
            /// use std::time::Duration;
            ///
            /// let queue = Queue::with_capacity(1);
            /// let limit = Duration::from_millis(1);
            /// assert_eq!(queue.put_timeout(1, limit), Ok(()));
            /// assert_eq!(queue.put_timeout(2, limit), Err(TryPutError::Full(2)));
            /// ```
            pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), TryPutError<T>> {
                self.core.put(item, deadline_after(timeout), |error| error)
            }

            /// As [`put`](Self::put), waiting up to a point in time.
            ///
            /// # Errors
            /// Those of [`put_timeout`](Self::put_timeout).
            pub fn put_deadline(&self, item: T, deadline: Instant) -> Result<(), TryPutError<T>> {
                self.core.put(item, Some(deadline), |error| error)
            }

            /// Takes an item, and waits for one if need be. Suspends a green thread, blocks an OS thread.
            ///
            /// # Errors
            /// [`GetError`] if the queue has been shut down and nothing is left in it.
            ///
            /// # Examples
            /// ```
            /// use greenthread::queue::{GetError, Queue};
            /// use greenthread::sync::Arc;
            ///
            /// let queue = Arc::new(Queue::new());
            /// let other = Arc::clone(&queue);
            /// greenthread::spawn(move || other.put("an item"));
            /// assert_eq!(queue.get(), Ok("an item"));
            /// queue.shutdown();
            /// assert_eq!(queue.get(), Err(GetError));
            /// ```
            pub fn get(&self) -> Result<T, GetError> {
                self.core.get(None, |_| GetError)
            }

            /// Takes an item if there is one. Does not wait. (Python's `get_nowait`.)
            ///
            /// # Errors
            /// [`TryGetError`] if there is none; it says whether the queue has been shut down.
            #[doc(alias = "get_nowait")]
            pub fn try_get(&self) -> Result<T, TryGetError> {
                self.core.try_get(|error| error)
            }

            /// As [`get`](Self::get), waiting for at most `timeout`.
            ///
            /// # Errors
            /// [`TryGetError`] if there was no item in that time; it says whether the queue has been shut down.
            ///
            /// # Examples
            /// See also [`try_get`](Self::try_get), which does not wait.
            /// ```
            /// use greenthread::queue::{Queue, TryGetError};
            /// use std::time::Duration;
            ///
            /// let queue = Queue::new();
            /// assert_eq!(queue.get_timeout(Duration::from_millis(1)), Err(TryGetError::Empty));
            /// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
            /// queue.put(1).unwrap();
            /// assert_eq!(queue.get_timeout(Duration::from_millis(1)), Ok(1));
            /// ```
            pub fn get_timeout(&self, timeout: Duration) -> Result<T, TryGetError> {
                self.core.get(deadline_after(timeout), |error| error)
            }

            /// As [`get`](Self::get), waiting up to a point in time.
            ///
            /// # Errors
            /// Those of [`get_timeout`](Self::get_timeout).
            pub fn get_deadline(&self, deadline: Instant) -> Result<T, TryGetError> {
                self.core.get(Some(deadline), |error| error)
            }

            /// The arm of `select!` that takes an item.
            #[doc(hidden)]
            pub fn use_a_queue_of_greenthread_to_get(&self) -> GetArm<'_, T> {
                GetArm::new(&self.core)
            }

            /// The arm of `select!` that puts an item.
            #[doc(hidden)]
            pub fn use_a_queue_of_greenthread_to_put<'a>(
                &'a self,
                item: Option<T>,
                home: Option<&'a mut Option<T>>,
            ) -> PutArm<'a, T> {
                PutArm::new(&self.core, item, home)
            }

            /// Where those wait who wait for an item.
            pub(crate) fn items(&self) -> &Gate {
                self.core.items()
            }

            /// Where those wait who wait for room.
            pub(crate) fn room(&self) -> &Gate {
                self.core.room()
            }

            /// An iterator that takes items until the queue has been shut down and nothing is left; its `next` waits as
            /// [`get`](Self::get) does.
            ///
            /// # Examples
            /// ```
            /// use greenthread::queue::Queue;
            ///
            /// let queue = Queue::new();
            /// ["a", "b"].map(|item| queue.put(item).unwrap());
            /// queue.shutdown();
            /// assert_eq!(queue.iter().count(), 2);
            /// ```
            pub fn iter(&self) -> impl Iterator<Item = T> {
                std::iter::from_fn(|| self.get().ok())
            }

            /// Counts one item that was taken as done: the work that it stood for is finished. Does not suspend.
            ///
            /// # Errors
            /// [`TaskDoneError`] if nothing is unfinished; nothing is changed then.
            ///
            /// # Examples
            /// `join` waits until the work is done, where an empty queue says only that it has been begun:
            /// ```
            /// use greenthread::queue::Queue;
            ///
            /// let jobs = Queue::new();
            /// greenthread::scope(|s| {
            ///     for _ in 0..2 {
            ///         s.spawn(|| {
            ///             for _job in jobs.iter() {
            ///                 greenthread::yield_now(); // the work
            ///                 jobs.task_done().unwrap();
            ///             }
            ///         });
            ///     }
            ///     (0..10).for_each(|job| jobs.put(job).unwrap());
            ///     jobs.join();
            ///     assert_eq!(jobs.unfinished(), 0);
            ///     jobs.shutdown();
            /// });
            /// ```
            pub fn task_done(&self) -> Result<(), TaskDoneError> {
                self.core.task_done()
            }

            /// Waits until [`task_done`](Self::task_done) has been called for every item that was put, except those that
            /// [`shutdown_now`](Self::shutdown_now) has dropped. Suspends a green thread, blocks an OS thread.
            pub fn join(&self) {
                self.core.join(None);
            }

            /// As [`join`](Self::join), waiting for at most `timeout`; returns whether everything was done in that time.
            ///
            /// # Examples
            /// ```
            /// use greenthread::queue::Queue;
            /// use std::time::Duration;
            ///
            /// let jobs = Queue::new();
            /// jobs.put("a job").unwrap();
            /// assert!(!jobs.join_timeout(Duration::from_millis(1)));
            /// assert!(jobs.get().is_ok() && jobs.task_done().is_ok());
            /// assert!(jobs.join_timeout(Duration::from_millis(1)));
            /// ```
            pub fn join_timeout(&self, timeout: Duration) -> bool {
                self.core.join(deadline_after(timeout))
            }

            /// As [`join`](Self::join), waiting up to a point in time; returns whether everything was done by then.
            pub fn join_deadline(&self, deadline: Instant) -> bool {
                self.core.join(Some(deadline))
            }

            /// How many items have been put and are not done.
            pub fn unfinished(&self) -> usize {
                self.core.unfinished()
            }

            /// Shuts the queue down: from now on `put` fails, and `get` fails when nothing is left. Those who wait to put
            /// something fail at once. Does not suspend. (Python's `shutdown`.)
            ///
            /// # Examples
            /// What has been put is still taken, and then the workers end; [`shutdown_now`](Self::shutdown_now) drops
            /// it instead:
            /// ```
            /// use greenthread::queue::Queue;
            ///
            /// let (gently, at_once) = (Queue::new(), Queue::new());
            /// for queue in [&gently, &at_once] {
            ///     queue.put("a job").unwrap();
            /// }
            /// gently.shutdown();
            /// at_once.shutdown_now();
            /// assert!(gently.get().is_ok() && gently.get().is_err());
            /// assert!(at_once.get().is_err() && at_once.is_shut_down());
            /// ```
            #[doc(alias("close"))]
            pub fn shutdown(&self) {
                self.core.shutdown();
            }

            /// As [`shutdown`](Self::shutdown), and drops what is left, which counts as done: so `get` fails too.
            /// [`join`](Self::join) still waits for the items that have been taken and are being worked on. Does not suspend.
            /// (Python's `shutdown(immediate=True)`.)
            pub fn shutdown_now(&self) {
                self.core.shutdown_now();
            }

            /// Whether it has been shut down.
            pub fn is_shut_down(&self) -> bool {
                self.core.is_shut_down()
            }

            /// How many items are in the queue. (Python's `qsize`.)
            #[doc(alias = "qsize")]
            pub fn len(&self) -> usize {
                self.core.len()
            }

            /// Whether the queue is empty.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether the queue is full.
            pub fn is_full(&self) -> bool {
                self.core.is_full()
            }

            /// How many items the queue can hold; `None` if there is no limit.
            pub fn capacity(&self) -> Option<usize> {
                self.core.capacity()
            }
        }

        impl<T $(: $bound)?> Default for $queue<T> {
            fn default() -> Self {
                Self::new()
            }
        }

        impl<T $(: $bound)?> fmt::Debug for $queue<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($queue))
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(super) use face;
