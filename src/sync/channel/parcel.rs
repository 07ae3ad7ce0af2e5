//! What lies in a channel: an item, or the promise of one.
#![forbid(unsafe_code)]

use crate::runtime::park::{Parker, Reason, Waiter};
use crate::util::sync::{Mutex, mutated};
use std::sync::Arc;

/// What a ring or an offer at a rendezvous holds.
#[derive(Debug)]
pub(crate) enum Parcel<T> {
    Item(T),
    /// A `Select` has chosen to send here, and its caller is about to give the item.
    Promise(Arc<Promise<T>>),
}

/// An item that the caller of a `Select` owes to whoever takes the promise out of the channel.
#[derive(Debug)]
pub(crate) struct Promise<T>(Mutex<ParcelState<T>>);

#[derive(Debug)]
enum ParcelState<T> {
    /// The promise is neither kept nor broken yet. The waiter is that of the receiver, if one waits for it.
    Open(Option<Waiter>),
    Kept(T),
    /// No item will come.
    Broken,
    /// Broken, and it was still in a ring when it was broken.
    Hole,
    /// Nobody will receive it.
    Refused,
}

/// What a parcel was found to hold.
#[derive(Debug)]
pub(crate) enum Content<T> {
    Item(T),
    /// Nothing, as the promise was broken.
    Nothing,
    /// Nothing, as the promise was broken; and an [`ItemRing`](super::ring::ItemRing) has counted it as a hole.
    Hole,
}

impl<T> Parcel<T> {
    /// Returns the item. For a promise, waits as long as a `Select` takes between its choice and the call that
    /// completes it. Nothing else ends that wait, as there is nothing else to do with the item.
    #[inline]
    pub(crate) fn open(self) -> Content<T> {
        match self {
            Self::Item(item) => Content::Item(item),
            Self::Promise(promise) => promise.wait(),
        }
    }

    /// Like [`open`](Self::open), for a parcel that was in no ring.
    pub(crate) fn into_content(self) -> Option<T> {
        match self.open() {
            Content::Item(item) => Some(item),
            Content::Nothing | Content::Hole => None,
        }
    }

    /// Whether the parcel is that promise.
    pub(super) fn is_of(&self, promise: &Arc<Promise<T>>) -> bool {
        matches!(self, Self::Promise(own) if Arc::ptr_eq(own, promise))
    }

    /// The item, for a caller that put an item into the parcel.
    pub(crate) fn into_item(self) -> T {
        match self {
            Self::Item(item) => item,
            Self::Promise(_) => unreachable!("it was an item"),
        }
    }

    /// Notes that nobody will receive the item. Returns whether the parcel was a hole.
    pub(crate) fn refuse(self) -> bool {
        match self {
            Self::Item(item) => drop(item),
            Self::Promise(promise) => return promise.end(ParcelState::Refused),
        }
        false
    }
}

impl<T> Promise<T> {
    /// The parcel for a promise, which is made if there is none yet.
    pub(crate) fn parcel(promise: &mut Option<Arc<Self>>) -> Parcel<T> {
        let make = || Arc::new(Self(Mutex::new(ParcelState::Open(None))));
        Parcel::Promise(Arc::clone(promise.get_or_insert_with(make)))
    }

    /// Gives the item to whoever has the promise. It comes back if nobody will receive it.
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

    /// Breaks a promise that is not in a ring: there will be no item.
    pub(crate) fn give_up(&self) {
        self.end(ParcelState::Broken);
    }

    /// Breaks a promise that was put into a ring. Returns the receiver to be woken, if one waits for it; otherwise the
    /// promise is still in the ring, and is a hole from here on.
    pub(super) fn break_in_ring(&self) -> Option<Waiter> {
        let mut state = self.0.lock();
        let ParcelState::Open(waiter) = &mut *state else { unreachable!("it is given up once") };
        let waiter = waiter.take();
        *state = if waiter.is_some() { ParcelState::Broken } else { ParcelState::Hole };
        waiter
    }

    /// Ends the promise in this way. Returns whether it was a hole.
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
        // An item is dropped outside of the lock.
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
