//! A line of waiters, and who is notified in place of one that a notification reached in vain.
//!
//! A waiter that is killed or out of time when a notification reaches it passes the notification on, as if it had left
//! a moment earlier: to the next of those who waited when the notification came. Those who have come since have no part
//! in it. Where all were notified, nobody is left.
//!
//! This is decided by numbers, which waiters get in the order in which they come. The line is served from the front. So
//! one with `number` that was notified has a successor only if no waiter has found the line empty since it came; and
//! nobody who came after the last notification is one.
//!
//! The numbers say a little less than the whole history. Suppose that there are two notifications, each for one, that a
//! waiter leaves the middle of the line between them, and that then the first one notified passes its notification on.
//! It may go to a waiter that came between the two. That does no harm, as every waiter looks again.
#![forbid(unsafe_code)]

use crate::runtime::park::Waiter;
use crate::runtime::wait_list::{Key, WaitList};
use crate::util::sync::mutated;

#[derive(Debug, Default)]
pub(super) struct Line {
    list: WaitList<(u64, Waiter)>,
    /// How many waiters have ever come.
    came: u64,
    /// How many had come at the last notification.
    told: u64,
    /// The number of the last waiter that found the line empty.
    first: u64,
}

/// The place of a waiter in the line, valid even when it has left.
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

    /// Leaves; `false` if a notification has come first.
    #[inline]
    pub(super) fn leave(&mut self, position: Position) -> bool {
        self.list.remove(position.key).is_some()
    }

    /// Takes out the first waiter, which the caller notifies.
    #[inline]
    pub(super) fn tell(&mut self) -> Option<Waiter> {
        self.told = self.came;
        self.list.pop_front().map(|(_, waiter)| waiter)
    }

    /// Takes out the waiter to notify in place of one that was notified in vain.
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
        // A single waiter is notified.
        let doomed = line.enter(waiter(0));
        let patient = line.enter(waiter(1));
        assert_eq!(line.tell(), Some(waiter(0)));
        assert!(!line.leave(doomed));
        let late = line.enter(waiter(2));
        assert_eq!(line.tell_instead_of(doomed), Some(waiter(1)));
        assert!(!line.leave(patient));
        assert_eq!(line.tell_instead_of(patient), None, "the one that is left came later");
        assert!(line.leave(late) && line.is_empty());
        // Nobody else was there.
        let doomed = line.enter(waiter(3));
        assert_eq!(line.tell(), Some(waiter(3)));
        let late = line.enter(waiter(4));
        assert_eq!(line.tell_instead_of(doomed), None);
        // Nor is one notified that was there when another notification, for all, has come.
        assert_eq!((line.tell(), line.tell()), (Some(waiter(4)), None));
        let later = line.enter(waiter(5));
        assert_eq!((line.tell_instead_of(doomed), line.tell_instead_of(late)), (None, None));
        assert!(line.leave(later));
    }
}
