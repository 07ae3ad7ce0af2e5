//! Which of those who wait for a mutex is woken next.
//!
//! Waking a green thread of another worker takes as long as dozens of locks. So the unlocking thread prefers, among the first
//! few that wait, one of its own worker; but it passes over the first of all [`STREAK`] times at most. So a lock that all
//! want goes from worker to worker that much less often, and those who were served one after the other queue up so again.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Waiter};
use crate::runtime::wait_list::WaitList;

/// So often the first is passed over by others of the unlocking thread's worker.
const STREAK: u8 = if cfg!(loom) { 1 } else { 16 };
/// Among so many of the first these are looked for.
const WINDOW: usize = 8;

#[derive(Debug)]
pub(super) struct LineEntry {
    pub(super) waiter: Waiter,
    /// It was woken once and found the lock taken.
    pub(super) passed_over: bool,
    /// On which worker it waits, see [`here`].
    pub(super) place: u16,
}

/// The calling OS thread's worker. Two may have the same number, seldom; zero is none.
pub(super) fn here() -> u16 {
    if cfg!(loom) { 1 } else { park::place() }
}

/// What decides who is served when. Read and written by the holder only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Where the waiter is that was woken last.
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

/// Takes out who is to be woken.
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
