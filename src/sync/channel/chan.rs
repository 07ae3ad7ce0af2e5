//! A channel of items of any size.
#![forbid(unsafe_code)]

use super::Ticket;
use super::core::{ChannelCore, SendFailure};
use super::hands::CallId;
use super::parcel::{Parcel, Promise};
use super::zero::{Claim, ReceiverPlace, Zero};
use crate::runtime::park::Waiter;
use crate::runtime::wait_list::Key;
use crate::sync::gate::Gate;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::time::Instant;

/// Items that have more bytes than this are put into boxes.
const LARGE: usize = 1024;

/// A [`ChannelCore`], whose items are boxes if the items of the channel are large.
#[derive(Debug)]
pub(crate) enum Chan<T> {
    Small(ChannelCore<T>),
    Large(ChannelCore<Box<T>>),
}

/// One of two alternatives. The size of the items decides which, and the compiler knows it: so for each type of item it
/// leaves out one half of the code below, and no stack has room for what only the other half needs.
enum SmallOrLarge<A, B> {
    Small(A),
    Large(B),
}

/// Does the same with either alternative.
macro_rules! with {
    ($either:expr, $part:pat_param => $do:expr) => {
        match $either.part() {
            SmallOrLarge::Small($part) => $do,
            SmallOrLarge::Large($part) => $do,
        }
    };
}

fn unboxed<T>(failure: SendFailure<Box<T>>) -> SendFailure<T> {
    match failure {
        SendFailure::Full(item) => SendFailure::Full(*item),
        SendFailure::Disconnected(item) => SendFailure::Disconnected(*item),
    }
}

impl<T> Chan<T> {
    /// Unbounded for `None`, rendezvous for zero.
    pub(crate) fn new(capacity: Option<usize>) -> Self {
        if const { size_of::<T>() > LARGE } {
            Self::Large(ChannelCore::new(capacity))
        } else {
            Self::Small(ChannelCore::new(capacity))
        }
    }

    #[inline(always)]
    fn part(&self) -> SmallOrLarge<&ChannelCore<T>, &ChannelCore<Box<T>>> {
        match self {
            Self::Small(core) if const { size_of::<T>() <= LARGE } => SmallOrLarge::Small(core),
            Self::Large(core) if const { size_of::<T>() > LARGE } => SmallOrLarge::Large(core),
            _ => unreachable!("the size decides"),
        }
    }

    // --- items --------------------------------------------------------------------------------------------------

    #[inline(always)]
    pub(crate) fn send<E>(
        &self,
        item: T,
        deadline: Option<Instant>,
        error: impl FnOnce(SendFailure<T>) -> E,
    ) -> Result<(), E> {
        match self.part() {
            SmallOrLarge::Small(core) => core.send(item, deadline).map_err(error),
            SmallOrLarge::Large(core) => send_large(item, |item| core.send(item, deadline), error),
        }
    }

    #[inline]
    pub(crate) fn try_send<E>(
        &self,
        item: T,
        error: impl FnOnce(SendFailure<T>) -> E,
    ) -> Result<(), E> {
        match self.part() {
            SmallOrLarge::Small(core) => core.try_send(item).map_err(error),
            SmallOrLarge::Large(core) => send_large(item, |item| core.try_send(item), error),
        }
    }

    /// Sends the item that is in the `Option`, and lets nobody else run. If that fails the item stays there, and the
    /// result says why: `Some(true)` if all receivers are gone.
    pub(crate) fn attempt_send_from(&self, place: &mut Option<T>) -> Option<bool> {
        match self.part() {
            SmallOrLarge::Small(core) => send_from(core, place, |item| item, |item| item),
            SmallOrLarge::Large(core) => send_from(core, place, Box::new, |item| *item),
        }
    }

    #[inline(always)]
    pub(crate) fn recv<E>(
        &self,
        deadline: Option<Instant>,
        error: impl FnOnce(RecvTimeoutError) -> E,
    ) -> Result<T, E> {
        match self.part() {
            SmallOrLarge::Small(core) => core.recv(deadline).map_err(error),
            SmallOrLarge::Large(core) => recv_large(|| core.recv(deadline).map_err(error)),
        }
    }

    #[inline]
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.part() {
            SmallOrLarge::Small(core) => core.try_recv(),
            SmallOrLarge::Large(core) => recv_large(|| core.try_recv()),
        }
    }

    /// Like [`try_recv`](Self::try_recv), but lets nobody else run.
    pub(crate) fn attempt_recv(&self) -> Result<T, TryRecvError> {
        match self.part() {
            SmallOrLarge::Small(core) => core.attempt_recv(),
            SmallOrLarge::Large(core) => recv_large(|| core.attempt_recv()),
        }
    }

    /// Keeps an item until [`take_from_hands`](Self::take_from_hands) is called, see [`Hands`](super::Hands).
    pub(crate) fn put_in_hands(&self, call: CallId, item: T) {
        match self.part() {
            SmallOrLarge::Small(core) => core.hands.put(call, item),
            SmallOrLarge::Large(core) => core.hands.put(call, Box::new(item)),
        }
    }

    pub(crate) fn take_from_hands(&self, call: CallId) -> Option<T> {
        match self.part() {
            SmallOrLarge::Small(core) => core.hands.take(call),
            SmallOrLarge::Large(core) => core.hands.take(call).map(|item| *item),
        }
    }

    /// The attempt of a `Select` that sends, see [`ChannelCore::attempt_promise`].
    pub(crate) fn attempt_promise(&self, owed: &mut Owed<T>) -> Option<bool> {
        match (self.part(), owed) {
            (SmallOrLarge::Small(core), Owed::Small(promise)) => core.attempt_promise(promise),
            (SmallOrLarge::Large(core), Owed::Large(promise)) => core.attempt_promise(promise),
            _ => unreachable!("their size is the same"),
        }
    }

    /// A place for a promise of this channel, which is empty at first.
    pub(crate) fn owe(&self) -> Owed<T> {
        match self.part() {
            SmallOrLarge::Small(_) => Owed::Small(None),
            SmallOrLarge::Large(_) => Owed::Large(None),
        }
    }

    /// Keeps a promise of this channel until [`keep_promise`](Self::keep_promise) is called, see
    /// [`Hands`](super::Hands).
    pub(crate) fn put_promise(&self, call: CallId, owed: &mut Owed<T>) {
        match (self.part(), owed) {
            (SmallOrLarge::Small(core), Owed::Small(promise)) => {
                promise.take().into_iter().for_each(|promise| core.promises.put(call, promise))
            }
            (SmallOrLarge::Large(core), Owed::Large(promise)) => {
                promise.take().into_iter().for_each(|promise| core.promises.put(call, promise))
            }
            _ => unreachable!("their size is the same"),
        }
    }

    /// Breaks a promise that is in this channel, or with somebody who receives from it: there will be no item.
    pub(crate) fn give_up(&self, owed: &Owed<T>) {
        match (self.part(), owed) {
            (SmallOrLarge::Small(core), Owed::Small(Some(promise))) => core.give_up(promise),
            (SmallOrLarge::Large(core), Owed::Large(Some(promise))) => core.give_up(promise),
            _ => {}
        }
    }

    /// Keeps the promise that has been put here; the item comes back if nobody will receive it.
    pub(crate) fn keep_promise(&self, call: CallId, item: T) -> Result<(), T> {
        let found = match self.part() {
            SmallOrLarge::Small(core) => core.promises.take(call).map(|promise| promise.keep(item)),
            SmallOrLarge::Large(core) => {
                let keep = |promise: Arc<Promise<Box<T>>>| promise.keep(Box::new(item));
                core.promises.take(call).map(|promise| keep(promise).map_err(|item| *item))
            }
        };
        found.unwrap_or_else(|| unreachable!("it has just been handed over"))
    }

    // --- for select! ----------------------------------------------------------------------------------------------

    /// Where receivers wait, see [`ChannelCore`].
    pub(crate) fn items(&self) -> &Gate {
        with!(self, core => &core.items)
    }

    /// Where senders wait, see [`ChannelCore`].
    pub(crate) fn room(&self) -> &Gate {
        with!(self, core => &core.room)
    }

    /// Whether a receive would not wait. Not for a rendezvous.
    pub(crate) fn may_recv(&self) -> bool {
        with!(self, core => core.may_recv())
    }

    /// Whether a send would not wait. Not for a rendezvous.
    pub(crate) fn may_send(&self) -> bool {
        with!(self, core => core.may_send())
    }

    /// The rendezvous, if the channel is one.
    pub(crate) fn rendezvous(&self) -> Option<Rendezvous<'_, T>> {
        match self.part() {
            SmallOrLarge::Small(core) => {
                core.rendezvous().map(|zero| Rendezvous::Small(zero, self))
            }
            SmallOrLarge::Large(core) => {
                core.rendezvous().map(|zero| Rendezvous::Large(zero, self))
            }
        }
    }

    // --- sizes and handles --------------------------------------------------------------------------------------

    pub(crate) fn len(&self) -> usize {
        with!(self, core => core.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        with!(self, core => core.is_empty())
    }

    pub(crate) fn is_full(&self) -> bool {
        with!(self, core => core.is_full())
    }

    pub(crate) fn capacity(&self) -> Option<usize> {
        with!(self, core => core.capacity())
    }

    pub(crate) fn add_sender(&self) {
        with!(self, core => core.add_sender());
    }

    pub(crate) fn add_receiver(&self) {
        with!(self, core => core.add_receiver());
    }

    pub(crate) fn drop_sender(&self) {
        with!(self, core => core.drop_sender());
    }

    pub(crate) fn drop_receiver(&self) {
        with!(self, core => core.drop_receiver());
    }
}

/// See [`Chan::attempt_send_from`].
#[inline(always)]
fn send_from<T, B>(
    core: &ChannelCore<B>,
    place: &mut Option<T>,
    into: impl FnOnce(T) -> B,
    back: impl FnOnce(B) -> T,
) -> Option<bool> {
    let boxed = into(place.take()?);
    match core.attempt_send(boxed) {
        Ok(()) => None,
        Err(SendFailure::Full(item)) => {
            *place = Some(back(item));
            Some(false)
        }
        Err(SendFailure::Disconnected(item)) => {
            *place = Some(back(item));
            Some(true)
        }
    }
}

/// Not inlined, so that the caller's stack needs no room for what a failure gives back. This function's stack needs
/// none either while it waits.
#[inline(never)]
fn send_large<T, E>(
    item: T,
    send: impl FnOnce(Box<T>) -> Result<(), SendFailure<Box<T>>>,
    error: impl FnOnce(SendFailure<T>) -> E,
) -> Result<(), E> {
    #[cold]
    #[inline(never)]
    fn back<T, E>(
        failure: SendFailure<Box<T>>,
        error: impl FnOnce(SendFailure<T>) -> E,
    ) -> Result<(), E> {
        Err(error(unboxed(failure)))
    }
    match send(Box::new(item)) {
        Ok(()) => Ok(()),
        Err(failure) => back(failure, error),
    }
}

/// Not inlined, for the same reason as [`send_large`].
#[inline(never)]
fn recv_large<T, E>(recv: impl FnOnce() -> Result<Box<T>, E>) -> Result<T, E> {
    recv().map(|item| *item)
}

/// The promise of an item for a channel, if it has been made.
#[derive(Debug)]
pub(crate) enum Owed<T> {
    Small(Option<Arc<Promise<T>>>),
    Large(Option<Arc<Promise<Box<T>>>>),
}

/// The operations of a `select!` at a rendezvous, see [`Zero`].
pub(crate) enum Rendezvous<'a, T> {
    Small(&'a Zero<T>, &'a Chan<T>),
    Large(&'a Zero<Box<T>>, &'a Chan<T>),
}

/// The small or the large alternative, with its channel.
type PartOf<'a, T> = SmallOrLarge<(&'a Zero<T>, &'a Chan<T>), (&'a Zero<Box<T>>, &'a Chan<T>)>;

impl<T> Rendezvous<'_, T> {
    #[inline(always)]
    fn part(&self) -> PartOf<'_, T> {
        match self {
            Self::Small(zero, chan) if const { size_of::<T>() <= LARGE } => {
                SmallOrLarge::Small((zero, chan))
            }
            Self::Large(zero, chan) if const { size_of::<T>() > LARGE } => {
                SmallOrLarge::Large((zero, chan))
            }
            _ => unreachable!("the size decides"),
        }
    }

    pub(crate) fn enter_send(&self, item: T, waiter: Waiter, claim: Claim) -> Result<Key, T> {
        match self.part() {
            SmallOrLarge::Small((zero, chan)) => zero
                .enter_send(Parcel::Item(item), waiter, claim, chan.items())
                .map_err(Parcel::into_item),
            SmallOrLarge::Large((zero, chan)) => zero
                .enter_send(Parcel::Item(Box::new(item)), waiter, claim, chan.items())
                .map_err(|parcel| *parcel.into_item()),
        }
    }

    /// Offers the promise of an item, which is made if there is none yet; `None` if the channel is closed.
    pub(crate) fn enter_promise(
        &self,
        owed: &mut Owed<T>,
        waiter: Waiter,
        claim: Claim,
    ) -> Option<Key> {
        match (self.part(), owed) {
            (SmallOrLarge::Small((zero, chan)), Owed::Small(promise)) => {
                zero.enter_send(Promise::parcel(promise), waiter, claim, chan.items()).ok()
            }
            (SmallOrLarge::Large((zero, chan)), Owed::Large(promise)) => {
                zero.enter_send(Promise::parcel(promise), waiter, claim, chan.items()).ok()
            }
            _ => unreachable!("their size is the same"),
        }
    }

    /// Takes back an item that was offered.
    pub(crate) fn withdraw(&self, key: Key) -> Option<T> {
        match self.part() {
            SmallOrLarge::Small((zero, _)) => zero.withdraw(key).map(Parcel::into_item),
            SmallOrLarge::Large((zero, _)) => zero.withdraw(key).map(|parcel| *parcel.into_item()),
        }
    }

    /// Takes back a promise that was offered; `false` if somebody has already taken it.
    pub(crate) fn withdraw_promise(&self, key: Key) -> bool {
        with!(self, (zero, _) => zero.withdraw(key).is_some())
    }

    pub(crate) fn enter_recv(&self, waiter: Waiter, claim: Claim) -> Option<ReceiverPlace> {
        with!(self, (zero, chan) => zero.enter_recv(waiter, claim, chan.room()))
    }

    /// Removes an entry and its slot, and returns the item that somebody has put into the slot.
    pub(crate) fn leave(&self, place: ReceiverPlace) -> Option<T> {
        match self.part() {
            SmallOrLarge::Small((zero, _)) => zero.leave(place),
            SmallOrLarge::Large((zero, _)) => zero.leave(place).map(|item| *item),
        }
    }

    /// Removes an entry and its slot, and gives an item in the slot to the next receiver.
    pub(crate) fn give_back(&self, place: ReceiverPlace) {
        with!(self, (zero, chan) => zero.give_back(place, chan.items()));
    }

    pub(crate) fn may_recv(&self, own: Option<&Arc<Ticket>>) -> bool {
        with!(self, (zero, _) => zero.may_recv(own))
    }

    pub(crate) fn may_send(&self, own: Option<&Arc<Ticket>>) -> bool {
        with!(self, (zero, _) => zero.may_send(own))
    }

    pub(crate) fn offered(&self) -> (u64, bool) {
        with!(self, (zero, _) => zero.offered())
    }

    pub(crate) fn wanted(&self) -> (u64, bool) {
        with!(self, (zero, _) => zero.wanted())
    }
}
