//! What all queues have in common.
#![forbid(unsafe_code)]

use super::arm::Turns;
use super::error::{TaskDoneError, TryGetError, TryPutError};
use crate::runtime::park::{self, Reason};
use crate::sync::gate::{Gate, WaitEnd};
use crate::util::dropping::drop_each;
use crate::util::lock::{Mutex, MutexGuard};
use std::mem;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How often the lock, which is held for moments only, is looked at.
const SPINS: u32 = 100;

/// Why an item was not put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotPut {
    Full,
    ShutDown,
}

/// Items, in whatever order.
pub(super) trait ItemStore: Default {
    type Item;

    fn into_items(self) -> impl Iterator<Item = Self::Item>;
}

/// The order in which items are given out.
pub(super) trait Store: ItemStore {
    /// Whether finding the order calls the user's code.
    const ASKS_USERS: bool;

    /// Takes the item out of the `Option` and into the queue; if it unwinds, nothing has changed.
    fn insert(&mut self, item: &mut Option<Self::Item>);
    /// Takes the next item, if there is one, out of the queue and into the `Option`, which is empty; if it unwinds, nothing has
    /// changed.
    fn take(&mut self, to: &mut Option<Self::Item>);
    fn count(&self) -> usize;
}

#[derive(Debug, Default)]
struct QueueState<S> {
    store: S,
    /// Items that were put and are not done.
    unfinished: usize,
    /// Items that were ever put.
    put: u64,
    shut_down: bool,
}

/// A queue. Those who wait for an item wait at `items`, those who wait for room at `room`, those who wait for everything to be done
/// at `idle`.
#[derive(Debug)]
pub(super) struct QueueCore<S: ItemStore> {
    state: Mutex<QueueState<S>>,
    /// The id of the thread that holds the lock and is in the user's code.
    asks: AtomicU64,
    capacity: Option<usize>,
    items: Gate,
    room: Gate,
    idle: Gate,
}

// Items are moved, never changed in place.
impl<S: ItemStore> UnwindSafe for QueueCore<S> {}
impl<S: ItemStore> RefUnwindSafe for QueueCore<S> {}

impl<S: ItemStore> Drop for QueueCore<S> {
    fn drop(&mut self) {
        let items = mem::take(&mut self.state.get_mut().store).into_items();
        drop_each(items.map(|item| || drop(item)));
    }
}

/// Out of line, as large items take room on the stack.
#[cold]
#[inline(never)]
fn give_back<T, E>(
    why: NotPut,
    item: &mut Option<T>,
    error: impl FnOnce(TryPutError<T>) -> E,
) -> Result<(), E> {
    match (why, item.take()) {
        (NotPut::Full, Some(item)) => Err(error(TryPutError::Full(item))),
        (NotPut::ShutDown, Some(item)) => Err(error(TryPutError::ShutDown(item))),
        (_, None) => unreachable!("what was refused is where it was"),
    }
}

fn taken<T, E>(
    got: Result<(), TryGetError>,
    item: Option<T>,
    error: impl FnOnce(TryGetError) -> E,
) -> Result<T, E> {
    match (got, item) {
        (Err(why), _) => Err(error(why)),
        (Ok(()), Some(item)) => Ok(item),
        (Ok(()), None) => unreachable!("it has been put there"),
    }
}

impl<S: Store> QueueCore<S> {
    pub(super) fn new(capacity: Option<usize>) -> Self {
        Self {
            state: Mutex::default(),
            asks: AtomicU64::new(0),
            capacity,
            items: Gate::new(),
            room: Gate::new(),
            idle: Gate::new(),
        }
    }

    /// Locks the state. The order of the items may be the user's code, which may suspend its green thread while it holds the lock:
    /// others of the worker must then let it run instead of blocking the worker.
    fn lock(&self) -> MutexGuard<'_, QueueState<S>> {
        loop {
            for _ in 0..SPINS {
                if let Some(state) = self.state.try_lock() {
                    return state;
                }
                std::hint::spin_loop();
            }
            assert!(
                !S::ASKS_USERS || self.asks.load(Ordering::Relaxed) != park::own_task().id(),
                "the order of a queue's items must not use the queue itself"
            );
            park::give_way();
        }
    }

    /// Calls a function that may call the user's code. If it unwinds, it has changed nothing.
    fn ask<R>(&self, of_user: impl FnOnce() -> R) -> R {
        struct Asked<'a>(&'a AtomicU64);

        impl Drop for Asked<'_> {
            fn drop(&mut self) {
                self.0.store(0, Ordering::Relaxed);
            }
        }

        if !S::ASKS_USERS {
            return of_user();
        }
        self.asks.store(park::own_task().id(), Ordering::Relaxed);
        let _asked = Asked(&self.asks);
        of_user()
    }

    fn insert(&self, state: &mut QueueState<S>, item: &mut Option<S::Item>) {
        self.ask(|| state.store.insert(item));
        state.unfinished += 1;
        state.put += 1;
    }

    fn has_room(&self, state: &QueueState<S>) -> bool {
        self.capacity.is_none_or(|capacity| state.store.count() < capacity)
    }

    pub(super) fn try_put<E>(
        &self,
        item: S::Item,
        error: impl FnOnce(TryPutError<S::Item>) -> E,
    ) -> Result<(), E> {
        let mut item = Some(item);
        let put = self.put_now(&mut item);
        park::spend_budget_holding();
        put.or_else(|why| give_back(why, &mut item, error))
    }

    /// As [`put_from`](Self::put_from), but drops the item if the order of the items unwinds.
    fn put_now(&self, item: &mut Option<S::Item>) -> Result<(), NotPut> {
        if !S::ASKS_USERS {
            return self.put_from(item);
        }
        match catch_unwind(AssertUnwindSafe(|| self.put_from(item))) {
            Ok(put) => put,
            Err(payload) => {
                // The item is not left to the unwind: there a destructor that panics would end the process.
                if let Err(second) = catch_unwind(AssertUnwindSafe(|| *item = None)) {
                    std::mem::forget(second);
                }
                resume_unwind(payload)
            }
        }
    }

    /// Puts the item in the `Option`, where it stays if it is refused or the order of the items unwinds. No other green thread of
    /// the worker runs meanwhile, unless the order suspends.
    pub(super) fn put_from(&self, item: &mut Option<S::Item>) -> Result<(), NotPut> {
        {
            let mut state = self.lock();
            if state.shut_down {
                return Err(NotPut::ShutDown);
            }
            if !self.has_room(&state) {
                return Err(NotPut::Full);
            }
            if !S::ASKS_USERS {
                self.insert(&mut state, item);
            } else if let Err(payload) =
                catch_unwind(AssertUnwindSafe(|| self.insert(&mut state, item)))
            {
                drop(state);
                // The next who waits can have the room.
                self.room.notify_one();
                resume_unwind(payload);
            }
        }
        self.items.notify_one();
        Ok(())
    }

    pub(super) fn put<E>(
        &self,
        item: S::Item,
        deadline: Option<Instant>,
        error: impl FnOnce(TryPutError<S::Item>) -> E,
    ) -> Result<(), E> {
        let mut item = Some(item);
        let mut in_time = true;
        loop {
            let put = self.put_now(&mut item);
            park::spend_budget_holding();
            match put {
                Ok(()) => return Ok(()),
                Err(NotPut::Full) if in_time => {}
                Err(why) => return give_back(why, &mut item, error),
            }
            match self.room.wait_holding(Reason::Queue, deadline, || self.may_put()) {
                WaitEnd::Again => {}
                WaitEnd::TimedOut => in_time = false,
                WaitEnd::Killed => {
                    drop(item);
                    park::raise_kill();
                }
            }
        }
    }

    pub(super) fn try_get<E>(&self, error: impl FnOnce(TryGetError) -> E) -> Result<S::Item, E> {
        let mut item = None;
        let got = self.get_now(&mut item);
        park::spend_budget_holding();
        taken(got, item, error)
    }

    /// Whether a `put` would not wait.
    pub(super) fn may_put(&self) -> bool {
        let state = self.lock();
        state.shut_down || self.has_room(&state)
    }

    /// Whether a `get` would not wait.
    pub(super) fn may_get(&self) -> bool {
        let state = self.lock();
        state.shut_down || state.store.count() > 0
    }

    /// How often an item was put, and how often one was taken.
    pub(super) fn turns(&self) -> (Turns, Turns) {
        let state = self.lock();
        let taken = state.put - state.store.count() as u64;
        ((state.put, state.shut_down), (taken, state.shut_down))
    }

    /// Takes an item, if there is one, into the `Option`, which is empty. No other green thread of the worker runs meanwhile, unless
    /// the order of the items suspends.
    pub(super) fn get_now(&self, item: &mut Option<S::Item>) -> Result<(), TryGetError> {
        {
            let mut state = self.lock();
            if !S::ASKS_USERS {
                state.store.take(item);
            } else if let Err(payload) =
                catch_unwind(AssertUnwindSafe(|| self.ask(|| state.store.take(item))))
            {
                drop(state);
                // The next who waits can have the item.
                self.items.notify_one();
                resume_unwind(payload);
            }
            match (&item, state.shut_down) {
                (Some(_), _) => {}
                (None, true) => return Err(TryGetError::ShutDown),
                (None, false) => return Err(TryGetError::Empty),
            }
        }
        self.room.notify_one();
        Ok(())
    }

    pub(super) fn get<E>(
        &self,
        deadline: Option<Instant>,
        error: impl FnOnce(TryGetError) -> E,
    ) -> Result<S::Item, E> {
        let mut item = None;
        let mut in_time = true;
        loop {
            let got = self.get_now(&mut item);
            park::spend_budget_holding();
            if !in_time || got != Err(TryGetError::Empty) {
                return taken(got, item, error);
            }
            in_time = self.items.wait(Reason::Queue, deadline, || self.may_get());
        }
    }

    pub(super) fn task_done(&self) -> Result<(), TaskDoneError> {
        let left = {
            let mut state = self.lock();
            state.unfinished = state.unfinished.checked_sub(1).ok_or(TaskDoneError)?;
            state.unfinished
        };
        if left == 0 {
            self.idle.notify_all();
        }
        Ok(())
    }

    pub(super) fn unfinished(&self) -> usize {
        self.lock().unfinished
    }

    pub(super) fn join(&self, deadline: Option<Instant>) -> bool {
        // To be woken means that everything was done once, even if more has come since.
        let idle = || self.unfinished() == 0;
        idle() || self.idle.wait(Reason::Queue, deadline, idle)
    }

    pub(super) fn shutdown(&self) {
        self.lock().shut_down = true;
        self.items.notify_all();
        self.room.notify_all();
    }

    pub(super) fn shutdown_now(&self) {
        let (dropped, left) = {
            let mut state = self.lock();
            state.shut_down = true;
            // Items that have been taken are being worked on, and have still to be done.
            state.unfinished = state.unfinished.saturating_sub(state.store.count());
            (mem::take(&mut state.store), state.unfinished)
        };
        self.items.notify_all();
        self.room.notify_all();
        if left == 0 {
            self.idle.notify_all();
        }
        drop_each(dropped.into_items().map(|item| || drop(item)));
    }

    pub(super) fn items(&self) -> &Gate {
        &self.items
    }

    pub(super) fn room(&self) -> &Gate {
        &self.room
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.lock().shut_down
    }

    pub(super) fn len(&self) -> usize {
        self.lock().store.count()
    }

    pub(super) fn is_full(&self) -> bool {
        !self.has_room(&self.lock())
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        self.capacity
    }
}
