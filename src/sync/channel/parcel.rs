//! What lies in a channel: an item, or the promise of one.
#![forbid(unsafe_code)]

use crate::runtime::park::{Parker, Reason, Waiter};
use crate::util::sync::{Mutex, mutated};
use std::sync::Arc;

/// What takes the place of an item in a ring or at a rendezvous.
#[derive(Debug)]
pub(crate) enum Parcel<T> {
    Item(T),
    /// A `Select` has chosen to send here, and is about to be given what it sends.
    Promise(Arc<Promise<T>>),
}

/// An item that a `Select` owes to whoever takes its place in the channel.
#[derive(Debug)]
pub(crate) struct Promise<T>(Mutex<ParcelState<T>>);

#[derive(Debug)]
enum ParcelState<T> {
    /// Neither kept nor broken yet; with the receiver that waits for it.
    Open(Option<Waiter>),
    Kept(T),
    /// No item will come.
    Broken,
    /// As that, and when it was given up it was in a ring still.
    Hole,
    /// Nobody will receive it.
    Refused,
}

/// What is in a parcel.
#[derive(Debug)]
pub(crate) enum Content<T> {
    Item(T),
    /// Nothing: the promise is broken.
    Nothing,
    /// As that, and an [`ItemRing`](super::ring::Ring) has counted it as a hole.
    Hole,
}

impl<T> Parcel<T> {
    /// The item. Waits for one that is promised, for as long as a `Select` takes between its choice and the call that completes
    /// it: nothing else ends that wait, as nothing else could be done with the item.
    #[inline]
    pub(crate) fn open(self) -> Content<T> {
        match self {
            Self::Item(item) => Content::Item(item),
            Self::Promise(promise) => promise.wait(),
        }
    }

    /// As [`open`](Self::open), where it is in no ring.
    pub(crate) fn into_content(self) -> Option<T> {
        match self.open() {
            Content::Item(item) => Some(item),
            Content::Nothing | Content::Hole => None,
        }
    }

    /// Whether it is for that promise.
    pub(super) fn is_of(&self, promise: &Arc<Promise<T>>) -> bool {
        matches!(self, Self::Promise(own) if Arc::ptr_eq(own, promise))
    }

    /// What was to be put into the channel as an item comes back.
    pub(crate) fn into_item(self) -> T {
        match self {
            Self::Item(item) => item,
            Self::Promise(_) => unreachable!("it was an item"),
        }
    }

    /// Nobody will receive it. Returns whether it was a hole.
    pub(crate) fn refuse(self) -> bool {
        match self {
            Self::Item(item) => drop(item),
            Self::Promise(promise) => return promise.end(ParcelState::Refused),
        }
        false
    }
}

impl<T> Promise<T> {
    /// What is to lie in the channel for a promise, which is made if there is none yet.
    pub(crate) fn parcel(promise: &mut Option<Arc<Self>>) -> Parcel<T> {
        let make = || Arc::new(Self(Mutex::new(ParcelState::Open(None))));
        Parcel::Promise(Arc::clone(promise.get_or_insert_with(make)))
    }

    /// The item for whoever has the promise; it comes back if nobody will receive it.
    pub(crate) fn keep(&self, item: T) -> Result<(), T> {
        let waiter = {
            let mut state = self.0.lock();
            match &mut *state {
                ParcelState::Open(waiter) => {
                    let waiter = waiter.take();
                    *state = ParcelState::Kept(item);
                    waiter
                }
                _ => return Err(item),
            }
        };
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
        Ok(())
    }

    /// There will be no item. It is not in a ring.
    pub(crate) fn give_up(&self) {
        self.end(ParcelState::Broken);
    }

    /// There will be no item. Returns whom to wake, if a receiver waits for it; else it is in the ring and a hole from here on.
    pub(super) fn break_in_ring(&self) -> Option<Waiter> {
        let mut state = self.0.lock();
        let ParcelState::Open(waiter) = &mut *state else { unreachable!("it is given up once") };
        let waiter = waiter.take();
        *state = if waiter.is_some() { ParcelState::Broken } else { ParcelState::Hole };
        waiter
    }

    /// Returns whether it was a hole.
    fn end(&self, how: ParcelState<T>) -> bool {
        let before = {
            let mut state = self.0.lock();
            match &*state {
                ParcelState::Open(_) | ParcelState::Kept(_) | ParcelState::Hole => {
                    std::mem::replace(&mut *state, how)
                }
                ParcelState::Broken | ParcelState::Refused => return false,
            }
        };
        // An item that was there is dropped outside of the lock.
        match before {
            ParcelState::Open(Some(waiter)) if !mutated("a promise is broken in silence") => {
                waiter.unpark();
                false
            }
            ParcelState::Hole => true,
            _ => false,
        }
    }

    #[cold]
    fn wait(&self) -> Content<T> {
        loop {
            let parker = Parker::uninterruptible();
            {
                let mut state = self.0.lock();
                match &mut *state {
                    ParcelState::Open(waiter) => *waiter = Some(parker.waiter()),
                    ParcelState::Broken | ParcelState::Refused => return Content::Nothing,
                    ParcelState::Kept(_) | ParcelState::Hole => {
                        return match std::mem::replace(&mut *state, ParcelState::Broken) {
                            ParcelState::Kept(item) => Content::Item(item),
                            _ => Content::Hole,
                        };
                    }
                }
            }
            let _ = parker.park(Reason::Receive, None);
        }
    }
}
