//! Smallest first.
#![forbid(unsafe_code)]

use super::arm::{GetArm, PutArm};
use super::core::{ItemStore, QueueCore, Store};
use super::face::face;
use super::{GetError, PutError, TaskDoneError, TryGetError, TryPutError};
use crate::sync::gate::Gate;
use crate::sys::time::deadline_after;
use std::cmp::Ordering;
use std::fmt;
use std::time::{Duration, Instant};

/// Gives the smallest item, and equal ones in the order in which they were put; as Python's `queue.PriorityQueue`. Its methods
/// are those of [`Queue`](super::Queue). The order of the items ([`Ord`]) may be the user's code and may even wait.
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
    core: QueueCore<Heap<T>>,
}

face!(PriorityQueue<T: Ord>);

#[derive(Debug)]
struct Ranked<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Ranked<T> {
    /// Whether this item is to be given out before the other. Calls the user's code.
    fn is_before(&self, other: &Self) -> bool {
        other.is_after(&self.item, self.number)
    }

    /// The same, seen from the other one.
    fn is_after(&self, item: &T, number: u64) -> bool {
        match item.cmp(&self.item) {
            Ordering::Equal => number < self.number,
            order => order == Ordering::Less,
        }
    }
}

/// A binary heap. std's cannot be used: if the order of the items panics, waits or is killed half-way, std's has already taken an
/// item out, or let one in. Here all comparisons come first, and what follows them calls no code of the user's.
#[derive(Debug)]
struct Heap<T> {
    /// No child, at `2 * i + 1` and `2 * i + 2`, is before its parent at `i`.
    items: Vec<Ranked<T>>,
    /// How many items were ever put.
    count: u64,
}

impl<T> Default for Heap<T> {
    fn default() -> Self {
        Self { items: Vec::new(), count: 0 }
    }
}

impl<T> ItemStore for Heap<T> {
    type Item = T;

    fn into_items(self) -> impl Iterator<Item = T> {
        self.items.into_iter().map(|ranked| ranked.item)
    }
}

impl<T: Ord> Store for Heap<T> {
    const ASKS_USERS: bool = true;

    fn insert(&mut self, item: &mut Option<T>) {
        // It stays where it is until nothing can unwind any more.
        let Some(new) = item.as_ref() else { return };
        // It begins at the end. Each item above it that it is to come before moves down by one.
        let mut passed = 0;
        let mut at = self.items.len();
        while at > 0 && self.items[(at - 1) / 2].is_after(new, self.count) {
            at = (at - 1) / 2;
            passed += 1;
        }
        let mut at = self.items.len();
        self.items.extend(item.take().map(|item| Ranked { item, number: self.count }));
        for _ in 0..passed {
            self.items.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
        self.count += 1;
    }

    fn take(&mut self, to: &mut Option<T>) {
        let Some(last) = self.items.len().checked_sub(1) else { return };
        // The last item comes to the place of the first, and goes down to where it belongs.
        let mut path = [0usize; usize::BITS as usize];
        let mut depth = 0;
        let mut at = 0;
        loop {
            let mut child = 2 * at + 1;
            if child >= last {
                break;
            }
            if child + 1 < last && self.items[child + 1].is_before(&self.items[child]) {
                child += 1;
            }
            if !self.items[child].is_before(&self.items[last]) {
                break;
            }
            path[depth] = child;
            depth += 1;
            at = child;
        }
        self.items.swap(0, last);
        *to = self.items.pop().map(|ranked| ranked.item);
        let mut at = 0;
        for child in &path[..depth] {
            self.items.swap(at, *child);
            at = *child;
        }
    }

    fn count(&self) -> usize {
        self.items.len()
    }
}
