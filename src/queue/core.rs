//! What all queues have in common.
#![forbid(unsafe_code)]

use super::error::{TaskDoneError, TryGetError, TryPutError};
use crate::runtime::park::{self, Reason};
use crate::sync::gate::Gate;
use parking_lot::{Mutex, MutexGuard};
use std::time::Instant;

/// Looks at a lock that is held for moments only.
const SPINS: u32 = 100;

/// The order in which items are given out.
pub(super) trait Store {
    type Item;

    fn insert(&mut self, item: Self::Item);
    fn take(&mut self) -> Option<Self::Item>;
    fn count(&self) -> usize;
}

#[derive(Debug, Default)]
struct State<S> {
    store: S,
    /// Items put and not done.
    unfinished: usize,
    shut_down: bool,
}

/// `items` is for those who wait for an item, `room` for a place, `idle` for everything to be done.
#[derive(Debug)]
pub(super) struct Core<S> {
    state: Mutex<State<S>>,
    capacity: Option<usize>,
    items: Gate,
    room: Gate,
    idle: Gate,
}

impl<S: Store + Default> Core<S> {
    pub(super) fn new(capacity: Option<usize>) -> Self {
        Self {
            state: Mutex::default(),
            capacity,
            items: Gate::new(),
            room: Gate::new(),
            idle: Gate::new(),
        }
    }

    /// The order of the items may be the user's own code, which may suspend its green thread: others of the worker must
    /// then let it run instead of blocking.
    fn lock(&self) -> MutexGuard<'_, State<S>> {
        loop {
            for _ in 0..SPINS {
                if let Some(state) = self.state.try_lock() {
                    return state;
                }
                std::hint::spin_loop();
            }
            park::give_way();
        }
    }

    fn has_room(&self, state: &State<S>) -> bool {
        self.capacity.is_none_or(|capacity| state.store.count() < capacity)
    }

    pub(super) fn try_put(&self, item: S::Item) -> Result<(), TryPutError<S::Item>> {
        let put = self.put_now(item);
        park::spend_budget_holding();
        put
    }

    fn put_now(&self, item: S::Item) -> Result<(), TryPutError<S::Item>> {
        {
            let mut state = self.lock();
            if state.shut_down {
                return Err(TryPutError::ShutDown(item));
            }
            if !self.has_room(&state) {
                return Err(TryPutError::Full(item));
            }
            state.store.insert(item);
            state.unfinished += 1;
        }
        self.items.notify_one();
        Ok(())
    }

    pub(super) fn put(
        &self,
        mut item: S::Item,
        deadline: Option<Instant>,
    ) -> Result<(), TryPutError<S::Item>> {
        let mut in_time = true;
        loop {
            item = match self.try_put(item) {
                Err(TryPutError::Full(item)) if in_time => item,
                done => return done,
            };
            in_time = self.room.wait(Reason::Queue, deadline, || {
                let state = self.lock();
                state.shut_down || self.has_room(&state)
            });
        }
    }

    pub(super) fn try_get(&self) -> Result<S::Item, TryGetError> {
        let got = self.get_now();
        park::spend_budget_holding();
        got
    }

    fn get_now(&self) -> Result<S::Item, TryGetError> {
        let item = {
            let mut state = self.lock();
            match state.store.take() {
                Some(item) => item,
                None if state.shut_down => return Err(TryGetError::ShutDown),
                None => return Err(TryGetError::Empty),
            }
        };
        self.room.notify_one();
        Ok(item)
    }

    pub(super) fn get(&self, deadline: Option<Instant>) -> Result<S::Item, TryGetError> {
        let mut in_time = true;
        loop {
            match self.try_get() {
                Err(TryGetError::Empty) if in_time => {}
                done => return done,
            }
            in_time = self.items.wait(Reason::Queue, deadline, || {
                let state = self.lock();
                state.shut_down || state.store.count() > 0
            });
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
        // Woken means that everything was done once, even if more has come since.
        let idle = || self.unfinished() == 0;
        idle() || self.idle.wait(Reason::Queue, deadline, idle)
    }

    pub(super) fn shutdown(&self) {
        self.lock().shut_down = true;
        self.items.notify_all();
        self.room.notify_all();
    }

    pub(super) fn shutdown_now(&self) {
        let dropped = {
            let mut state = self.lock();
            state.shut_down = true;
            state.unfinished = 0;
            std::mem::take(&mut state.store)
        };
        self.items.notify_all();
        self.room.notify_all();
        self.idle.notify_all();
        drop(dropped);
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
