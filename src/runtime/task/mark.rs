//! Marks of what threads wait for, by which others that wait for the same thing are found.
#![forbid(unsafe_code)]

use super::task_ref::TaskRef;
use std::sync::atomic::Ordering;

/// Two marks are equal if their waits are for the same thing; seldom also if they are for different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u32);

/// The mark of several things has this bit, and a bit for each of them.
const SEVERAL: u32 = 1 << 31;

impl Mark {
    pub(crate) const NONE: Self = Self(0);

    /// The mark of one thing, whose address does not change while anybody waits for it.
    #[inline]
    pub(crate) fn of<T>(what: &T) -> Self {
        let address = std::ptr::from_ref(what).addr() as u64;
        let mixed = (address >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        Self(mixed as u32 | 1)
    }

    /// The bit of one thing, or the bits of several.
    fn bits(self) -> u32 {
        match self.0 {
            0 => 0,
            several if several & SEVERAL != 0 => several & !SEVERAL,
            one => 1 << ((one >> 1) % 31),
        }
    }

    /// The mark of the things of both.
    pub(crate) fn and(self, other: Self) -> Self {
        match self == Self::NONE {
            true => other,
            false => Self(SEVERAL | self.bits() | other.bits()),
        }
    }

    /// Whether both may have a thing in common, where at least one is the mark of several things.
    pub(crate) fn may_meet(self, other: Self) -> bool {
        (self.0 | other.0) & SEVERAL != 0 && self.bits() & other.bits() != 0
    }
}

impl TaskRef {
    /// The mark of what it waits for, or of what it was woken for and has not come to yet.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.header().mark.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn set_mark(&self, mark: Mark) {
        self.header().mark.store(mark.0, Ordering::Relaxed);
    }

    /// Makes it look whether what it waits for is there, if its wait is open to that.
    pub(crate) fn nudge(&self) -> bool {
        let nudged = self.park_word().nudge();
        if nudged {
            self.make_runnable();
        }
        nudged
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Mark;

    #[test]
    fn those_of_the_same_meet() {
        let things = [0u64; 64];
        let marks: Vec<_> = things.iter().map(Mark::of).collect();
        let others = marks.iter().filter(|mark| **mark != marks[0]).count();
        assert_eq!(others, 63);
        let several = Mark::NONE.and(marks[1]).and(marks[2]).and(marks[3]);
        assert_ne!(several, marks[1]);
        assert!(marks[1..4].iter().all(|mark| several.may_meet(*mark) && mark.may_meet(several)));
        assert_eq!(several, Mark::NONE.and(marks[3]).and(marks[1]).and(marks[2]));
        let met = marks.iter().filter(|mark| several.may_meet(**mark)).count();
        assert!(met < 20, "{met} of 64");
        assert_eq!(Mark::NONE.and(marks[1]), marks[1]);
        assert!(!Mark::NONE.may_meet(several) && !marks[1].may_meet(marks[1]));
    }
}
