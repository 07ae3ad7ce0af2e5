//! First in, first out.
#![forbid(unsafe_code)]

use super::arm::{GetArm, PutArm};
use super::core::{ItemStore, QueueCore, Store};
use super::face::face;
use super::{GetError, PutError, TaskDoneError, TryGetError, TryPutError};
use crate::sync::gate::Gate;
use crate::sys::time::deadline_after;
use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// Gives items in the order in which they were put, as Python's `queue.Queue` and gevent's. [The module](super) says what all
/// queues have in common.
///
/// # Examples
/// ```
/// use greenthread::queue::Queue;
/// use greenthread::sync::Arc;
///
/// let queue = Arc::new(Queue::with_capacity(2));
/// let worker = {
///     let queue = Arc::clone(&queue);
///     greenthread::spawn(move || {
///         let mut sum = 0;
///         for item in queue.iter() {
///             sum += item;
///             queue.task_done().unwrap();
///         }
///         sum
///     })
/// };
/// for i in 0..10 {
///     queue.put(i).unwrap();
/// }
/// queue.join();
/// queue.shutdown();
/// assert_eq!(worker.join().unwrap(), 45);
/// ```
/// Waits with limits, and a queue that is shut down at once:
/// ```
/// use greenthread::queue::{Queue, TryGetError, TryPutError};
/// use std::time::Duration;
///
/// let (queue, limit) = (Queue::with_capacity(2), Duration::from_millis(1));
/// queue.put("first").unwrap();
/// queue.put("second").unwrap();
/// assert_eq!(queue.put_timeout("third", limit), Err(TryPutError::Full("third")));
/// assert_eq!(queue.get_timeout(limit), Ok("first"));
/// assert!(!queue.join_timeout(limit), "nothing is done");
/// queue.shutdown_now(); // drops the second
/// assert_eq!(queue.get_timeout(limit), Err(TryGetError::ShutDown));
/// assert_eq!(queue.unfinished(), 1);
/// queue.task_done().unwrap(); // for the first, which was taken
/// queue.join();
/// ```
#[doc(alias("JoinableQueue", "SimpleQueue", "deque"))]
pub struct Queue<T> {
    core: QueueCore<VecDeque<T>>,
}

face!(Queue<T>);

impl<T> ItemStore for VecDeque<T> {
    type Item = T;

    fn into_items(self) -> impl Iterator<Item = T> {
        self.into_iter()
    }
}

impl<T> Store for VecDeque<T> {
    const ASKS_USERS: bool = false;

    fn insert(&mut self, item: &mut Option<T>) {
        self.extend(item.take());
    }

    fn take(&mut self, to: &mut Option<T>) {
        *to = self.pop_front();
    }

    fn count(&self) -> usize {
        self.len()
    }
}
