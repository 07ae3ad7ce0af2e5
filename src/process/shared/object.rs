//! An object in the process where it lives.
#![forbid(unsafe_code)]

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use crate::sys::clock;
use crate::util::lock::Mutex as PlainMutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// What a client asks for.
pub(super) mod ask {
    pub(in super::super) const HELLO: u8 = 1;
    pub(in super::super) const PIN: u8 = 2;
    pub(in super::super) const CONFIRM: u8 = 3;
    pub(in super::super) const PUT: u8 = 10;
    pub(in super::super) const GET: u8 = 11;
    pub(in super::super) const LENGTH: u8 = 12;
    pub(in super::super) const CLOSE: u8 = 13;
    pub(in super::super) const ACQUIRE: u8 = 20;
    pub(in super::super) const RELEASE: u8 = 21;
    pub(in super::super) const SET: u8 = 30;
    pub(in super::super) const CLEAR: u8 = 31;
    pub(in super::super) const IS_SET: u8 = 32;
    pub(in super::super) const WAIT: u8 = 33;
    pub(in super::super) const ADD: u8 = 40;
    pub(in super::super) const STORE: u8 = 41;
    pub(in super::super) const INSERT: u8 = 50;
    pub(in super::super) const LOOK_UP: u8 = 51;
    pub(in super::super) const REMOVE: u8 = 52;
    pub(in super::super) const ITEMS: u8 = 53;
}

/// What the client is told.
pub(super) mod told {
    pub(in super::super) const DONE: u8 = 1;
    /// Not now, or not in time.
    pub(in super::super) const NOT_YET: u8 = 2;
    pub(in super::super) const CLOSED: u8 = 3;
    /// Done, but whoever had the lock before has died with it.
    pub(in super::super) const HOLDER_DIED: u8 = 4;
    pub(in super::super) const NOTHING: u8 = 5;
    /// Such an object has no such operation, or is not there.
    pub(in super::super) const REFUSED: u8 = 6;
}

/// A reply: its kind, and what comes with it.
pub(super) type Reply = (u8, Vec<u8>);

/// The two sides of a queue that is half of a pipe.
pub(super) const PRODUCER: u8 = 1;
pub(super) const CONSUMER: u8 = 2;

/// A new object, as a client describes it: its kind and a number.
pub(super) const QUEUE: u8 = 0;
pub(super) const LOCK: u8 = 1;
pub(super) const EVENT: u8 = 2;
pub(super) const COUNTER: u8 = 3;
pub(super) const MAP: u8 = 4;

#[derive(Debug)]
enum State {
    Queue {
        items: VecDeque<Vec<u8>>,
        capacity: usize,
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
    Map(BTreeMap<Vec<u8>, Vec<u8>>),
}

/// What a client has been given and has not confirmed yet.
#[derive(Debug)]
pub(super) enum Given {
    Item(Vec<u8>),
    Lock { died: bool },
}

pub(super) type Unconfirmed = PlainMutex<Option<Given>>;

#[derive(Debug)]
pub(super) struct Object {
    state: Mutex<State>,
    /// Notified when something has changed, so that others may go on.
    changed: Condvar,
    /// Those that keep a side of a pipe open.
    sides: PlainMutex<[Weak<Side>; 2]>,
}

/// Keeps one side of a pipe open.
#[derive(Debug)]
pub(super) struct Side {
    object: Weak<Object>,
    which: u8,
}

impl Drop for Side {
    fn drop(&mut self) {
        let Some(object) = self.object.upgrade() else { return };
        if let State::Queue { closed, no_consumer, .. } = &mut *object.lock() {
            match self.which {
                PRODUCER => *closed = true,
                _ => *no_consumer = true,
            }
        }
        object.changed.notify_all();
    }
}

impl Object {
    /// `None` if there is no such kind.
    pub(super) fn new(kind: u8, number: u64) -> Option<Arc<Self>> {
        let state = match kind {
            QUEUE => State::Queue {
                items: VecDeque::new(),
                capacity: usize::try_from(number).unwrap_or(usize::MAX),
                closed: false,
                no_consumer: false,
            },
            LOCK => State::Lock { holder: None, died: false },
            EVENT => State::Event(false),
            COUNTER => State::Counter(number.cast_signed()),
            MAP => State::Map(BTreeMap::new()),
            _ => return None,
        };
        let sides = PlainMutex::default();
        Some(Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), sides }))
    }

    /// Somebody more on a side of a pipe; `None` if everybody who was there has gone, which is for good.
    pub(super) fn side(self: &Arc<Self>, which: u8, first: bool) -> Option<Arc<Side>> {
        let mut sides = self.sides.lock();
        let place = &mut sides[usize::from(which == CONSUMER)];
        if let Some(side) = place.upgrade() {
            return Some(side);
        }
        if !first {
            return None;
        }
        let side = Arc::new(Side { object: Arc::downgrade(self), which });
        *place = Arc::downgrade(&side);
        Some(side)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what was asked for, if that is possible now.
    pub(super) fn attempt(
        &self,
        who: u64,
        what: u8,
        with: &mut Vec<u8>,
        unconfirmed: &Unconfirmed,
    ) -> Option<Reply> {
        let reply = attempt(&mut self.lock(), who, what, with, unconfirmed);
        self.tell(what, reply.is_some());
        reply
    }

    /// Like [`attempt`](Self::attempt), waiting until it is possible.
    pub(super) fn wait(
        &self,
        who: u64,
        what: u8,
        mut with: Vec<u8>,
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
                return (told::NOT_YET, Vec::new());
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

    /// A connection has ended: what it was given and has not confirmed is taken back.
    pub(super) fn leave(&self, who: u64, given: Option<Given>) {
        match (&mut *self.lock(), given) {
            (State::Queue { items, .. }, Some(Given::Item(item))) => items.push_front(item),
            (State::Lock { holder, died }, given) if *holder == Some(who) => {
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

fn number(with: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(*with.first_chunk()?))
}

/// `None` if it has to wait.
fn attempt(
    state: &mut State,
    who: u64,
    what: u8,
    with: &mut Vec<u8>,
    unconfirmed: &Unconfirmed,
) -> Option<Reply> {
    let done = Some((told::DONE, Vec::new()));
    let refused = Some((told::REFUSED, Vec::new()));
    match (state, what) {
        (State::Queue { closed: true, .. } | State::Queue { no_consumer: true, .. }, ask::PUT) => {
            Some((told::CLOSED, Vec::new()))
        }
        (State::Queue { items, capacity, .. }, ask::PUT) => {
            if items.len() >= *capacity {
                return None;
            }
            items.push_back(std::mem::take(with));
            done
        }
        (State::Queue { items, closed, .. }, ask::GET) => match items.pop_front() {
            Some(item) => {
                *unconfirmed.lock() = Some(Given::Item(item.clone()));
                Some((told::DONE, item))
            }
            None => closed.then_some((told::CLOSED, Vec::new())),
        },
        (State::Queue { items, .. }, ask::LENGTH) => {
            Some((told::DONE, (items.len() as u64).to_le_bytes().to_vec()))
        }
        (State::Queue { closed, .. }, ask::CLOSE) => {
            *closed = true;
            done
        }
        (State::Lock { holder, died }, ask::ACQUIRE) => {
            if holder.is_some() {
                return None;
            }
            *holder = Some(who);
            let died = std::mem::take(died);
            *unconfirmed.lock() = Some(Given::Lock { died });
            Some((if died { told::HOLDER_DIED } else { told::DONE }, Vec::new()))
        }
        (State::Lock { holder, .. }, ask::RELEASE) => {
            if *holder != Some(who) {
                return refused;
            }
            *holder = None;
            done
        }
        (State::Event(set), ask::SET | ask::CLEAR) => {
            *set = what == ask::SET;
            done
        }
        (State::Event(set), ask::IS_SET) => Some((told::DONE, vec![u8::from(*set)])),
        (State::Event(set), ask::WAIT) => {
            if *set {
                done
            } else {
                None
            }
        }
        (State::Counter(count), ask::ADD | ask::STORE) => {
            let Some(number) = number(with) else { return refused };
            let before = *count;
            *count = if what == ask::ADD { before.wrapping_add(number) } else { number };
            let told = if what == ask::ADD { *count } else { before };
            Some((told::DONE, told.to_le_bytes().to_vec()))
        }
        (State::Map(map), ask::INSERT) => {
            // The length of the key, the key, the value.
            let Some(length) = with.first_chunk().map(|length| u64::from_le_bytes(*length)) else {
                return refused;
            };
            let rest = with.split_off(8);
            let Some((key, value)) = rest.split_at_checked(length as usize) else { return refused };
            Some(
                map.insert(key.to_vec(), value.to_vec())
                    .map_or((told::NOTHING, Vec::new()), |old| (told::DONE, old)),
            )
        }
        (State::Map(map), ask::LOOK_UP) => Some(
            map.get(with).map_or((told::NOTHING, Vec::new()), |value| (told::DONE, value.clone())),
        ),
        (State::Map(map), ask::REMOVE) => {
            Some(map.remove(with).map_or((told::NOTHING, Vec::new()), |value| (told::DONE, value)))
        }
        (State::Map(map), ask::ITEMS) => {
            let items: Vec<_> = map.iter().collect();
            Some(
                postcard::to_stdvec(&items)
                    .map_or((told::REFUSED, Vec::new()), |all| (told::DONE, all)),
            )
        }
        _ => refused,
    }
}
