//! Those who wait to be notified, and who is told instead of one that a notification reached in vain.
//!
//! A waiter that is killed or out of time when a notification reaches it passes that on: as if it had left a moment earlier, so to
//! the next of those who waited when the notification came. Whoever has come since has nothing to do with it. Where the
//! notification was for all, nobody is left to be told.
//!
//! That is seen by numbers, which are given out in the order of coming. Since the line is served from the front, one that was told
//! `number` has a successor only if nobody has found the line empty since it came; and none that came after the last notification.
//!
//! The numbers say a little less than the whole history. Where one leaves the middle of the line between two notifications, each for
//! one, and then the one that the first had told passes it on, somebody may be told that came between the two. Nothing is lost by
//! that: whoever waits for one looks again at what it waits for.
#![forbid(unsafe_code)]

use crate::runtime::park::Waiter;
use crate::runtime::wait_list::{Key, WaitList};
use crate::util::sync::mutated;

#[derive(Debug, Default)]
pub(super) struct Line {
    list: WaitList<(u64, Waiter)>,
    /// How many have ever come.
    came: u64,
    /// How many had come when somebody was last told something.
    told: u64,
    /// The number of the one who last found nobody here.
    first: u64,
}

/// Where a waiter is in the line, or was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    key: Key,
    number: u64,
}

impl Line {
    pub(super) const fn new() -> Self {
        Self { list: WaitList::new(), came: 0, told: 0, first: 0 }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Joins at the end.
    #[inline]
    pub(super) fn enter(&mut self, waiter: Waiter) -> Position {
        let number = self.came;
        self.came += 1;
        if self.list.is_empty() {
            self.first = number;
        }
        Position { key: self.list.push_back((number, waiter)), number }
    }

    /// Leaves; `false` if a notification has come before.
    #[inline]
    pub(super) fn leave(&mut self, position: Position) -> bool {
        self.list.remove(position.key).is_some()
    }

    /// The first, which the caller tells.
    #[inline]
    pub(super) fn tell(&mut self) -> Option<Waiter> {
        self.told = self.came;
        self.list.pop_front().map(|(_, waiter)| waiter)
    }

    /// Whom to tell instead of one that has been told.
    #[cold]
    pub(super) fn tell_instead_of(&mut self, position: Position) -> Option<Waiter> {
        let (front, _) = self.list.front()?;
        let waited = position.number >= self.first && *front < self.told;
        if waited || mutated("a notification ends a wait that began after it") {
            self.list.pop_front().map(|(_, waiter)| waiter)
        } else {
            None
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Line;
    use crate::runtime::park::Parker;

    #[test]
    fn only_those_who_waited_when_it_came_are_told_instead() {
        let mut line = Line::new();
        let parkers: Vec<_> = (0..6).map(|_| Parker::new()).collect();
        let waiter = |number: usize| parkers[number].waiter();
        // One notification, for one.
        let doomed = line.enter(waiter(0));
        let patient = line.enter(waiter(1));
        assert_eq!(line.tell(), Some(waiter(0)));
        assert!(!line.leave(doomed));
        let late = line.enter(waiter(2));
        assert_eq!(line.tell_instead_of(doomed), Some(waiter(1)));
        assert!(!line.leave(patient));
        assert_eq!(line.tell_instead_of(patient), None, "the one that is left came later");
        assert!(line.leave(late) && line.is_empty());
        // Nobody was there but one.
        let doomed = line.enter(waiter(3));
        assert_eq!(line.tell(), Some(waiter(3)));
        let late = line.enter(waiter(4));
        assert_eq!(line.tell_instead_of(doomed), None);
        // Nor is one told who is there when another notification has come, for all.
        assert_eq!((line.tell(), line.tell()), (Some(waiter(4)), None));
        let later = line.enter(waiter(5));
        assert_eq!((line.tell_instead_of(doomed), line.tell_instead_of(late)), (None, None));
        assert!(line.leave(later));
    }
}
