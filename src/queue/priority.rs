//! Smallest first.
#![forbid(unsafe_code)]

use super::core::{Core, Store};
use super::face::face;
use super::{GetError, PutError, TaskDoneError, TryGetError, TryPutError};
use crate::sync::gate::Gate;
use crate::sys::time::deadline_after;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;
use std::time::{Duration, Instant};

/// Gives the smallest item, and equal ones in the order they were put; as Python's `queue.PriorityQueue`. Methods as those
/// of [`Queue`](super::Queue).
///
/// # Examples
/// ```
/// let queue = greenthread::queue::PriorityQueue::new();
/// for item in [(3, "low"), (1, "urgent"), (2, "normal")] {
///     queue.put(item).unwrap();
/// }
/// queue.shutdown();
/// assert_eq!(queue.iter().map(|(_, name)| name).collect::<Vec<_>>(), ["urgent", "normal", "low"]);
/// ```
pub struct PriorityQueue<T> {
    core: Core<Heap<T>>,
}

face!(PriorityQueue<T: Ord>);

#[derive(Debug)]
struct Ranked<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Ord for Ranked<T> {
    /// The greatest comes out of the heap first: the smallest item, of equal ones the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.item.cmp(&self.item).then(other.number.cmp(&self.number))
    }
}

impl<T: Ord> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: Ord> Eq for Ranked<T> {}

#[derive(Debug)]
struct Heap<T> {
    heap: BinaryHeap<Ranked<T>>,
    /// How many items were ever put.
    count: u64,
}

impl<T: Ord> Default for Heap<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), count: 0 }
    }
}

impl<T: Ord> Store for Heap<T> {
    type Item = T;

    fn insert(&mut self, item: T) {
        self.heap.push(Ranked { item, number: self.count });
        self.count += 1;
    }

    fn take(&mut self) -> Option<T> {
        self.heap.pop().map(|ranked| ranked.item)
    }

    fn count(&self) -> usize {
        self.heap.len()
    }
}
