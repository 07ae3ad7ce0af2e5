//! A channel, with the counts of its two sides.
#![forbid(unsafe_code)]

use super::zero::Zero;
use crate::runtime::park::Reason;
use crate::sync::gate::Gate;
use crate::sync::patience::Patience;
use crossbeam_queue::{ArrayQueue, SegQueue};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::Instant;

/// Why an item was not sent; it comes back.
#[derive(Debug)]
pub(crate) enum SendFailure<T> {
    /// No room, or no receiver that waits; for a send with a deadline: all the time.
    Full(T),
    /// All receivers are gone.
    Disconnected(T),
}

#[derive(Debug)]
pub(crate) enum Flavor<T> {
    Bounded(ArrayQueue<T>),
    Unbounded(SegQueue<T>),
    Zero(Zero<T>),
}

/// See the module's text. `receivers` and `senders` are how many handles there are of each.
#[derive(Debug)]
pub(crate) struct Chan<T> {
    pub(crate) flavor: Flavor<T>,
    /// Receivers wait here for items, senders for room; not for rendezvous.
    pub(crate) items: Gate,
    pub(crate) room: Gate,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

impl<T> Chan<T> {
    /// Unbounded for `None`, rendezvous for zero.
    pub(crate) fn new(capacity: Option<usize>) -> Self {
        let flavor = match capacity {
            None => Flavor::Unbounded(SegQueue::new()),
            Some(0) => Flavor::Zero(Zero::new()),
            Some(capacity) => Flavor::Bounded(ArrayQueue::new(capacity)),
        };
        Self {
            flavor,
            items: Gate::new(),
            room: Gate::new(),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
        }
    }

    // --- items --------------------------------------------------------------------------------------------------

    /// Puts an item into the queue; not for rendezvous.
    #[inline(always)]
    fn push(&self, item: T) -> Result<(), SendFailure<T>> {
        if self.receivers.load(Ordering::SeqCst) == 0 {
            return Err(SendFailure::Disconnected(item));
        }
        match &self.flavor {
            Flavor::Bounded(queue) => queue.push(item).map_err(SendFailure::Full)?,
            Flavor::Unbounded(queue) => queue.push(item),
            Flavor::Zero(_) => return Err(SendFailure::Full(item)),
        }
        self.items.notify_one();
        if self.receivers.load(Ordering::SeqCst) == 0 {
            self.discard();
        }
        Ok(())
    }

    /// Takes an item out of the queue; not for rendezvous.
    #[inline(always)]
    fn pop(&self) -> Option<T> {
        match &self.flavor {
            Flavor::Bounded(queue) => {
                // An empty `pop` costs a full fence; looking first does not.
                if queue.is_empty() {
                    return None;
                }
                let item = queue.pop()?;
                self.room.notify_one();
                Some(item)
            }
            Flavor::Unbounded(queue) => {
                if queue.is_empty() {
                    return None;
                }
                queue.pop()
            }
            Flavor::Zero(_) => None,
        }
    }

    /// Drops what nobody will receive.
    #[cold]
    fn discard(&self) {
        while self.pop().is_some() {}
    }

    /// Whether a receive would not wait; not for rendezvous.
    pub(crate) fn may_recv(&self) -> bool {
        !self.is_empty() || self.senders.load(Ordering::SeqCst) == 0
    }

    /// Whether a send would not wait; not for rendezvous.
    pub(crate) fn may_send(&self) -> bool {
        !self.is_full() || self.receivers.load(Ordering::SeqCst) == 0
    }

    #[inline]
    pub(crate) fn try_send(&self, item: T) -> Result<(), SendFailure<T>> {
        match &self.flavor {
            Flavor::Zero(zero) => zero.try_send(item),
            _ => self.push(item),
        }
    }

    #[inline(always)]
    pub(crate) fn send(&self, item: T, deadline: Option<Instant>) -> Result<(), SendFailure<T>> {
        match self.try_send(item) {
            Err(SendFailure::Full(item)) => self.send_slow(item, deadline),
            done => done,
        }
    }

    fn send_slow(&self, mut item: T, deadline: Option<Instant>) -> Result<(), SendFailure<T>> {
        if let Flavor::Zero(zero) = &self.flavor {
            return zero.send(item, deadline);
        }
        let mut patience = Patience::default();
        let mut in_time = true;
        loop {
            if !patience.again() {
                in_time = self.room.wait(Reason::Send, deadline, || self.may_send());
            }
            item = match self.push(item) {
                Err(SendFailure::Full(item)) if in_time => item,
                done => return done,
            };
        }
    }

    #[inline]
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        if let Some(item) = self.pop() {
            return Ok(item);
        }
        if let Flavor::Zero(zero) = &self.flavor {
            return zero.try_recv();
        }
        if self.senders.load(Ordering::SeqCst) == 0 {
            // The last sender may have sent since.
            return self.pop().ok_or(TryRecvError::Disconnected);
        }
        Err(TryRecvError::Empty)
    }

    #[inline(always)]
    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        if let Some(item) = self.pop() {
            return Ok(item);
        }
        self.recv_slow(deadline)
    }

    #[inline]
    fn recv_slow(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let mut patience = Patience::default();
        let mut in_time = true;
        loop {
            if !patience.again() {
                if let Flavor::Zero(zero) = &self.flavor {
                    return zero.recv(deadline);
                }
                in_time = self.items.wait(Reason::Receive, deadline, || self.may_recv());
            }
            match self.try_recv() {
                Ok(item) => return Ok(item),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) if !in_time => return Err(RecvTimeoutError::Timeout),
                Err(TryRecvError::Empty) => {}
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.flavor {
            Flavor::Bounded(queue) => queue.len(),
            Flavor::Unbounded(queue) => queue.len(),
            Flavor::Zero(_) => 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.flavor {
            Flavor::Bounded(queue) => queue.is_empty(),
            Flavor::Unbounded(queue) => queue.is_empty(),
            Flavor::Zero(_) => true,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        match &self.flavor {
            Flavor::Bounded(queue) => queue.is_full(),
            Flavor::Unbounded(_) => false,
            Flavor::Zero(_) => true,
        }
    }

    pub(crate) fn capacity(&self) -> Option<usize> {
        match &self.flavor {
            Flavor::Bounded(queue) => Some(queue.capacity()),
            Flavor::Unbounded(_) => None,
            Flavor::Zero(_) => Some(0),
        }
    }

    // --- handles ------------------------------------------------------------------------------------------------

    pub(crate) fn add_sender(&self) {
        add(&self.senders);
    }

    pub(crate) fn add_receiver(&self) {
        add(&self.receivers);
    }

    pub(crate) fn drop_sender(&self) {
        if self.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            if let Flavor::Zero(zero) = &self.flavor {
                zero.close();
            }
            self.items.notify_all();
        }
    }

    pub(crate) fn drop_receiver(&self) {
        if self.receivers.fetch_sub(1, Ordering::SeqCst) == 1 {
            if let Flavor::Zero(zero) = &self.flavor {
                zero.close();
            }
            self.room.notify_all();
            self.discard();
        }
    }
}

fn add(count: &AtomicUsize) {
    // Only forgetting handles in a loop gets there; stop before the count wraps to zero.
    if count.fetch_add(1, Ordering::Relaxed) > usize::MAX / 2 {
        std::process::abort();
    }
}
