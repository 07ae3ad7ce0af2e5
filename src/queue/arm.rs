//! Queues as arms of `select!`.
#![forbid(unsafe_code)]

use super::core::{NotPut, QueueCore, Store};
use super::error::{GetError, PutError, TryGetError};
use crate::sync::gate::Gate;
use crate::sync::select::{Arm, Item, Registration, Side, Waiting};
use crate::util::dropping::Held;
use std::fmt;

/// How often something became possible, and whether the queue has been shut down. If both are as before, nothing has become possible
/// in between.
pub(super) type Turns = (u64, bool);

/// What arms need of a queue, whatever its order.
pub(super) trait Ends<T> {
    fn attempt_get(&self, item: &mut Option<T>) -> Result<(), TryGetError>;
    fn attempt_put(&self, item: &mut Option<T>) -> Result<(), NotPut>;
    fn may_get(&self) -> bool;
    fn may_put(&self) -> bool;
    /// Changes with each item that is put.
    fn puts(&self) -> Turns;
    /// Changes with each item that is taken.
    fn gets(&self) -> Turns;
    fn item_gate(&self) -> &Gate;
    fn room_gate(&self) -> &Gate;
}

impl<S: Store> Ends<S::Item> for QueueCore<S> {
    fn attempt_get(&self, item: &mut Option<S::Item>) -> Result<(), TryGetError> {
        self.get_now(item)
    }

    fn attempt_put(&self, item: &mut Option<S::Item>) -> Result<(), NotPut> {
        self.put_from(item)
    }

    fn may_get(&self) -> bool {
        QueueCore::may_get(self)
    }

    fn may_put(&self) -> bool {
        QueueCore::may_put(self)
    }

    fn puts(&self) -> Turns {
        self.turns().0
    }

    fn gets(&self) -> Turns {
        self.turns().1
    }

    fn item_gate(&self) -> &Gate {
        self.items()
    }

    fn room_gate(&self) -> &Gate {
        self.room()
    }
}

/// The side of those who get.
struct ItemsSide<'a, T>(&'a dyn Ends<T>);

impl<T> Side for ItemsSide<'_, T> {
    fn is_ready(&self, _: Option<&Registration>) -> bool {
        self.0.may_get()
    }

    fn gate(&self) -> Option<&Gate> {
        Some(self.0.item_gate())
    }

    fn arrivals(&self) -> Option<Turns> {
        Some(self.0.puts())
    }
}

/// The side of those who put.
struct RoomSide<'a, T>(&'a dyn Ends<T>);

impl<T> Side for RoomSide<'_, T> {
    fn is_ready(&self, _: Option<&Registration>) -> bool {
        self.0.may_put()
    }

    fn gate(&self) -> Option<&Gate> {
        Some(self.0.room_gate())
    }

    fn arrivals(&self) -> Option<Turns> {
        Some(self.0.gets())
    }
}

/// The arm of `select!` that takes an item.
pub struct GetArm<'a, T> {
    waiting: Waiting<ItemsSide<'a, T>>,
    item: Held<Option<T>>,
}

impl<'a, T> GetArm<'a, T> {
    pub(super) fn new(queue: &'a dyn Ends<T>) -> Self {
        Self { waiting: Waiting::new(ItemsSide(queue)), item: Held::new(None) }
    }

    /// Returns what the arm that won has taken.
    ///
    /// # Errors
    /// [`GetError`] if the queue has been shut down and nothing is left.
    pub fn finish(self) -> Result<T, GetError> {
        self.item.into_inner().ok_or(GetError)
    }
}

impl<T> Arm for GetArm<'_, T> {
    fn attempt(&mut self) -> bool {
        self.waiting.side().0.attempt_get(&mut self.item) != Err(TryGetError::Empty)
    }

    fn register(&mut self, with: &Registration, _: usize) {
        self.waiting.enter(with);
    }

    fn is_ready(&self, with: Option<&Registration>) -> bool {
        self.waiting.side().is_ready(with)
    }

    fn unregister(&mut self) {
        self.waiting.leave();
    }

    fn settle(&mut self, won: bool) {
        self.waiting.settle(won);
    }

    fn watch(&mut self) {
        self.waiting.watch();
    }

    fn has_changed(&self) -> bool {
        self.waiting.has_changed()
    }

    fn unwatch(&mut self) {
        self.waiting.unwatch();
    }
}

impl<T> fmt::Debug for GetArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetArm").finish_non_exhaustive()
    }
}

/// The arm of `select!` that puts an item.
pub struct PutArm<'a, T> {
    waiting: Waiting<RoomSide<'a, T>>,
    item: Item<'a, T>,
    /// The queue has been shut down.
    is_refused: bool,
}

impl<'a, T> PutArm<'a, T> {
    pub(super) fn new(
        queue: &'a dyn Ends<T>,
        item: Option<T>,
        home: Option<&'a mut Option<T>>,
    ) -> Self {
        Self {
            waiting: Waiting::new(RoomSide(queue)),
            item: Item::new(item, home),
            is_refused: false,
        }
    }

    /// Returns whether the arm that won has put its item.
    ///
    /// # Errors
    /// [`PutError`], which holds the item, if the queue has been shut down.
    pub fn finish(mut self) -> Result<(), PutError<T>> {
        match self.is_refused.then(|| self.item.place().take()).flatten() {
            Some(item) => Err(PutError(item)),
            None => Ok(()),
        }
    }
}

impl<T> Arm for PutArm<'_, T> {
    fn attempt(&mut self) -> bool {
        // Without an item, as in `put_from` with an empty `Option`, the arm never wins.
        if !self.item.is_some() {
            return false;
        }
        match self.waiting.side().0.attempt_put(self.item.place()) {
            Ok(()) => true,
            Err(NotPut::Full) => false,
            Err(NotPut::ShutDown) => {
                self.is_refused = true;
                true
            }
        }
    }

    fn register(&mut self, with: &Registration, _: usize) {
        if self.item.is_some() {
            self.waiting.enter(with);
        }
    }

    fn is_ready(&self, with: Option<&Registration>) -> bool {
        self.item.is_some() && self.waiting.side().is_ready(with)
    }

    fn unregister(&mut self) {
        self.waiting.leave();
    }

    fn settle(&mut self, won: bool) {
        self.waiting.settle(won);
    }

    fn watch(&mut self) {
        // Without an item it is never ready.
        if self.item.is_some() {
            self.waiting.watch();
        }
    }

    fn has_changed(&self) -> bool {
        self.waiting.has_changed()
    }

    fn unwatch(&mut self) {
        self.waiting.unwatch();
    }

    fn drop_item(&mut self) {
        self.item.drop_own();
    }
}

impl<T> fmt::Debug for PutArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutArm").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::queue::Queue;
    use crate::sync::select::{Arm, Order, Otherwise, Registration, wait};

    /// An arm that is never ready. While others are tried, watched and looked at, in this order, it calls the functions.
    struct Between<'a>([&'a dyn Fn(); 3]);

    impl Arm for Between<'_> {
        fn attempt(&mut self) -> bool {
            self.0[0]();
            false
        }

        fn register(&mut self, _: &Registration, _: usize) {}

        fn is_ready(&self, _: Option<&Registration>) -> bool {
            self.0[2]();
            false
        }

        fn unregister(&mut self) {}

        fn settle(&mut self, _: bool) {}

        fn watch(&mut self) {
            self.0[1]();
        }

        fn has_changed(&self) -> bool {
            false
        }

        fn unwatch(&mut self) {}
    }

    /// There is always a queue with an item, and one with room; but each is looked at when it is the other.
    #[test]
    fn what_is_moved_from_queue_to_queue_behind_its_back_is_seen() {
        let [a, b] = [(); 2].map(|()| Queue::with_capacity(1));
        let (to_a, to_b) =
            (|| a.put(b.try_get().unwrap()).unwrap(), || b.put(a.try_get().unwrap()).unwrap());
        b.put(1).unwrap();
        let (mut from_a, mut from_b) =
            (a.use_a_queue_of_greenthread_to_get(), b.use_a_queue_of_greenthread_to_get());
        // The first round ends with the item in `a`.
        let calls = std::cell::Cell::new(0);
        let once = |step: &dyn Fn()| {
            calls.set(calls.get() + 1);
            if calls.get() <= 3 {
                step();
            }
        };
        let steps: [&dyn Fn(); 3] = [&|| once(&to_a), &|| once(&to_b), &|| once(&to_a)];
        let mut between = Between(steps);
        let arms: &mut [(usize, &mut dyn Arm)] =
            &mut [(0, &mut from_a), (1, &mut between), (2, &mut from_b)];
        assert_eq!(wait(arms, Order::Biased, Otherwise::Now), 0);
        assert_eq!((calls.get(), from_a.finish()), (3, Ok(1)));
        // Now the one without an item is the one with room.
        calls.set(0);
        a.put(1).unwrap();
        let (mut into_a, mut into_b) = (
            a.use_a_queue_of_greenthread_to_put(Some(2), None),
            b.use_a_queue_of_greenthread_to_put(Some(2), None),
        );
        let steps: [&dyn Fn(); 3] = [&|| once(&to_b), &|| once(&to_a), &|| once(&to_b)];
        let mut between = Between(steps);
        let arms: &mut [(usize, &mut dyn Arm)] =
            &mut [(0, &mut into_a), (1, &mut between), (2, &mut into_b)];
        assert_eq!(wait(arms, Order::Biased, Otherwise::Now), 0);
        assert_eq!((into_a.finish(), a.try_get(), b.try_get()), (Ok(()), Ok(2), Ok(1)));
    }
}
