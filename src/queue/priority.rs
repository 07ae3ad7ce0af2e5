//! Smallest first.
#![forbid(unsafe_code)]

use super::arm::{GetArm, PutArm};
use super::core::{Core, Items, Store};
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
    core: Core<Heap<T>>,
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
        match self.item.cmp(&other.item) {
            Ordering::Equal => self.number < other.number,
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

impl<T> Items for Heap<T> {
    type Item = T;

    fn into_items(self) -> impl Iterator<Item = T> {
        self.items.into_iter().map(|ranked| ranked.item)
    }
}

impl<T: Ord> Store for Heap<T> {
    const ASKS_USERS: bool = true;

    fn insert(&mut self, item: &mut Option<T>) {
        let Some(new) = item.take() else { return };
        let new = Ranked { item: new, number: self.count };
        let new = Returning { ranked: Some(new), to: item };
        // It begins at the end. Each item above it that it is to come before moves down by one.
        let mut passed = 0;
        let mut at = self.items.len();
        while at > 0 && new.get().is_before(&self.items[(at - 1) / 2]) {
            at = (at - 1) / 2;
            passed += 1;
        }
        let mut at = self.items.len();
        self.items.push(new.keep());
        for _ in 0..passed {
            self.items.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
        self.count += 1;
    }

    fn take(&mut self) -> Option<T> {
        let last = self.items.len().checked_sub(1)?;
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
        let first = self.items.swap_remove(0);
        let mut at = 0;
        for child in &path[..depth] {
            self.items.swap(at, *child);
            at = *child;
        }
        Some(first.item)
    }

    fn count(&self) -> usize {
        self.items.len()
    }
}

/// A new item on its way: goes back where it came from if a comparison unwinds.
struct Returning<'a, T> {
    ranked: Option<Ranked<T>>,
    to: &'a mut Option<T>,
}

impl<T> Returning<'_, T> {
    fn get(&self) -> &Ranked<T> {
        self.ranked.as_ref().expect("it has not been kept")
    }

    fn keep(mut self) -> Ranked<T> {
        self.ranked.take().expect("it has not been kept")
    }
}

impl<T> Drop for Returning<'_, T> {
    fn drop(&mut self) {
        *self.to = self.ranked.take().map(|ranked| ranked.item);
    }
}
