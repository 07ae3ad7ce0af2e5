//! Queues as arms of `select!`.
#![forbid(unsafe_code)]

use super::core::{Core, Refused, Store};
use super::error::{GetError, PutError, TryGetError};
use crate::runtime::wait_list::Key;
use crate::sync::gate::Gate;
use crate::sync::select::{Arm, Registration};
use crate::util::dropping::Held;
use std::fmt;

/// How often something became possible, and whether the queue has been shut down. If both are as before, nothing has become possible
/// in between.
pub(super) type Turns = (u64, bool);

/// What arms need of a queue, whatever its order.
pub(super) trait Ends<T> {
    fn attempt_get(&self) -> Result<T, TryGetError>;
    fn attempt_put(&self, item: &mut Option<T>) -> Result<(), Refused>;
    fn may_get(&self) -> bool;
    fn may_put(&self) -> bool;
    /// Changes with each item that is put.
    fn puts(&self) -> Turns;
    /// Changes with each item that is taken.
    fn gets(&self) -> Turns;
    fn item_gate(&self) -> &Gate;
    fn room_gate(&self) -> &Gate;
}

impl<S: Store> Ends<S::Item> for Core<S> {
    fn attempt_get(&self) -> Result<S::Item, TryGetError> {
        self.get_now()
    }

    fn attempt_put(&self, item: &mut Option<S::Item>) -> Result<(), Refused> {
        self.put_from(item)
    }

    fn may_get(&self) -> bool {
        Core::may_get(self)
    }

    fn may_put(&self) -> bool {
        Core::may_put(self)
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

/// A place among those who wait at a gate.
#[derive(Default)]
struct Place {
    key: Option<Key>,
    notified: bool,
}

impl Place {
    fn enter(&mut self, gate: &Gate, with: &Registration) {
        self.key = Some(gate.enter(with.waiter()));
    }

    fn leave(&mut self, gate: &Gate) {
        if let Some(key) = self.key.take() {
            self.notified = !gate.leave(key);
        }
    }

    /// Passes a notification that reached an arm that did not win on to the next waiter.
    fn settle(&self, gate: &Gate, won: bool) {
        if self.notified && !won {
            gate.notify_one();
        }
    }
}

/// The arm of `select!` that takes an item.
pub struct GetArm<'a, T> {
    queue: &'a dyn Ends<T>,
    outcome: Option<Result<T, GetError>>,
    place: Place,
    watched: Option<Turns>,
}

impl<'a, T> GetArm<'a, T> {
    pub(super) fn new(queue: &'a dyn Ends<T>) -> Self {
        Self { queue, outcome: None, place: Place::default(), watched: None }
    }

    /// Returns what the arm that won has taken.
    ///
    /// # Errors
    /// [`GetError`] if the queue has been shut down and nothing is left.
    pub fn finish(self) -> Result<T, GetError> {
        match self.outcome {
            Some(outcome) => outcome,
            None => unreachable!("the arm that won has an item"),
        }
    }
}

impl<T> Arm for GetArm<'_, T> {
    fn attempt(&mut self) -> bool {
        self.outcome = match self.queue.attempt_get() {
            Ok(item) => Some(Ok(item)),
            Err(TryGetError::ShutDown) => Some(Err(GetError)),
            Err(TryGetError::Empty) => None,
        };
        self.outcome.is_some()
    }

    fn register(&mut self, with: &Registration, _: usize) {
        self.place.enter(self.queue.item_gate(), with);
    }

    fn is_ready(&self, _: Option<&Registration>) -> bool {
        self.queue.may_get()
    }

    fn unregister(&mut self) {
        self.place.leave(self.queue.item_gate());
    }

    fn settle(&mut self, won: bool) {
        self.place.settle(self.queue.item_gate(), won);
    }

    fn watch(&mut self) {
        self.watched = Some(self.queue.puts());
    }

    fn has_changed(&self) -> bool {
        self.watched != Some(self.queue.puts())
    }

    fn unwatch(&mut self) {
        self.watched = None;
    }
}

impl<T> fmt::Debug for GetArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetArm").finish_non_exhaustive()
    }
}

/// The arm of `select!` that puts an item.
pub struct PutArm<'a, T> {
    queue: &'a dyn Ends<T>,
    item: Held<Option<T>>,
    /// Where the item goes back to if another arm wins.
    home: Option<&'a mut Option<T>>,
    failure: Held<Option<T>>,
    place: Place,
    watched: Option<Turns>,
}

impl<'a, T> PutArm<'a, T> {
    pub(super) fn new(
        queue: &'a dyn Ends<T>,
        item: Option<T>,
        mut home: Option<&'a mut Option<T>>,
    ) -> Self {
        let item = item.or_else(|| home.as_mut().and_then(|home| home.take()));
        let (item, failure) = (Held::new(item), Held::new(None));
        Self { queue, item, home, failure, place: Place::default(), watched: None }
    }

    /// Returns whether the arm that won has put its item.
    ///
    /// # Errors
    /// [`PutError`], which holds the item, if the queue has been shut down.
    pub fn finish(self) -> Result<(), PutError<T>> {
        self.failure.into_inner().map_or(Ok(()), |item| Err(PutError(item)))
    }
}

impl<T> Arm for PutArm<'_, T> {
    fn attempt(&mut self) -> bool {
        // Without an item, as in `put_from` with an empty `Option`, the arm never wins.
        if self.item.is_none() {
            return false;
        }
        match self.queue.attempt_put(&mut self.item) {
            Ok(()) => true,
            Err(Refused::Full) => false,
            Err(Refused::ShutDown) => {
                *self.failure = self.item.take();
                true
            }
        }
    }

    fn register(&mut self, with: &Registration, _: usize) {
        if self.item.is_some() {
            self.place.enter(self.queue.room_gate(), with);
        }
    }

    fn is_ready(&self, _: Option<&Registration>) -> bool {
        self.item.is_some() && self.queue.may_put()
    }

    fn unregister(&mut self) {
        self.place.leave(self.queue.room_gate());
    }

    fn settle(&mut self, won: bool) {
        self.place.settle(self.queue.room_gate(), won);
        if let (false, Some(home)) = (won, &mut self.home) {
            **home = self.item.take();
        }
    }

    fn watch(&mut self) {
        self.watched = Some(self.queue.gets());
    }

    fn has_changed(&self) -> bool {
        self.item.is_some() && self.watched != Some(self.queue.gets())
    }

    fn unwatch(&mut self) {
        self.watched = None;
    }

    fn drop_item(&mut self) {
        drop(self.item.take());
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
