//! A rendezvous: an item goes directly from the sender to the receiver.
//!
//! A sender that waits leaves its item in an offer. Whoever takes the offer out of the list has the item, and the
//! sender learns that when it does not find the offer any more. A receiver that waits leaves an empty slot; whoever
//! takes its entry out of the list puts an item into the slot in the same step. All of that is under one lock.
//!
//! Those who only want to know whether somebody waits are told by a gate of the channel, which senders and receivers
//! notify when they come.
//!
//! An entry that belongs to a `select!` can be taken only together with its [`Ticket`].
#![forbid(unsafe_code)]

use super::Ticket;
use super::core::SendFailure;
use super::parcel::Parcel;
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
    slot: slab::SlabKey,
    waiter: Waiter,
    claim: Option<Claim>,
}

/// The entry and the slot of a receiver that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceiverPlace {
    entry: wait_list::Key,
    slot: slab::SlabKey,
}

/// An item that has been put into a slot.
#[derive(Debug)]
struct Delivered<T> {
    parcel: Parcel<T>,
    number: u64,
    for_future: bool,
}

#[derive(Debug)]
struct ZeroState<T> {
    offers: WaitList<Offer<T>>,
    wants: WaitList<Want>,
    slots: Slab<Option<Delivered<T>>>,
    /// How many items have ever been put into slots.
    delivered: u64,
    /// Items that were delivered to receivers that did not stay to take them. These come first.
    returned: VecDeque<Parcel<T>>,
    closed: bool,
    /// How many offers have ever been made, and how many receivers have ever waited.
    offered: u64,
    wanted: u64,
}

#[derive(Debug)]
pub(crate) struct Zero<T> {
    state: Mutex<ZeroState<T>>,
}

/// Whether a `select!`, which may have entries with the ticket `own`, could take an entry with this claim.
fn could_take(claim: &Option<Claim>, own: Option<&Arc<Ticket>>) -> bool {
    let is_own = |ticket| own.is_some_and(|own| Arc::ptr_eq(ticket, own));
    claim.as_ref().is_none_or(|(ticket, _)| !is_own(ticket) && ticket.is_open())
}

/// Takes the entry with this claim for the caller; `false` if somebody else has it.
fn take(claim: &Option<Claim>) -> bool {
    claim.as_ref().is_none_or(|(ticket, arm)| ticket.claim(*arm))
}

impl<T> ZeroState<T> {
    fn offer(&mut self, offer: Offer<T>) -> wait_list::Key {
        self.offered += 1;
        self.offers.push_back(offer)
    }

    fn want(&mut self, waiter: Waiter, claim: Option<Claim>) -> ReceiverPlace {
        self.wanted += 1;
        let slot = self.slots.insert(None);
        ReceiverPlace { entry: self.wants.push_back(Want { slot, waiter, claim }), slot }
    }

    fn take_offer(&mut self) -> Option<Offer<T>> {
        let (key, _) = self.offers.iter().find(|(_, offer)| take(&offer.claim))?;
        self.offers.remove(key)
    }

    /// Gives the parcel to a receiver that waits, and returns whom to wake. The parcel comes back if nobody waits.
    fn deliver(&mut self, parcel: Parcel<T>) -> Result<Waiter, Parcel<T>> {
        let found = self.wants.iter().find(|(_, want)| take(&want.claim)).map(|(key, _)| key);
        let Some(want) = found.and_then(|key| self.wants.remove(key)) else { return Err(parcel) };
        let number = self.delivered;
        self.delivered += 1;
        match self.slots.get_mut(want.slot) {
            Some(slot) => {
                let for_future = want.waiter.is_of_future();
                *slot = Some(Delivered { parcel, number, for_future });
            }
            None => unreachable!("an entry in the list has its slot"),
        }
        Ok(want.waiter)
    }

    /// Removes an entry and its slot, and returns what is in the slot.
    fn leave(&mut self, place: ReceiverPlace) -> Option<Parcel<T>> {
        self.wants.remove(place.entry);
        self.slots.remove(place.slot).flatten().map(|delivered| delivered.parcel)
    }

    /// Takes the first parcel of those that were delivered to futures and not fetched yet. The future for which it was
    /// then looks again. A future that is not polled might never fetch its item, so no receiver is told of the end of
    /// the channel before all these are fetched. A thread does fetch its item; if another took it, that one might have
    /// received items that were sent later before.
    #[cold]
    fn fetch_for_another(&mut self) -> Option<Parcel<T>> {
        let number = |slot: &Option<Delivered<T>>| {
            let left = slot.as_ref().filter(|delivered| delivered.for_future);
            left.map(|delivered| delivered.number)
        };
        let first = self
            .slots
            .iter()
            .filter_map(|(key, slot)| Some((number(slot)?, key)))
            .min_by_key(|it| it.0)?;
        self.slots.get_mut(first.1)?.take().map(|delivered| delivered.parcel)
    }

    /// What a receiver gets without waiting, and the sender that is to be woken.
    fn take(&mut self) -> Option<(Parcel<T>, Option<Waiter>)> {
        if let Some(parcel) = self.returned.pop_front() {
            return Some((parcel, None));
        }
        if let Some(offer) = self.take_offer() {
            return Some((offer.parcel, Some(offer.waiter)));
        }
        if self.closed { self.fetch_for_another().map(|parcel| (parcel, None)) } else { None }
    }
}

impl<T> Zero<T> {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(ZeroState {
                offers: WaitList::new(),
                wants: WaitList::new(),
                slots: Slab::new(),
                delivered: 0,
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

    /// Leaves an offer for a `select!`, without looking whether a receiver waits. The parcel comes back if the channel
    /// is closed.
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

    /// Takes an offer back; `None` if somebody has taken it.
    pub(crate) fn withdraw(&self, key: wait_list::Key) -> Option<Parcel<T>> {
        self.state.lock().offers.remove(key).map(|offer| offer.parcel)
    }

    /// The item of the sender that has waited longest. If no sender waits, the result of `none`, which is called under
    /// the same lock.
    fn recv_or<R>(&self, none: impl FnOnce(&mut ZeroState<T>) -> R) -> Result<T, R> {
        loop {
            let (parcel, sender) = {
                let mut state = self.state.lock();
                match state.take() {
                    Some(taken) => taken,
                    None => return Err(none(&mut state)),
                }
            };
            if let Some(sender) = sender {
                sender.unpark();
            }
            if let Some(item) = parcel.into_content() {
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
            // The parker is made here, as its wait must not begin before the one for a promised item has ended.
            let want = |state: &mut ZeroState<T>| {
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
            let parcel = self.state.lock().leave(place);
            match (parcel.and_then(Parcel::into_content), wake) {
                // The sender has gone on, so the item is ours, and a kill waits for the next suspension point.
                (Some(item), _) => return Ok(item),
                (None, Wake::Killed) => park::raise_kill(),
                (None, Wake::TimedOut) => return Err(RecvTimeoutError::Timeout),
                // A sender had come and broken its promise, the channel was closed, or another receiver has fetched the
                // item.
                (None, Wake::Notified) => {}
            }
        }
    }

    /// Leaves an empty slot for a `select!`, without looking whether a sender waits; `None` if the channel is closed.
    pub(crate) fn enter_recv(
        &self,
        waiter: Waiter,
        claim: Claim,
        looking: &Gate,
    ) -> Option<ReceiverPlace> {
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

    /// Removes an entry of a `select!` and its slot, and returns the item that somebody has put there.
    pub(crate) fn leave(&self, place: ReceiverPlace) -> Option<T> {
        let parcel = self.state.lock().leave(place);
        parcel?.into_content()
    }

    /// Removes an entry of a `select!` and its slot. An item that has been put there goes to the next receiver: to one
    /// that waits, or else to the first that comes.
    #[cold]
    pub(crate) fn give_back(&self, place: ReceiverPlace, looking: &Gate) {
        let delivered = {
            let mut state = self.state.lock();
            let Some(parcel) = state.leave(place) else { return };
            let delivered = state.deliver(parcel);
            delivered.map_err(|parcel| {
                state.offered += 1;
                state.returned.push_back(parcel);
            })
        };
        match delivered {
            Ok(receiver) => receiver.unpark(),
            Err(()) => looking.notify_one(),
        }
    }

    /// Takes one of the items that were given back and that nobody will receive.
    pub(crate) fn take_returned(&self) -> Option<Parcel<T>> {
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

    /// Two values of which one changes whenever a sender begins to wait, or the channel is closed.
    pub(crate) fn offered(&self) -> (u64, bool) {
        let state = self.state.lock();
        (state.offered, state.closed)
    }

    /// Two values of which one changes whenever a receiver begins to wait, or the channel is closed.
    pub(crate) fn wanted(&self) -> (u64, bool) {
        let state = self.state.lock();
        (state.wanted, state.closed)
    }

    /// One side is gone: wakes everybody who waits.
    pub(crate) fn close(&self) {
        let _later = put_off();
        let mut state = self.state.lock();
        state.closed = true;
        // The offers stay in the list, which tells their senders that nobody took the items.
        state.offers.iter().for_each(|(_, offer)| offer.waiter.unpark());
        state.wants.iter().for_each(|(_, want)| want.waiter.unpark());
    }
}
