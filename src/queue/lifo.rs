//! Last in, first out.
#![forbid(unsafe_code)]

use super::arm::{GetArm, PutArm};
use super::core::{ItemStore, QueueCore, Store};
use super::face::face;
use super::{GetError, PutError, TaskDoneError, TryGetError, TryPutError};
use crate::sync::gate::Gate;
use crate::sys::time::deadline_after;
use std::fmt;
use std::time::{Duration, Instant};

/// Gives the item that was put last, as Python's `queue.LifoQueue`. Its methods are those of [`Queue`](super::Queue).
///
/// # Examples
/// ```
/// let stack = greenthread::queue::LifoQueue::new();
/// for item in ["a", "b", "c"] {
///     stack.put(item).unwrap();
/// }
/// stack.shutdown();
/// assert_eq!(stack.iter().collect::<Vec<_>>(), ["c", "b", "a"]);
/// ```
pub struct LifoQueue<T> {
    core: QueueCore<Vec<T>>,
}

face!(LifoQueue<T>);

impl<T> ItemStore for Vec<T> {
    type Item = T;

    fn into_items(self) -> impl Iterator<Item = T> {
        self.into_iter()
    }
}

impl<T> Store for Vec<T> {
    const ASKS_USERS: bool = false;

    fn insert(&mut self, item: &mut Option<T>) {
        self.extend(item.take());
    }

    fn take(&mut self, to: &mut Option<T>) {
        *to = self.pop();
    }

    fn count(&self) -> usize {
        self.len()
    }
}
