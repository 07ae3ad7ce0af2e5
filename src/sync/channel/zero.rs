//! Rendezvous: an item goes from hand to hand.
//!
//! A sender that waits leaves its item in an offer. Whoever takes the offer out of the list has the item, and its sender
//! learns that from not finding it there any more. A receiver that waits leaves an empty slot; whoever takes its entry
//! out of the list puts an item into the slot in the same moment. All under one lock.
//!
//! Who only looks whether somebody waits is told by a gate of the channel, which those who come notify.
//!
//! An entry that belongs to a `select!` can be taken only together with its [`Ticket`].
#![forbid(unsafe_code)]

use super::Ticket;
use super::core::SendFailure;
use super::parcel::{Content, Parcel};
use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::wait_list::{self, WaitList};
use crate::runtime::waker::put_off;
use crate::sync::gate::Gate;
use crate::util::slab::{self, Slab};
use crate::util::sync::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::Instant;

/// A `select!` and the arm of it that an entry stands for.
pub(crate) type Claim = (Arc<Ticket>, usize);

#[derive(Debug)]
struct Offer<T> {
    parcel: Parcel<T>,
    waiter: Waiter,
    claim: Option<Claim>,
}

#[derive(Debug)]
struct Want {
    slot: slab::Key,
    waiter: Waiter,
    claim: Option<Claim>,
}

/// Where a waiting receiver is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    entry: wait_list::Key,
    slot: slab::Key,
}

/// What a receiver finds in its slot.
#[derive(Debug)]
pub(crate) enum Left<T> {
    Nothing,
    Item(T),
    /// A sender had come, and has gone again without its item.
    Broken,
}

impl<T> Left<T> {
    pub(crate) fn into_item(self) -> Option<T> {
        match self {
            Self::Item(item) => Some(item),
            Self::Nothing | Self::Broken => None,
        }
    }
}

#[derive(Debug)]
struct State<T> {
    offers: WaitList<Offer<T>>,
    wants: WaitList<Want>,
    slots: Slab<Option<Parcel<T>>>,
    /// Items that were delivered to receivers which did not stay to take them. They come first.
    returned: VecDeque<T>,
    closed: bool,
    /// How many offers were ever made, and how many receivers ever waited.
    offered: u64,
    wanted: u64,
}

#[derive(Debug)]
pub(crate) struct Zero<T> {
    state: Mutex<State<T>>,
}

/// Whether a `select!`, which may have entries with the ticket `own`, could take an entry with this claim.
fn could_take(claim: &Option<Claim>, own: Option<&Arc<Ticket>>) -> bool {
    let is_own = |ticket| own.is_some_and(|own| Arc::ptr_eq(ticket, own));
    claim.as_ref().is_none_or(|(ticket, _)| !is_own(ticket) && ticket.is_open())
}

/// Whether the entry is taken by the caller from here on.
fn take(claim: &Option<Claim>) -> bool {
    claim.as_ref().is_none_or(|(ticket, arm)| ticket.claim(*arm))
}

impl<T> State<T> {
    fn offer(&mut self, offer: Offer<T>) -> wait_list::Key {
        self.offered += 1;
        self.offers.push_back(offer)
    }

    fn want(&mut self, waiter: Waiter, claim: Option<Claim>) -> Place {
        self.wanted += 1;
        let slot = self.slots.insert(None);
        Place { entry: self.wants.push_back(Want { slot, waiter, claim }), slot }
    }

    fn take_offer(&mut self) -> Option<Offer<T>> {
        let (key, _) = self.offers.iter().find(|(_, offer)| take(&offer.claim))?;
        self.offers.remove(key)
    }

    /// Gives it to a receiver that waits.
    fn deliver(&mut self, parcel: Parcel<T>) -> Result<Waiter, Parcel<T>> {
        let found = self.wants.iter().find(|(_, want)| take(&want.claim)).map(|(key, _)| key);
        let Some(want) = found.and_then(|key| self.wants.remove(key)) else { return Err(parcel) };
        match self.slots.get_mut(want.slot) {
            Some(slot) => *slot = Some(parcel),
            None => unreachable!("an entry in the list has its slot"),
        }
        Ok(want.waiter)
    }
}

impl<T> Zero<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                offers: WaitList::new(),
                wants: WaitList::new(),
                slots: Slab::new(),
                returned: VecDeque::new(),
                closed: false,
                offered: 0,
                wanted: 0,
            }),
        }
    }

    pub(crate) fn try_send(&self, parcel: Parcel<T>) -> Result<(), SendFailure<Parcel<T>>> {
        let waiter = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(SendFailure::Disconnected(parcel));
            }
            state.deliver(parcel).map_err(SendFailure::Full)?
        };
        waiter.unpark();
        Ok(())
    }

    pub(crate) fn send(
        &self,
        item: T,
        deadline: Option<Instant>,
        looking: &Gate,
    ) -> Result<(), SendFailure<T>> {
        let parker = Parker::new();
        let key = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(SendFailure::Disconnected(item));
            }
            match state.deliver(Parcel::Item(item)) {
                Ok(receiver) => {
                    drop(state);
                    receiver.unpark();
                    return Ok(());
                }
                Err(parcel) => state.offer(Offer { parcel, waiter: parker.waiter(), claim: None }),
            }
        };
        looking.notify_one();
        let wake = parker.park(Reason::Send, deadline);
        match self.withdraw(key).map(Parcel::into_item) {
            None => Ok(()),
            Some(item) if wake == Wake::Notified => Err(SendFailure::Disconnected(item)),
            Some(item) if wake == Wake::TimedOut => Err(SendFailure::Full(item)),
            Some(item) => {
                drop(item);
                park::raise_kill()
            }
        }
    }

    /// A `select!` leaves an offer, without looking at those who wait; what it offers back if the channel is closed.
    pub(crate) fn enter_send(
        &self,
        parcel: Parcel<T>,
        waiter: Waiter,
        claim: Claim,
        looking: &Gate,
    ) -> Result<wait_list::Key, Parcel<T>> {
        let key = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(parcel);
            }
            state.offer(Offer { parcel, waiter, claim: Some(claim) })
        };
        looking.notify_one();
        Ok(key)
    }

    /// Takes an offer back; `None` if it has been taken.
    pub(crate) fn withdraw(&self, key: wait_list::Key) -> Option<Parcel<T>> {
        self.state.lock().offers.remove(key).map(|offer| offer.parcel)
    }

    /// The item of the sender that has waited longest; if none waits, what the caller says, in the same moment.
    fn recv_or<R>(&self, none: impl FnOnce(&mut State<T>) -> R) -> Result<T, R> {
        loop {
            let offer = {
                let mut state = self.state.lock();
                if let Some(item) = state.returned.pop_front() {
                    return Ok(item);
                }
                match state.take_offer() {
                    Some(offer) => offer,
                    None => return Err(none(&mut state)),
                }
            };
            offer.waiter.unpark();
            if let Content::Item(item) = offer.parcel.open() {
                return Ok(item);
            }
        }
    }

    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.recv_or(|state| match state.closed {
            true => TryRecvError::Disconnected,
            false => TryRecvError::Empty,
        })
    }

    pub(crate) fn recv(
        &self,
        deadline: Option<Instant>,
        looking: &Gate,
    ) -> Result<T, RecvTimeoutError> {
        loop {
            // A wait begins after that for a promised item has ended.
            let want = |state: &mut State<T>| {
                let parker = Parker::new();
                (!state.closed).then(|| (state.want(parker.waiter(), None), parker))
            };
            let (place, parker) = match self.recv_or(want) {
                Ok(item) => return Ok(item),
                Err(None) => return Err(RecvTimeoutError::Disconnected),
                Err(Some(waiting)) => waiting,
            };
            looking.notify_one();
            let wake = parker.park(Reason::Receive, deadline);
            match (self.leave(place), wake) {
                // Its sender has gone on: the item is ours, and a kill waits for the next suspension.
                (Left::Item(item), _) => return Ok(item),
                (_, Wake::Killed) => park::raise_kill(),
                (_, Wake::TimedOut) => return Err(RecvTimeoutError::Timeout),
                (Left::Broken, Wake::Notified) => {}
                (Left::Nothing, Wake::Notified) => return Err(RecvTimeoutError::Disconnected),
            }
        }
    }

    /// A `select!` leaves an empty slot, without looking at those who wait; `None` if the channel is closed.
    pub(crate) fn enter_recv(&self, waiter: Waiter, claim: Claim, looking: &Gate) -> Option<Place> {
        let place = {
            let mut state = self.state.lock();
            if state.closed {
                return None;
            }
            state.want(waiter, Some(claim))
        };
        looking.notify_one();
        Some(place)
    }

    /// Takes an entry and its slot back, with what somebody has put there.
    pub(crate) fn leave(&self, place: Place) -> Left<T> {
        let parcel = {
            let mut state = self.state.lock();
            state.wants.remove(place.entry);
            state.slots.remove(place.slot).flatten()
        };
        let Some(parcel) = parcel else { return Left::Nothing };
        match parcel.open() {
            Content::Item(item) => Left::Item(item),
            Content::Nothing | Content::Hole => Left::Broken,
        }
    }

    /// An item that was delivered goes to the next receiver instead: to one that waits, or else to the first that comes.
    #[cold]
    pub(crate) fn put_back(&self, item: T, looking: &Gate) {
        let receiver = {
            let mut state = self.state.lock();
            match state.deliver(Parcel::Item(item)) {
                Ok(receiver) => Some(receiver),
                Err(parcel) => {
                    state.offered += 1;
                    state.returned.push_back(parcel.into_item());
                    None
                }
            }
        };
        match receiver {
            Some(receiver) => receiver.unpark(),
            None => looking.notify_one(),
        }
    }

    /// What was put back and nobody will receive.
    pub(crate) fn take_returned(&self) -> Option<T> {
        self.state.lock().returned.pop_front()
    }

    /// Whether a sender waits that a `select!` with this ticket could serve, or the channel is closed.
    pub(crate) fn may_recv(&self, own: Option<&Arc<Ticket>>) -> bool {
        let state = self.state.lock();
        state.closed
            || !state.returned.is_empty()
            || state.offers.iter().any(|(_, entry)| could_take(&entry.claim, own))
    }

    /// Whether a receiver waits that a `select!` with this ticket could serve, or the channel is closed.
    pub(crate) fn may_send(&self, own: Option<&Arc<Ticket>>) -> bool {
        let state = self.state.lock();
        state.closed || state.wants.iter().any(|(_, entry)| could_take(&entry.claim, own))
    }

    /// Changes whenever a sender comes that waits, and when the channel is closed.
    pub(crate) fn offered(&self) -> (u64, bool) {
        let state = self.state.lock();
        (state.offered, state.closed)
    }

    /// Changes whenever a receiver comes that waits, and when the channel is closed.
    pub(crate) fn wanted(&self) -> (u64, bool) {
        let state = self.state.lock();
        (state.wanted, state.closed)
    }

    /// One side is gone: everybody who waits finds out.
    pub(crate) fn close(&self) {
        let _later = put_off();
        let mut state = self.state.lock();
        state.closed = true;
        // They stay in the list: that is how they know that nobody took their item.
        state.offers.iter().for_each(|(_, offer)| offer.waiter.unpark());
        state.wants.iter().for_each(|(_, want)| want.waiter.unpark());
    }
}
