//! Where the items of a channel are, for each of its kinds; the table of the module says who waits.
//!
//! Invariant: nothing here waits or wakes anybody but the rendezvous, which is its own way to wait.
#![forbid(unsafe_code)]

use super::ring::ItemRing;
use super::zero::Zero;
use crossbeam_queue::SegQueue;

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a channel is counted memory, and a pointer less to follow"
)]
pub(super) enum Flavor<T> {
    Bounded(ItemRing<T>),
    Unbounded(SegQueue<T>),
    Zero(Zero<T>),
}

impl<T> Flavor<T> {
    /// Unbounded for `None`, rendezvous for zero.
    pub(super) fn new(capacity: Option<usize>) -> Self {
        match capacity {
            None => Self::Unbounded(SegQueue::new()),
            Some(0) => Self::Zero(Zero::new()),
            Some(capacity) => Self::Bounded(ItemRing::new(capacity)),
        }
    }

    #[inline(always)]
    pub(super) fn rendezvous(&self) -> Option<&Zero<T>> {
        match self {
            Self::Zero(zero) => Some(zero),
            _ => None,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bounded(ring) => ring.len(),
            Self::Unbounded(queue) => queue.len(),
            Self::Zero(_) => 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Bounded(ring) => ring.is_empty(),
            Self::Unbounded(queue) => queue.is_empty(),
            Self::Zero(_) => true,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Bounded(ring) => ring.is_full(),
            Self::Unbounded(_) => false,
            Self::Zero(_) => true,
        }
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        match self {
            Self::Bounded(ring) => Some(ring.capacity()),
            Self::Unbounded(_) => None,
            Self::Zero(_) => Some(0),
        }
    }
}
