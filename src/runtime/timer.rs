//! The timers of one hub: a hierarchical wheel.
//!
//! Six levels of 64 slots; a slot of the lowest is a millisecond, a slot of each higher level as long as the whole
//! level below. Setting and cancelling a timer is constant work; a timer in a high level moves down a few times in its
//! life. Deadlines are exact nanoseconds: what shares a slot fires in order of deadline, equal ones in order of
//! insertion, and nothing fires early.
#![forbid(unsafe_code)]

const LEVELS: usize = 6;
const SLOTS: usize = 64;
const NONE: u32 = u32::MAX;
/// Nanoseconds of a slot of the lowest level.
const TICK: u64 = 1_000_000;
/// The wheel's reach in ticks; what is farther waits in the farthest slot and is looked at again.
const HORIZON: u64 = (SLOTS as u64 - 1) << (6 * (LEVELS - 1));
/// In a slot with more timers than this, the wake-up is at the end of the slot: one wake-up for many.
const EXACT: usize = 8;

/// Names a timer until it fires or is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId {
    index: u32,
    order: u64,
}

#[derive(Debug)]
struct Entry<T> {
    deadline: u64,
    /// Insertion order, for equal deadlines.
    order: u64,
    next: u32,
    previous: u32,
    slot: u32,
    value: Option<T>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    /// The tick up to which the wheel has turned.
    tick: u64,
    order: u64,
    len: usize,
    heads: Box<[u32; LEVELS * SLOTS]>,
    occupied: [u64; LEVELS],
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    /// Entries of a slot that is being emptied; kept for its capacity.
    due: Vec<u32>,
}

impl<T> Wheel<T> {
    /// An empty wheel that stands at `now`.
    pub(crate) fn new(now: u64) -> Self {
        Self {
            tick: now / TICK,
            order: 0,
            len: 0,
            heads: Box::new([NONE; LEVELS * SLOTS]),
            occupied: [0; LEVELS],
            entries: Vec::new(),
            free: Vec::new(),
            due: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a timer for `deadline`, in nanoseconds on the clock of `now` elsewhere.
    pub(crate) fn insert(&mut self, deadline: u64, value: T) -> TimerId {
        let entry = Entry {
            deadline,
            order: self.order,
            next: NONE,
            previous: NONE,
            slot: 0,
            value: Some(value),
        };
        self.order += 1;
        self.len += 1;
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as u32
            }
        };
        self.link(id);
        TimerId { index: id, order: self.order - 1 }
    }

    /// Takes a timer away before it fires.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        let entry = self.entries.get_mut(id.index as usize)?;
        if entry.order != id.order {
            return None;
        }
        let value = entry.value.take()?;
        self.unlink(id.index);
        self.release(id.index);
        Some(value)
    }

    fn release(&mut self, id: u32) {
        self.len -= 1;
        self.free.push(id);
        if self.len == 0 && self.entries.len() > 4096 {
            // A burst is over: give its memory back.
            self.entries = Vec::new();
            self.free = Vec::new();
        }
    }

    /// Puts an entry into the slot of its deadline, as seen from the present tick.
    fn link(&mut self, id: u32) {
        let tick =
            (self.entries[id as usize].deadline / TICK).clamp(self.tick, self.tick + HORIZON);
        // The highest bit in which the tick differs from now decides the level. A tick beyond what the top level can
        // hold in its present turn goes where the top level turns over, and is sorted anew from there.
        let differing = (tick ^ self.tick) | (SLOTS as u64 - 1);
        let level = ((63 - differing.leading_zeros() as usize) / 6).min(LEVELS - 1);
        let slot = level * SLOTS + ((tick >> (6 * level)) as usize & (SLOTS - 1));
        let head = self.heads[slot];
        let entry = &mut self.entries[id as usize];
        entry.next = head;
        entry.previous = NONE;
        entry.slot = slot as u32;
        if head != NONE {
            self.entries[head as usize].previous = id;
        }
        self.heads[slot] = id;
        self.occupied[level] |= 1 << (slot % SLOTS);
    }

    fn unlink(&mut self, id: u32) {
        let Entry { next, previous, slot, .. } = self.entries[id as usize];
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        if previous != NONE {
            self.entries[previous as usize].next = next;
        } else {
            self.heads[slot as usize] = next;
            if next == NONE {
                self.occupied[slot as usize / SLOTS] &= !(1 << (slot as usize % SLOTS));
            }
        }
    }

    /// The first slot with timers in it: its level, its index, and the tick at which it begins.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let mut best: Option<(usize, usize, u64)> = None;
        for level in 0..LEVELS {
            let occupied = self.occupied[level];
            if occupied == 0 {
                continue;
            }
            let here = (self.tick >> (6 * level)) as u32 % SLOTS as u32;
            // Slots before the present one belong to the level's next turn.
            let ahead = u64::from(occupied.rotate_right(here).trailing_zeros());
            let slot = (u64::from(here) + ahead) as usize % SLOTS;
            let begin = ((self.tick >> (6 * level)) + ahead) << (6 * level);
            let begin = begin.max(self.tick);
            // Of two that begin together the higher level goes first: what it holds belongs into the lower.
            if best.is_none_or(|(_, _, at)| begin <= at) {
                best = Some((level, slot, begin));
            }
        }
        best
    }

    /// When to look next, in nanoseconds: not after the earliest deadline by more than the rest of its millisecond.
    pub(crate) fn next_wake(&self) -> Option<u64> {
        let (level, slot, begin) = self.first_slot()?;
        if level > 0 {
            return Some(begin * TICK);
        }
        let mut earliest = u64::MAX;
        let mut at = self.heads[slot];
        for _ in 0..EXACT {
            if at == NONE {
                return Some(earliest);
            }
            let entry = &self.entries[at as usize];
            earliest = earliest.min(entry.deadline);
            at = entry.next;
        }
        if at == NONE { Some(earliest) } else { Some((begin + 1) * TICK) }
    }

    /// Turns the wheel to `now` and fires every timer whose deadline has come, in order.
    pub(crate) fn advance(&mut self, now: u64, mut fire: impl FnMut(T)) {
        let target = now / TICK;
        while let Some((level, slot, begin)) = self.first_slot() {
            if begin > target {
                break;
            }
            self.tick = begin;
            if level > 0 {
                self.cascade(level * SLOTS + slot);
                continue;
            }
            let mut due = std::mem::take(&mut self.due);
            let mut at = self.heads[slot];
            let mut left = false;
            while at != NONE {
                let entry = &self.entries[at as usize];
                let next = entry.next;
                if entry.deadline <= now {
                    due.push(at);
                } else {
                    left = true;
                }
                at = next;
            }
            let entries = &self.entries;
            due.sort_unstable_by_key(|&id| {
                (entries[id as usize].deadline, entries[id as usize].order)
            });
            for &id in &due {
                self.unlink(id);
                let value = self.entries[id as usize].value.take();
                self.release(id);
                if let Some(value) = value {
                    fire(value);
                }
            }
            due.clear();
            self.due = due;
            if left {
                // Only the slot of the present millisecond keeps timers; they are later in it than now.
                break;
            }
        }
        self.tick = self.tick.max(target);
    }

    /// Sorts the timers of a higher slot, whose time has come, into the levels below.
    fn cascade(&mut self, slot: usize) {
        let mut at = std::mem::replace(&mut self.heads[slot], NONE);
        self.occupied[slot / SLOTS] &= !(1 << (slot % SLOTS));
        while at != NONE {
            let next = self.entries[at as usize].next;
            self.link(at);
            at = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn fired(wheel: &mut Wheel<u32>, now: u64) -> Vec<u32> {
        let mut out = Vec::new();
        wheel.advance(now, |value| out.push(value));
        out
    }

    #[test]
    fn order_within_and_across_slots() {
        let mut wheel = Wheel::new(0);
        wheel.insert(3 * TICK + 7, 3);
        wheel.insert(3 * TICK + 5, 1);
        wheel.insert(3 * TICK + 5, 2);
        wheel.insert(70 * TICK, 5);
        wheel.insert(4 * TICK, 4);
        assert_eq!(fired(&mut wheel, 3 * TICK + 4), [0u32; 0]);
        assert_eq!(wheel.next_wake(), Some(3 * TICK + 5));
        assert_eq!(fired(&mut wheel, 3 * TICK + 6), [1, 2]);
        assert_eq!(fired(&mut wheel, 1000 * TICK), [3, 4, 5]);
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_wake(), None);
    }

    #[test]
    fn cancelled_ones_never_fire_and_ids_go_stale() {
        let mut wheel = Wheel::new(0);
        let a = wheel.insert(5, 1);
        let b = wheel.insert(5, 2);
        assert_eq!(wheel.cancel(a), Some(1));
        assert_eq!(wheel.cancel(a), None);
        assert_eq!(fired(&mut wheel, 10), [2]);
        assert_eq!(wheel.cancel(b), None);
    }

    #[test]
    fn far_deadlines_and_past_ones() {
        let mut wheel = Wheel::new(5 * TICK);
        wheel.insert(0, 1);
        wheel.insert(u64::MAX, 2);
        assert_eq!(fired(&mut wheel, 5 * TICK), [1]);
        assert_eq!(fired(&mut wheel, (HORIZON + 10) * TICK), [0u32; 0]);
        assert_eq!(fired(&mut wheel, (3 * HORIZON + 10) * TICK), [0u32; 0]);
        assert_eq!(wheel.len, 1);
        assert!(wheel.next_wake().is_some());
    }

    /// Against a sorted map, over random insertions, cancellations and steps of every size.
    #[test]
    fn behaves_as_a_sorted_map() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for round in 0..40 {
            let mut now = random() % (1 << 40);
            let mut wheel = Wheel::new(now);
            let mut model: BTreeMap<(u64, u32), TimerId> = BTreeMap::new();
            let mut count = 0;
            for _ in 0..2000 {
                match random() % 8 {
                    0..5 => {
                        let bits = random() % 44;
                        let deadline = now + random() % (1 << bits);
                        model.insert((deadline, count), wheel.insert(deadline, count));
                        count += 1;
                    }
                    5 => {
                        let nth = (random() as usize) % model.len().max(1);
                        if let Some((&key, &id)) = model.iter().nth(nth) {
                            assert_eq!(wheel.cancel(id), Some(key.1));
                            model.remove(&key);
                        }
                    }
                    _ => {
                        if let Some(wake) = wheel.next_wake() {
                            let earliest = model.first_key_value().unwrap().0.0;
                            assert!(wake / TICK <= earliest / TICK + 1, "round {round}");
                        }
                        let bits = random() % 42;
                        now += random() % (1 << bits);
                        let later = model.split_off(&(now + 1, 0));
                        let want: Vec<u32> = model.keys().map(|key| key.1).collect();
                        model = later;
                        assert_eq!(fired(&mut wheel, now), want, "round {round}");
                    }
                }
            }
        }
    }
}
