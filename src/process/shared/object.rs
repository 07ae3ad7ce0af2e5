//! An object in the process in which it lives.
#![forbid(unsafe_code)]

use super::connection::{ask, told};
use super::pins::Pin;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use crate::sys::clock;
use crate::util::lock::Mutex as PlainMutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// An encoded value, and what keeps the objects of the handles in it.
#[derive(Debug, Default)]
pub(super) struct EncodedEntry {
    pub(super) bytes: Vec<u8>,
    pub(super) pins: Vec<Pin>,
}

/// A reply: its kind, and the bytes that come with it.
pub(super) struct Reply {
    pub(super) kind: u8,
    pub(super) bytes: Vec<u8>,
    /// The values with handles in them, which are kept until the client has decoded them.
    pub(super) entries: Vec<Arc<EncodedEntry>>,
}

impl From<(u8, Vec<u8>)> for Reply {
    fn from((kind, bytes): (u8, Vec<u8>)) -> Self {
        Self { kind, bytes, entries: Vec::new() }
    }
}

impl Reply {
    fn of(bytes: Vec<u8>, entries: impl IntoIterator<Item = Arc<EncodedEntry>>) -> Self {
        let entries: Vec<_> = entries.into_iter().filter(|entry| !entry.pins.is_empty()).collect();
        let kind = if entries.is_empty() { told::DONE } else { told::WITH_HANDLES };
        Self { kind, bytes, entries }
    }

    fn of_one(entry: Option<Arc<EncodedEntry>>) -> Self {
        match entry {
            Some(entry) => Self::of(entry.bytes.clone(), [entry]),
            None => (told::NOTHING, Vec::new()).into(),
        }
    }
}

/// The two sides of a queue that is half of a pipe.
pub(super) const PRODUCER: u8 = 1;
pub(super) const CONSUMER: u8 = 2;

/// The kinds of new objects, as a client names them, each with a number.
pub(super) const QUEUE: u8 = 0;
pub(super) const LOCK: u8 = 1;
pub(super) const EVENT: u8 = 2;
pub(super) const COUNTER: u8 = 3;
pub(super) const MAP: u8 = 4;

#[derive(Debug)]
enum ObjectState {
    Queue {
        items: VecDeque<Arc<EncodedEntry>>,
        capacity: usize,
        /// How many items have been given to clients that have not confirmed them: they may come back.
        in_doubt: usize,
        closed: bool,
        no_consumer: bool,
    },
    Lock {
        /// The connection that holds it.
        holder: Option<u64>,
        died: bool,
    },
    Event(bool),
    Counter(i64),
    Map(BTreeMap<Vec<u8>, Arc<EncodedEntry>>),
}

/// What a client has been given and has not confirmed yet.
#[derive(Debug)]
pub(super) enum Given {
    Item(Arc<EncodedEntry>),
    Lock { died: bool },
}

pub(super) type Unconfirmed = PlainMutex<Option<Given>>;

#[derive(Debug)]
pub(super) struct Object {
    state: Mutex<ObjectState>,
    /// Notified when something has changed, so that others may be able to go on.
    changed: Condvar,
    /// What keeps each side of a pipe open.
    sides: PlainMutex<[Weak<PipeSide>; 2]>,
}

/// Keeps one side of a pipe open while it lives.
#[derive(Debug)]
pub(super) struct PipeSide {
    object: Weak<Object>,
    which: u8,
}

impl Drop for PipeSide {
    fn drop(&mut self) {
        let Some(object) = self.object.upgrade() else { return };
        if let ObjectState::Queue { closed, no_consumer, .. } = &mut *object.lock() {
            match self.which {
                PRODUCER => *closed = true,
                _ => *no_consumer = true,
            }
        }
        object.changed.notify_all();
    }
}

impl Object {
    /// A new object; `None` if there is no such kind.
    pub(super) fn new(kind: u8, number: u64) -> Option<Arc<Self>> {
        let state = match kind {
            QUEUE => ObjectState::Queue {
                items: VecDeque::new(),
                capacity: usize::try_from(number).unwrap_or(usize::MAX),
                in_doubt: 0,
                closed: false,
                no_consumer: false,
            },
            LOCK => ObjectState::Lock { holder: None, died: false },
            EVENT => ObjectState::Event(false),
            COUNTER => ObjectState::Counter(number.cast_signed()),
            MAP => ObjectState::Map(BTreeMap::new()),
            _ => return None,
        };
        let sides = PlainMutex::default();
        Some(Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), sides }))
    }

    /// Adds one that uses a side of a pipe. `None` if all that used the side have gone, which is final.
    pub(super) fn side(self: &Arc<Self>, which: u8, first: bool) -> Option<Arc<PipeSide>> {
        let mut sides = self.sides.lock();
        let place = &mut sides[usize::from(which == CONSUMER)];
        if let Some(side) = place.upgrade() {
            return Some(side);
        }
        if !first {
            return None;
        }
        let side = Arc::new(PipeSide { object: Arc::downgrade(self), which });
        *place = Arc::downgrade(&side);
        Some(side)
    }

    fn lock(&self) -> MutexGuard<'_, ObjectState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what was asked for, if that is possible now.
    pub(super) fn attempt(
        &self,
        who: u64,
        what: u8,
        with: &mut EncodedEntry,
        unconfirmed: &Unconfirmed,
    ) -> Option<Reply> {
        let reply = attempt(&mut self.lock(), who, what, with, unconfirmed);
        self.tell(what, reply.is_some());
        reply
    }

    /// Like [`attempt`](Self::attempt), but waits until it is possible.
    pub(super) fn wait(
        &self,
        who: u64,
        what: u8,
        mut with: EncodedEntry,
        unconfirmed: &Unconfirmed,
        deadline: Option<Instant>,
    ) -> Reply {
        let mut state = self.lock();
        let reply = loop {
            if let Some(reply) = attempt(&mut state, who, what, &mut with, unconfirmed) {
                break reply;
            }
            let Some(deadline) = deadline else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                return (told::NOT_YET, Vec::new()).into();
            }
            state = match self.changed.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(error) => error.into_inner().0,
            };
        };
        drop(state);
        self.tell(what, true);
        reply
    }

    fn tell(&self, what: u8, done: bool) {
        let looks =
            matches!(what, ask::LENGTH | ask::IS_SET | ask::WAIT | ask::LOOK_UP | ask::ITEMS);
        if done && !looks {
            self.changed.notify_all();
        }
    }

    /// To be called when a client has confirmed that it has what it was given.
    pub(super) fn confirm(&self, given: &Given) {
        let (ObjectState::Queue { in_doubt, closed, .. }, Given::Item(_)) =
            (&mut *self.lock(), given)
        else {
            return;
        };
        *in_doubt -= 1;
        if *closed && *in_doubt == 0 {
            // Those who wait are told that the queue has ended.
            self.changed.notify_all();
        }
    }

    /// To be called when a connection has ended: takes back what its client has been given and has not confirmed.
    pub(super) fn leave(&self, who: u64, given: Option<Given>) {
        match (&mut *self.lock(), given) {
            (ObjectState::Queue { items, in_doubt, .. }, Some(Given::Item(item))) => {
                *in_doubt -= 1;
                items.push_front(item);
            }
            (ObjectState::Lock { holder, died }, given) if *holder == Some(who) => {
                *holder = None;
                *died = match given {
                    Some(Given::Lock { died }) => died,
                    _ => true,
                };
            }
            _ => return,
        }
        self.changed.notify_all();
    }
}

/// Does what was asked for; `None` if that has to wait.
fn attempt(
    state: &mut ObjectState,
    who: u64,
    what: u8,
    with: &mut EncodedEntry,
    unconfirmed: &Unconfirmed,
) -> Option<Reply> {
    let reply = |kind| Some(Reply::from((kind, Vec::new())));
    let number = |with: &EncodedEntry| Some(i64::from_le_bytes(*with.bytes.first_chunk()?));
    match (state, what) {
        (
            ObjectState::Queue { closed: true, .. } | ObjectState::Queue { no_consumer: true, .. },
            ask::PUT,
        ) => reply(told::CLOSED),
        (ObjectState::Queue { items, capacity, .. }, ask::PUT) => {
            if items.len() >= *capacity {
                return None;
            }
            items.push_back(Arc::new(std::mem::take(with)));
            reply(told::DONE)
        }
        (ObjectState::Queue { items, in_doubt, closed, .. }, ask::GET) => match items.pop_front() {
            Some(item) => {
                *in_doubt += 1;
                *unconfirmed.lock() = Some(Given::Item(Arc::clone(&item)));
                Some(Reply::of_one(Some(item)))
            }
            // It has not ended while an item may come back.
            None if *closed && *in_doubt == 0 => reply(told::CLOSED),
            None => None,
        },
        (ObjectState::Queue { items, .. }, ask::LENGTH) => {
            Some((told::DONE, (items.len() as u64).to_le_bytes().to_vec()).into())
        }
        (ObjectState::Queue { closed, .. }, ask::CLOSE) => {
            *closed = true;
            reply(told::DONE)
        }
        (ObjectState::Lock { holder, died }, ask::ACQUIRE) => {
            if holder.is_some() {
                return None;
            }
            *holder = Some(who);
            let died = std::mem::take(died);
            *unconfirmed.lock() = Some(Given::Lock { died });
            reply(if died { told::HOLDER_DIED } else { told::DONE })
        }
        (ObjectState::Lock { holder, .. }, ask::RELEASE) => {
            if *holder != Some(who) {
                return reply(told::REFUSED);
            }
            *holder = None;
            reply(told::DONE)
        }
        (ObjectState::Event(set), ask::SET | ask::CLEAR) => {
            *set = what == ask::SET;
            reply(told::DONE)
        }
        (ObjectState::Event(set), ask::IS_SET) => Some((told::DONE, vec![u8::from(*set)]).into()),
        (ObjectState::Event(true), ask::WAIT) => reply(told::DONE),
        (ObjectState::Event(false), ask::WAIT) => None,
        (ObjectState::Counter(count), ask::ADD | ask::STORE) => {
            let Some(number) = number(with) else { return reply(told::REFUSED) };
            let before = *count;
            *count = if what == ask::ADD { before.wrapping_add(number) } else { number };
            let told = if what == ask::ADD { *count } else { before };
            Some((told::DONE, told.to_le_bytes().to_vec()).into())
        }
        (ObjectState::Map(map), ask::INSERT) => {
            // The bytes are the length of the key, the key, and the value.
            let Some(length) = number(with) else { return reply(told::REFUSED) };
            let rest = with.bytes.split_off(8);
            let Some((key, value)) = rest.split_at_checked(length as usize) else {
                return reply(told::REFUSED);
            };
            let new = EncodedEntry { bytes: value.to_vec(), pins: std::mem::take(&mut with.pins) };
            Some(Reply::of_one(map.insert(key.to_vec(), Arc::new(new))))
        }
        (ObjectState::Map(map), ask::LOOK_UP) => Some(Reply::of_one(map.get(&with.bytes).cloned())),
        (ObjectState::Map(map), ask::REMOVE) => Some(Reply::of_one(map.remove(&with.bytes))),
        (ObjectState::Map(map), ask::ITEMS) => {
            let items: Vec<_> = map.iter().map(|(key, value)| (key, &value.bytes)).collect();
            match postcard::to_stdvec(&items) {
                Ok(all) => Some(Reply::of(all, map.values().cloned())),
                Err(_) => reply(told::REFUSED),
            }
        }
        _ => reply(told::REFUSED),
    }
}
