//! The timers of one hub: a hierarchical wheel.
//!
//! It has six levels of 64 slots. A slot of the lowest level is a millisecond long, and a slot of each higher level as
//! long as the whole level below. Setting and cancelling a timer takes constant work; a timer in a high level moves
//! down a few times in its life. Deadlines are exact nanoseconds: timers that share a slot fire in the order of their
//! deadlines, equal ones in the order of their insertion, and none fires early.
#![forbid(unsafe_code)]

const LEVELS: usize = 6;
const SLOTS: usize = 64;
/// How many nanoseconds a slot of the lowest level is long.
const TICK: u64 = 1_000_000;
/// How many ticks ahead the wheel reaches. A timer that is farther ahead waits in the farthest slot and is sorted in
/// again from there.
const HORIZON: u64 = (SLOTS as u64 - 1) << (6 * (LEVELS - 1));
/// If a slot has more timers than this, the wake-up is at the end of the slot, one for many timers.
const EXACT: usize = 8;
/// A timer is announced to `next` when this many timers are still to fire before it, and to `soon` when it is twice as
/// many.
const AHEAD: usize = 8;
/// For how many timers a slot keeps its memory when it becomes empty.
const KEEP: usize = 256;
/// How many larger pieces of memory are kept for whichever slot needs one next.
const SPARE: usize = 16;

/// Identifies a timer until it fires or is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId {
    index: u32,
    order: u64,
}

/// A timer in its slot. The timers of a slot lie side by side, with all that is needed to fire them. Otherwise a look
/// at a hundred thousand timers that are due within a second would cost a cache miss for each.
#[derive(Debug)]
struct TimerEntry<T> {
    deadline: u64,
    /// The order of insertion, which decides between equal deadlines.
    order: u64,
    value: T,
    /// The index of the entry in `places` that says where this timer is.
    index: u32,
}

/// Where a timer is: its slot, and its position in that. If the timer has ended, no entry with the same order is there.
#[derive(Clone, Copy, Debug)]
struct TimerPlace {
    slot: u32,
    at: u32,
}

/// The timers; the text of the module explains the wheel.
#[derive(Debug)]
pub(crate) struct Wheel<T> {
    /// The tick up to which the wheel has turned.
    tick: u64,
    order: u64,
    slots: Box<[Vec<TimerEntry<T>>]>,
    occupied: [u64; LEVELS],
    places: Vec<TimerPlace>,
    /// The indices of unused places.
    free: Vec<u32>,
    /// Memory of slots that once held many timers.
    spare: Vec<Vec<TimerEntry<T>>>,
}

impl<T: Copy> Wheel<T> {
    /// An empty wheel whose time is `now`.
    pub(crate) fn new(now: u64) -> Self {
        Self {
            tick: now / TICK,
            order: 0,
            slots: std::iter::repeat_with(Vec::new).take(LEVELS * SLOTS).collect(),
            occupied: [0; LEVELS],
            places: Vec::new(),
            free: Vec::new(),
            spare: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets a timer for `deadline`, in nanoseconds on the clock of the `now` of the other methods.
    pub(crate) fn insert(&mut self, deadline: u64, value: T) -> TimerId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(TimerPlace { slot: 0, at: 0 });
            (self.places.len() - 1) as u32
        });
        let order = self.order;
        self.order += 1;
        self.link(TimerEntry { deadline, order, value, index });
        TimerId { index, order }
    }

    /// Cancels a timer, if it has not fired.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<T> {
        let TimerPlace { slot, at } = *self.places.get(id.index as usize)?;
        let entries = &mut self.slots[slot as usize];
        if entries.get(at as usize)?.order != id.order {
            return None;
        }
        let entry = entries.swap_remove(at as usize);
        if let Some(moved) = entries.get(at as usize) {
            self.places[moved.index as usize].at = at;
        } else if entries.is_empty() {
            self.occupied[slot as usize / SLOTS] &= !(1 << (slot as usize % SLOTS));
        }
        self.free.push(id.index);
        Some(entry.value)
    }

    /// Frees memory that was needed for many timers; most of it if there are none.
    pub(crate) fn trim(&mut self) {
        self.spare = Vec::new();
        if self.is_empty() {
            self.slots.iter_mut().for_each(|entries| *entries = Vec::new());
            self.places = Vec::new();
            self.free = Vec::new();
        }
    }

    /// Puts an entry into the slot of its deadline, relative to the present tick.
    #[inline]
    fn link(&mut self, entry: TimerEntry<T>) {
        let tick = (entry.deadline / TICK).clamp(self.tick, self.tick + HORIZON);
        // The highest bit in which the tick differs from the present one decides the level. A tick that is beyond the
        // present turn of the top level goes to where that level turns over, and is sorted in again from there.
        let differing = (tick ^ self.tick) | (SLOTS as u64 - 1);
        let level = ((63 - differing.leading_zeros() as usize) / 6).min(LEVELS - 1);
        let slot = level * SLOTS + ((tick >> (6 * level)) as usize & (SLOTS - 1));
        let entries = &mut self.slots[slot];
        self.places[entry.index as usize] =
            TimerPlace { slot: slot as u32, at: entries.len() as u32 };
        if entries.len() == entries.capacity() && entries.len() >= KEEP {
            enlarge(entries, &mut self.spare);
        }
        entries.push(entry);
        self.occupied[level] |= 1 << (slot % SLOTS);
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
            // Of two slots that begin at the same time the one of the higher level goes first, as its timers move to
            // the lower level.
            if best.is_none_or(|(_, _, at)| begin <= at) {
                best = Some((level, slot, begin));
            }
        }
        best
    }

    /// When to look next, in nanoseconds: at the earliest deadline, or later by at most the rest of its millisecond.
    pub(crate) fn next_wake(&self) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        let (level, slot, begin) = self.first_slot()?;
        if level > 0 {
            return Some(begin * TICK);
        }
        let entries = &self.slots[slot];
        if entries.len() > EXACT {
            return Some((begin + 1) * TICK);
        }
        entries.iter().map(|entry| entry.deadline).min()
    }

    /// Turns the wheel to `now` and calls `fire` for every timer whose deadline has passed, in order. Some time before,
    /// `soon` is called for each, and later `next`: these can prefetch what `fire` needs, and `next` can use what
    /// `soon` has prefetched.
    pub(crate) fn advance(
        &mut self,
        now: u64,
        soon: impl Fn(&T),
        next: impl Fn(&T),
        mut fire: impl FnMut(T),
    ) {
        let target = now / TICK;
        while let Some((level, slot, begin)) = self.first_slot() {
            if begin > target {
                break;
            }
            self.tick = begin;
            let mut entries = std::mem::take(&mut self.slots[level * SLOTS + slot]);
            self.occupied[level] &= !(1 << slot);
            if level > 0 {
                // The time of a slot of a higher level has come: its timers move to the levels below.
                entries.drain(..).for_each(|entry| self.link(entry));
                self.keep(level * SLOTS + slot, entries);
                continue;
            }
            entries.sort_unstable_by_key(|entry| (entry.deadline, entry.order));
            let due = entries.partition_point(|entry| entry.deadline <= now);
            entries[..due.min(2 * AHEAD)].iter().for_each(|entry| soon(&entry.value));
            entries[..due.min(AHEAD)].iter().for_each(|entry| next(&entry.value));
            for at in 0..due {
                if let Some(later) = entries[..due].get(at + 2 * AHEAD) {
                    soon(&later.value);
                }
                if let Some(later) = entries[..due].get(at + AHEAD) {
                    next(&later.value);
                }
                self.free.push(entries[at].index);
                fire(entries[at].value);
            }
            entries.drain(..due);
            for (at, entry) in entries.iter().enumerate() {
                self.places[entry.index as usize].at = at as u32;
            }
            let left = !entries.is_empty();
            self.keep(slot, entries);
            if left {
                // Only the slot of the present millisecond keeps timers, which are due later in that millisecond.
                self.occupied[0] |= 1 << slot;
                break;
            }
        }
        self.tick = self.tick.max(target);
    }

    /// Puts back what was taken out of a slot; if that is empty, only a part of its memory.
    fn keep(&mut self, slot: usize, entries: Vec<TimerEntry<T>>) {
        if !entries.is_empty() || entries.capacity() <= KEEP {
            self.slots[slot] = entries;
        } else if self.spare.len() < SPARE {
            self.spare.push(entries);
        }
    }
}

/// Gives a full slot memory that another one needed before, if there is any. To grow by itself takes several steps, and
/// having the system take memory back and give as much again costs as much as everything else that is done for the
/// timers.
#[cold]
fn enlarge<T>(entries: &mut Vec<TimerEntry<T>>, spare: &mut Vec<Vec<TimerEntry<T>>>) {
    if let Some(mut larger) = spare.pop_if(|spare| spare.capacity() > entries.len()) {
        larger.append(entries);
        *entries = larger;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn fired(wheel: &mut Wheel<u32>, now: u64) -> Vec<u32> {
        let mut out = Vec::new();
        wheel.advance(now, |_| {}, |_| {}, |value| out.push(value));
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
    fn one_wake_up_for_many_of_a_millisecond() {
        let mut wheel = Wheel::new(0);
        (0..EXACT as u64).for_each(|at| _ = wheel.insert(3 * TICK + 5 + at, at as u32));
        assert_eq!(wheel.next_wake(), Some(3 * TICK + 5));
        wheel.insert(3 * TICK + 900, 8);
        assert_eq!(wheel.next_wake(), Some(4 * TICK));
        let all: Vec<u32> = (0..=EXACT as u32).collect();
        assert_eq!(fired(&mut wheel, 4 * TICK), all);
    }

    #[test]
    fn memory_of_slots_that_held_many_serves_others_until_it_is_trimmed() {
        const MANY: u32 = 4 * KEEP as u32;
        let mut wheel = Wheel::new(0);
        (0..MANY).for_each(|n| _ = wheel.insert(3 * TICK + u64::from(n), n));
        assert_eq!(fired(&mut wheel, 4 * TICK), (0..MANY).collect::<Vec<_>>());
        let spare = |wheel: &Wheel<u32>| wheel.spare.iter().map(Vec::capacity).sum::<usize>();
        assert!(spare(&wheel) >= MANY as usize);
        (0..MANY).for_each(|n| _ = wheel.insert(70 * TICK + u64::from(n), n));
        assert_eq!(spare(&wheel), 0, "it is in use again");
        assert_eq!(fired(&mut wheel, 71 * TICK), (0..MANY).collect::<Vec<_>>());
        assert!(spare(&wheel) >= MANY as usize);
        wheel.trim();
        assert_eq!(spare(&wheel), 0);
    }

    #[test]
    fn each_is_announced_twice_before_it_fires() {
        use std::cell::RefCell;
        let mut wheel = Wheel::new(0);
        (0..50).for_each(|n| _ = wheel.insert(TICK + n, n as u32));
        let (soon, next) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
        let mut count = 0;
        let said = |list: &RefCell<Vec<u32>>, value: &u32| list.borrow_mut().push(*value);
        wheel.advance(
            2 * TICK,
            |value| said(&soon, value),
            |value| {
                assert!(soon.borrow().contains(value));
                said(&next, value);
            },
            |value| {
                assert!(next.borrow().contains(&value));
                count += 1;
            },
        );
        let all: Vec<u32> = (0..50).collect();
        assert_eq!((soon.into_inner(), next.into_inner(), count), (all.clone(), all, 50));
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
        assert_eq!(wheel.len(), 1);
        assert!(wheel.next_wake().is_some());
    }

    /// Compares the wheel with a sorted map, over random insertions, cancellations and steps of every size.
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
