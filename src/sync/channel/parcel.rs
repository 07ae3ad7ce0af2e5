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
pub(crate) struct Promise<T>(Mutex<State<T>>);

#[derive(Debug)]
enum State<T> {
    /// Neither kept nor broken yet; with the receiver that waits for it.
    Open(Option<Waiter>),
    Kept(T),
    /// No item will come.
    Broken,
    /// Nobody will receive it.
    Refused,
}

impl<T> Parcel<T> {
    /// The item. Waits for one that is promised, for as long as a `Select` takes between its choice and the call that completes
    /// it: nothing else ends that wait, as nothing else could be done with the item. `None` if the promise is broken.
    #[inline]
    pub(crate) fn open(self) -> Option<T> {
        match self {
            Self::Item(item) => Some(item),
            Self::Promise(promise) => promise.wait(),
        }
    }

    /// What was to be put into the channel as an item comes back.
    pub(crate) fn into_item(self) -> T {
        match self {
            Self::Item(item) => item,
            Self::Promise(_) => unreachable!("it was an item"),
        }
    }

    /// Nobody will receive it.
    pub(crate) fn refuse(self) {
        match self {
            Self::Item(item) => drop(item),
            Self::Promise(promise) => promise.end(State::Refused),
        }
    }
}

impl<T> Promise<T> {
    /// A promise, and what is to lie in the channel for it.
    pub(crate) fn new() -> (Arc<Self>, Parcel<T>) {
        let promise = Arc::new(Self(Mutex::new(State::Open(None))));
        (Arc::clone(&promise), Parcel::Promise(promise))
    }

    /// The item for whoever has the promise; it comes back if nobody will receive it.
    pub(crate) fn keep(&self, item: T) -> Result<(), T> {
        let waiter = {
            let mut state = self.0.lock();
            match &mut *state {
                State::Open(waiter) => {
                    let waiter = waiter.take();
                    *state = State::Kept(item);
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

    /// There will be no item.
    pub(crate) fn give_up(&self) {
        self.end(State::Broken);
    }

    fn end(&self, how: State<T>) {
        let before = {
            let mut state = self.0.lock();
            match &*state {
                State::Open(_) | State::Kept(_) => std::mem::replace(&mut *state, how),
                State::Broken | State::Refused => return,
            }
        };
        // An item that was there is dropped outside of the lock.
        if let State::Open(Some(waiter)) = before
            && !mutated("a promise is broken in silence")
        {
            waiter.unpark();
        }
    }

    #[cold]
    fn wait(&self) -> Option<T> {
        loop {
            let parker = Parker::uninterruptible();
            {
                let mut state = self.0.lock();
                match &mut *state {
                    State::Open(waiter) => *waiter = Some(parker.waiter()),
                    State::Kept(_) => {
                        return match std::mem::replace(&mut *state, State::Broken) {
                            State::Kept(item) => Some(item),
                            _ => None,
                        };
                    }
                    State::Broken | State::Refused => return None,
                }
            }
            let _ = parker.park(Reason::Receive, None);
        }
    }
}
