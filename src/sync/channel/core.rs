//! A channel of small items, with the counts of its two sides. Where its items are is in `flavor.rs`.
//!
//! One file, because sends, receives and the ends of the last handles look at what the others have left; the models at the end are of
//! all of them together.
#![forbid(unsafe_code)]

use super::Hands;
use super::flavor::Flavor;
use super::parcel::{Content, Parcel, Promise};
use super::ring::ItemRing;
use super::zero::Zero;
use crate::runtime::park::{self, Reason};
use crate::sync::gate::{Gate, WaitEnd};
use crate::sync::patience::{self, Patience};
use crate::util::dropping::drop_each;
use crate::util::sync::{AtomicUsize, Ordering};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::Instant;

/// Why an item was not sent, with the item.
#[derive(Debug)]
pub(crate) enum SendFailure<T> {
    /// There was no room, or at a rendezvous no receiver that waits; for a send with a deadline, until the deadline.
    Full(T),
    /// All receivers are gone.
    Disconnected(T),
}

impl<T> SendFailure<Parcel<T>> {
    fn into_item(self) -> SendFailure<T> {
        match self {
            Self::Full(parcel) => SendFailure::Full(parcel.into_item()),
            Self::Disconnected(parcel) => SendFailure::Disconnected(parcel.into_item()),
        }
    }
}

/// A channel; the text of the folder explains it. `receivers` and `senders` are the numbers of handles.
#[derive(Debug)]
pub(crate) struct ChannelCore<T> {
    flavor: Flavor<T>,
    /// Receivers wait here for items, and senders for room. At a rendezvous only those wait here that want to know of
    /// the other side, and neither send nor receive.
    pub(crate) items: Gate,
    pub(crate) room: Gate,
    pub(crate) hands: Hands<T>,
    /// Promises that a `Select` has made, for the call that keeps them.
    pub(crate) promises: Hands<Arc<Promise<T>>>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

// Items are moved, never changed in place, and no lock is held while user code runs.
impl<T> UnwindSafe for ChannelCore<T> {}
impl<T> RefUnwindSafe for ChannelCore<T> {}

impl<T> ChannelCore<T> {
    /// Unbounded for `None`, rendezvous for zero.
    pub(crate) fn new(capacity: Option<usize>) -> Self {
        Self {
            flavor: Flavor::new(capacity),
            items: Gate::new(),
            room: Gate::new(),
            hands: Hands::new(),
            promises: Hands::new(),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
        }
    }

    // --- items --------------------------------------------------------------------------------------------------

    /// Puts an item into the queue. Not for a rendezvous.
    #[inline(always)]
    fn push(&self, item: T) -> Result<(), SendFailure<T>> {
        if self.receivers.load(Ordering::SeqCst) == 0 {
            return Err(SendFailure::Disconnected(item));
        }
        match &self.flavor {
            Flavor::Bounded(ring) => ring
                .push(Parcel::Item(item))
                .map_err(|parcel| SendFailure::Full(parcel.into_item()))?,
            Flavor::Unbounded(queue) => queue.push(item),
            Flavor::Zero(_) => return Err(SendFailure::Full(item)),
        }
        self.pushed();
        Ok(())
    }

    /// To be called when something has been put into the queue.
    #[inline(always)]
    fn pushed(&self) {
        self.items.notify_one();
        if self.receivers.load(Ordering::SeqCst) == 0 {
            self.discard();
        }
    }

    /// The attempt of a `Select` that sends. `None` if it would have to wait. `Some(true)` if there is a place in the
    /// channel, into which the promise of an item has been put; the promise is made here if there is none yet.
    /// `Some(false)` if the item needs no place, as all receivers are gone or there is always room.
    pub(crate) fn attempt_promise(&self, promise: &mut Option<Arc<Promise<T>>>) -> Option<bool> {
        if self.receivers.load(Ordering::SeqCst) == 0 {
            self.room.seen();
            return Some(false);
        }
        let sent = match &self.flavor {
            Flavor::Unbounded(_) => return Some(false),
            Flavor::Bounded(ring) => {
                let parcel = Promise::parcel(promise);
                ring.push(parcel).map(|()| self.pushed()).map_err(SendFailure::Full)
            }
            Flavor::Zero(zero) => zero.try_send(Promise::parcel(promise)),
        };
        match sent {
            Ok(()) => Some(true),
            Err(SendFailure::Disconnected(_)) => Some(false),
            Err(SendFailure::Full(_)) => {
                self.items.seen();
                None
            }
        }
    }

    /// Breaks a promise that is in this channel: there will be no item.
    pub(crate) fn give_up(&self, promise: &Arc<Promise<T>>) {
        match &self.flavor {
            Flavor::Bounded(ring) if ring.give_up(promise) => self.room.notify_one(),
            Flavor::Bounded(_) => {}
            Flavor::Zero(_) | Flavor::Unbounded(_) => promise.give_up(),
        }
    }

    /// Takes an item out of the queue. Not for a rendezvous.
    #[inline(always)]
    fn pop(&self) -> Option<T> {
        match &self.flavor {
            Flavor::Bounded(ring) => {
                let parcel = ring.pop()?;
                self.room.notify_one();
                match parcel {
                    Parcel::Item(item) => Some(item),
                    Parcel::Promise(_) => self.open_or_pop(parcel, ring),
                }
            }
            Flavor::Unbounded(queue) => {
                // An empty `pop` costs a full fence; looking first does not.
                if queue.is_empty() {
                    return None;
                }
                queue.pop()
            }
            Flavor::Zero(_) => None,
        }
    }

    /// Returns the item in a parcel. If it is a promise that was broken, returns the next item instead.
    #[cold]
    #[inline(never)]
    fn open_or_pop(&self, mut parcel: Parcel<T>, ring: &ItemRing<T>) -> Option<T> {
        loop {
            match parcel.open() {
                Content::Item(item) => return Some(item),
                Content::Nothing => {}
                Content::Hole => ring.close_hole(),
            }
            parcel = ring.pop()?;
            self.room.notify_one();
        }
    }

    /// Drops the items that nobody will receive.
    #[cold]
    fn discard(&self) {
        let next = || match &self.flavor {
            Flavor::Zero(zero) => zero.take_returned(),
            Flavor::Bounded(ring) => ring.pop().inspect(|_| self.room.notify_one()),
            Flavor::Unbounded(queue) => queue.pop().map(Parcel::Item),
        };
        let refuse = |parcel: Parcel<T>| {
            if let (true, Flavor::Bounded(ring)) = (parcel.refuse(), &self.flavor) {
                ring.close_hole();
            }
        };
        drop_each(std::iter::from_fn(next).map(|parcel| || refuse(parcel)));
    }

    /// The rendezvous, if the channel is one.
    pub(super) fn rendezvous(&self) -> Option<&Zero<T>> {
        self.flavor.rendezvous()
    }

    /// Whether a receive would not wait. Not for a rendezvous.
    pub(crate) fn may_recv(&self) -> bool {
        !self.flavor.is_empty() || self.senders.load(Ordering::SeqCst) == 0
    }

    /// Whether a send would not wait. Not for a rendezvous.
    pub(crate) fn may_send(&self) -> bool {
        !self.flavor.is_full() || self.receivers.load(Ordering::SeqCst) == 0
    }

    #[inline]
    pub(crate) fn try_send(&self, item: T) -> Result<(), SendFailure<T>> {
        let sent = self.attempt_send(item);
        park::spend_budget_holding();
        sent
    }

    /// Like [`try_send`](Self::try_send), but lets nobody else run.
    pub(crate) fn attempt_send(&self, item: T) -> Result<(), SendFailure<T>> {
        let sent = self.send_now(item);
        match &sent {
            Err(SendFailure::Full(_)) => self.items.seen(),
            Err(SendFailure::Disconnected(_)) => self.room.seen(),
            Ok(()) => {}
        }
        sent
    }

    #[inline(always)]
    fn send_now(&self, item: T) -> Result<(), SendFailure<T>> {
        match &self.flavor {
            Flavor::Zero(zero) => zero.try_send(Parcel::Item(item)).map_err(SendFailure::into_item),
            _ => self.push(item),
        }
    }

    #[inline(always)]
    pub(crate) fn send(&self, item: T, deadline: Option<Instant>) -> Result<(), SendFailure<T>> {
        match self.send_now(item) {
            Err(SendFailure::Full(item)) => self.send_slow(item, deadline),
            done => {
                park::spend_budget_holding();
                done
            }
        }
    }

    fn send_slow(&self, mut item: T, deadline: Option<Instant>) -> Result<(), SendFailure<T>> {
        if let Some(zero) = self.rendezvous() {
            return zero.send(item, deadline, &self.items);
        }
        let mut patience = Patience::default();
        let mut in_time = true;
        loop {
            if !patience.again_holding() {
                match self.room.wait_holding(Reason::Send, deadline, || self.may_send()) {
                    WaitEnd::Again => {}
                    WaitEnd::TimedOut => in_time = false,
                    WaitEnd::Killed => {
                        drop(item);
                        park::raise_kill();
                    }
                }
            }
            item = match self.attempt_send(item) {
                Err(SendFailure::Full(item)) if in_time => item,
                done => return done,
            };
        }
    }

    #[inline]
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        let received = self.attempt_recv();
        park::spend_budget_holding();
        received
    }

    /// Like [`try_recv`](Self::try_recv), but lets nobody else run.
    #[inline]
    pub(crate) fn attempt_recv(&self) -> Result<T, TryRecvError> {
        let received = self.recv_now();
        match &received {
            Err(TryRecvError::Empty) => self.room.seen(),
            Err(TryRecvError::Disconnected) => self.items.seen(),
            Ok(_) => {}
        }
        received
    }

    #[inline(always)]
    fn recv_now(&self) -> Result<T, TryRecvError> {
        if let Some(item) = self.pop() {
            return Ok(item);
        }
        if let Some(zero) = self.rendezvous() {
            return zero.try_recv();
        }
        if self.senders.load(Ordering::SeqCst) == 0 {
            // The last sender may have sent since.
            return self.pop().ok_or(TryRecvError::Disconnected);
        }
        Err(TryRecvError::Empty)
    }

    /// Inlined up to where it parks, so that what follows a yield is the caller's own code: a return into frames of a
    /// stack that has just been resumed is mispredicted.
    #[inline(always)]
    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        if let Some(item) = self.pop() {
            park::spend_budget_holding();
            return Ok(item);
        }
        for _ in 0..patience::YIELDS {
            park::yield_now();
            if let Some(item) = self.pop() {
                return Ok(item);
            }
        }
        self.recv_slow(deadline)
    }

    #[inline(never)]
    fn recv_slow(&self, deadline: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let mut patience = Patience::after_yields();
        let mut in_time = true;
        loop {
            if !patience.again() {
                if let Some(zero) = self.rendezvous() {
                    return zero.recv(deadline, &self.room);
                }
                in_time = self.items.wait(Reason::Receive, deadline, || self.may_recv());
            }
            match self.attempt_recv() {
                Ok(item) => return Ok(item),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) if !in_time => return Err(RecvTimeoutError::Timeout),
                Err(TryRecvError::Empty) => {}
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        let len = self.flavor.len();
        self.let_see(len > 0, self.capacity().is_none_or(|capacity| len < capacity));
        len
    }

    pub(crate) fn is_empty(&self) -> bool {
        let empty = self.flavor.is_empty();
        self.let_see(!empty, empty);
        empty
    }

    pub(crate) fn is_full(&self) -> bool {
        let full = self.flavor.is_full();
        self.let_see(full, !full);
        full
    }

    /// To be called when the caller is about to learn that there were items, or room.
    fn let_see(&self, items: bool, room: bool) {
        if items {
            self.items.seen();
        }
        if room {
            self.room.seen();
        }
    }

    pub(crate) fn capacity(&self) -> Option<usize> {
        self.flavor.capacity()
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
            if let Some(zero) = self.rendezvous() {
                zero.close();
            }
            self.items.notify_all();
        }
    }

    pub(crate) fn drop_receiver(&self) {
        if self.receivers.fetch_sub(1, Ordering::SeqCst) == 1 {
            if let Some(zero) = self.rendezvous() {
                zero.close();
            }
            self.room.notify_all();
            self.discard();
        }
    }
}

fn add(count: &AtomicUsize) {
    // Only a loop that forgets handles gets there. Stop before the count wraps to zero.
    if count.fetch_add(1, Ordering::Relaxed) > usize::MAX / 2 {
        std::process::abort();
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::{ChannelCore, SendFailure};
    use crate::runtime::park;
    use loom::thread;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::mpsc::RecvTimeoutError;
    use std::time::Instant;

    /// An empty channel for a single use.
    fn fresh(capacity: usize) -> Arc<ChannelCore<i32>> {
        let chan = ChannelCore::new(Some(capacity));
        assert_eq!(chan.try_send(0).is_ok(), capacity != 0);
        let _ = chan.try_recv();
        (chan.add_sender(), chan.drop_sender());
        Arc::new(chan)
    }

    fn pass_two(capacity: usize) {
        loom::model(move || {
            let chan = fresh(capacity);
            let sender = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || {
                    chan.send(1, None).unwrap();
                    chan.send(2, None).unwrap();
                    chan.drop_sender();
                })
            };
            assert_eq!((chan.recv(None), chan.recv(None)), (Ok(1), Ok(2)));
            assert_eq!(chan.recv(None), Err(RecvTimeoutError::Disconnected));
            sender.join().unwrap();
        });
    }

    #[test]
    fn items_pass_in_order_and_the_end_is_seen() {
        pass_two(1);
    }

    #[test]
    fn items_pass_from_hand_to_hand() {
        pass_two(0);
    }

    /// Kills a receiver: the item is received once, or stays.
    fn kill(capacity: usize) {
        loom::model(move || {
            let chan = fresh(capacity);
            let doomed = park::own_task();
            let killer = thread::spawn(move || doomed.kill());
            let sender = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || chan.send(1, Some(Instant::now())).is_ok())
            };
            let got = catch_unwind(AssertUnwindSafe(|| chan.recv(None))).is_ok();
            killer.join().unwrap();
            let sent = sender.join().unwrap();
            assert_eq!(sent, got || chan.try_recv().is_ok());
        });
    }

    #[test]
    fn a_killed_receiver_loses_nothing() {
        kill(1);
    }

    #[test]
    fn a_killed_receiver_loses_nothing_from_hand_to_hand() {
        kill(0);
    }

    /// One of two receivers gives up. A notification that has reached it goes to the other.
    #[test]
    fn a_receiver_that_gives_up_passes_the_notification_on() {
        loom::model(|| {
            let chan = fresh(2);
            let patient = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || chan.recv(None).unwrap())
            };
            let sender = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || chan.send(1, None).unwrap())
            };
            let got = chan.recv(Some(Instant::now()));
            sender.join().unwrap();
            if got.is_ok() {
                chan.send(1, None).unwrap();
            }
            assert_eq!(patient.join().unwrap(), 1);
        });
    }

    /// One of two receivers is killed after it was notified. The other is notified.
    #[test]
    fn a_killed_receiver_passes_the_notification_on() {
        loom::model(|| {
            let chan = fresh(2);
            let doomed = park::own_task();
            let patient = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || chan.recv(None).unwrap())
            };
            let sender = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || chan.send(1, None).unwrap())
            };
            let killer = thread::spawn(move || doomed.kill());
            let got = catch_unwind(AssertUnwindSafe(|| chan.recv(None))).is_ok();
            sender.join().unwrap();
            killer.join().unwrap();
            if got {
                chan.send(1, None).unwrap();
            }
            assert_eq!(patient.join().unwrap(), 1);
        });
    }

    /// A notification that a receiver does not need any more goes to the other.
    #[test]
    fn two_items_reach_two_receivers() {
        loom::model(|| {
            let chan = fresh(2);
            let receiver = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || chan.recv(None).unwrap())
            };
            let sender = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || {
                    chan.send(1, None).unwrap();
                    chan.send(2, None).unwrap();
                })
            };
            let got = chan.recv(None).unwrap();
            sender.join().unwrap();
            assert_eq!(receiver.join().unwrap() + got, 3);
        });
    }

    /// The last receiver leaves. A sender gets its item back, unless the item was received.
    fn leave_a_sender(capacity: usize) {
        loom::model(move || {
            let chan = fresh(capacity);
            let _ = chan.try_send(0);
            let sender = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || match chan.send(1, None) {
                    Ok(()) => true,
                    Err(SendFailure::Disconnected(1)) => false,
                    Err(failure) => panic!("{failure:?}"),
                })
            };
            let got = chan.try_recv();
            chan.drop_receiver();
            let sent = sender.join().unwrap();
            assert!(sent || got != Ok(1));
            assert!(!sent || capacity != 0 || got == Ok(1), "nobody took it");
        });
    }

    #[test]
    fn a_sender_sees_the_last_receiver_go() {
        leave_a_sender(1);
    }

    #[test]
    fn a_sender_from_hand_to_hand_sees_the_last_receiver_go() {
        leave_a_sender(0);
    }

    #[test]
    fn a_sender_that_gives_up_has_its_item_back() {
        loom::model(|| {
            let chan = fresh(0);
            let sender = {
                let chan = Arc::clone(&chan);
                thread::spawn(move || match chan.send(1, Some(Instant::now())) {
                    Ok(()) => true,
                    Err(SendFailure::Full(1)) => false,
                    Err(failure) => panic!("{failure:?}"),
                })
            };
            let got = chan.recv(Some(Instant::now())).is_ok();
            assert_eq!(sender.join().unwrap(), got);
        });
    }
}
