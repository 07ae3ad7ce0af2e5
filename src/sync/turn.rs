//! Which waiter of a mutex is woken next.
//!
//! Waking a green thread of another worker takes as long as dozens of locks. So the unlocking thread prefers a waiter
//! of its own worker, if one is among the first few; but the first of all is passed over at most [`STREAK`] times. So a
//! lock that many want changes its worker that much less often; and those who are served one after the other queue up
//! in that order again.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Waiter};
use crate::runtime::wait_list::WaitList;

/// How often the first waiter may be passed over for others of the unlocking thread's worker.
const STREAK: u8 = if cfg!(loom) { 1 } else { 16 };
/// How many waiters at the front are searched for one of that worker.
const WINDOW: usize = 8;

#[derive(Debug)]
pub(super) struct LineEntry {
    pub(super) waiter: Waiter,
    /// The waiter was woken once and found the lock taken.
    pub(super) passed_over: bool,
    /// The worker on which it waits, see [`here`].
    pub(super) place: u16,
}

/// A number for the calling OS thread's worker; zero if it is none. Two workers may have the same number, but seldom
/// do.
pub(super) fn here() -> u16 {
    if cfg!(loom) { 1 } else { park::place() }
}

/// What decides which waiter is served when. Only the holder reads and writes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// The worker of the waiter that was woken last.
    pub(super) place: u16,
    /// How often the lock was given back since a waiter's turn.
    pub(super) passes: u8,
    /// How often the first that waits was passed over.
    pub(super) streak: u8,
}

impl Turn {
    pub(super) fn of(packed: u32) -> Self {
        let [low, high, passes, streak] = packed.to_le_bytes();
        Self { place: u16::from_le_bytes([low, high]), passes, streak }
    }

    pub(super) fn packed(self) -> u32 {
        let [low, high] = self.place.to_le_bytes();
        u32::from_le_bytes([low, high, self.passes, self.streak])
    }
}

/// Takes out the waiter that is to be woken.
pub(super) fn choose(
    list: &mut WaitList<LineEntry>,
    here: u16,
    turn: &mut Turn,
) -> Option<LineEntry> {
    let first = list.front()?;
    let mut chosen = None;
    if first.place != here && !first.passed_over && here != 0 && turn.streak < STREAK {
        let mut soon = list.iter().take(WINDOW);
        chosen = soon.find(|(_, entry)| entry.place == here).map(|(key, _)| key);
    }
    turn.streak = if chosen.is_some() { turn.streak + 1 } else { 0 };
    let entry = match chosen {
        Some(key) => list.remove(key),
        None => list.pop_front(),
    };
    turn.place = entry.as_ref().map_or(0, |entry| entry.place);
    entry
}
