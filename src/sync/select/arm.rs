//! The arms of a `select!`, and the wait for the first of several.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Mark, Parker, Reason, Waiter, Wake};
use crate::sync::channel::Ticket;
use crate::sync::patience::Patience;
use crate::sys::clock;
use crate::sys::random::Numbers;
use crate::sys::time::deadline_after;
use crate::util::dropping::drop_each;
use crate::util::sync::mutated;
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What an arm needs to reach the `select!` that waits.
#[derive(Debug)]
pub struct Registration {
    pub(super) waiter: Waiter,
    pub(super) ticket: Arc<Ticket>,
    /// The common mark of all that its arms wait for at gates.
    mark: Cell<Mark>,
}

impl Registration {
    /// Registers a single arm, which has the number zero.
    pub(crate) fn new(waiter: Waiter) -> Self {
        Self { waiter, ticket: Arc::new(Ticket::new()), mark: Cell::new(Mark::NONE) }
    }

    /// Notes that an arm waits for what has this mark, too.
    pub(super) fn add_mark(&self, mark: Mark) {
        self.mark.set(self.mark.get().and(mark));
    }

    /// The common mark of all that its arms wait for at gates; none if no arm waits at a gate.
    pub(crate) fn mark(&self) -> Mark {
        self.mark.get()
    }

    /// The waiter that wakes the `select!`.
    pub(crate) fn waiter(&self) -> Waiter {
        self.waiter.clone()
    }

    /// From here on no other side can complete the `select!`. Returns whether one has.
    pub(crate) fn close(&self) -> bool {
        self.ticket.close().is_some()
    }
}

/// One thing that a `select!` waits for.
pub trait Arm {
    /// Completes the arm, if that is possible without waiting; returns whether it was.
    fn attempt(&mut self) -> bool;
    /// Joins those who wait for what the arm waits for.
    fn register(&mut self, with: &Registration, index: usize);
    /// Whether an attempt may succeed now. `with` is the registration of the arm; without one, the arm is watched.
    fn is_ready(&self, with: Option<&Registration>) -> bool;
    /// Leaves those who wait.
    fn unregister(&mut self);
    /// Asked when the other side has completed the arm, and the arm has left those who wait: whether it really is
    /// complete. A sender may have broken its promise of an item.
    fn has_come(&self) -> bool {
        true
    }
    /// Called when the `select!` is over. An arm that did not win passes on what was meant for it.
    fn settle(&mut self, won: bool);
    /// Begins to notice whether the arm becomes ready, until `unwatch`. Nobody gives anything to an arm that only
    /// watches.
    fn watch(&mut self);
    /// Whether the arm has been ready since `watch`, even if it is not any more.
    fn has_changed(&self) -> bool;
    /// Ends what `watch` began.
    fn unwatch(&mut self);
    /// Called when an interruption ends the `select!`: drops the user's values that the arm holds and does not give back.
    fn drop_item(&mut self) {}
    /// When the arm will be ready by itself, without being notified.
    fn due(&self) -> Option<Instant> {
        None
    }
}

/// What a `select!` does when no arm can be completed.
#[derive(Clone, Copy, Debug)]
pub enum Otherwise {
    /// Wait.
    Wait,
    /// Take the default arm at once.
    Now,
    /// Take the default arm after that time.
    After(Duration),
}

/// Which arm wins if several are ready.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Each is as likely to win as the others.
    Fair,
    /// The first.
    Biased,
}

/// An arm and its number.
type Numbered<'a> = (usize, &'a mut dyn Arm);

fn settle(arms: &mut [Numbered<'_>], winner: usize) -> usize {
    for (number, arm) in arms {
        arm.settle(*number == winner);
    }
    winner
}

/// While this lives, an unwind ends the `select!` as an interruption would.
struct Unsettled<'a, 'b>(&'a mut [Numbered<'b>]);

impl Drop for Unsettled<'_, '_> {
    fn drop(&mut self) {
        settle(self.0, usize::MAX);
        // Each panic is caught: one that left this destructor would end the process.
        drop_each(self.0.iter_mut().map(|(_, arm)| || arm.drop_item()));
    }
}

/// Puts the arms into a random order, in which each order is equally likely.
fn shuffle(arms: &mut [Numbered<'_>]) {
    let mut random = Numbers::new();
    for last in (1..arms.len()).rev() {
        arms.swap(last, random.below(last + 1));
    }
}

/// Whether there was a moment when none of the arms was ready.
///
/// Looking at one arm after the other does not prove that: an item may go from one channel to another in between. So
/// all are watched first, then looked at, and then asked whether anything has come since. If nothing has, none was
/// ready when the first was asked: what had been there before was gone when it was looked at, and nothing has come
/// since.
fn none_was_ready(arms: &mut [Numbered<'_>]) -> bool {
    if mutated("a select gives up after its attempts") {
        return true;
    }
    arms.iter_mut().for_each(|(_, arm)| arm.watch());
    let is_ready = |(_, arm): &Numbered<'_>| {
        park::dawdle();
        arm.is_ready(None)
    };
    let none = !arms.iter().any(is_ready) && !arms.iter().any(|(_, arm)| arm.has_changed());
    arms.iter_mut().for_each(|(_, arm)| arm.unwatch());
    none
}

/// Completes one arm and returns its number. The number of the default arm is the number of the other arms.
pub fn wait(arms: &mut [Numbered<'_>], order: Order, otherwise: Otherwise) -> usize {
    let winner = wait_holding(arms, order, otherwise);
    // This comes first: nobody else may run between the attempts, nor while the arms hold what they got.
    park::spend_budget_holding();
    winner
}

fn wait_holding(arms: &mut [Numbered<'_>], order: Order, otherwise: Otherwise) -> usize {
    let count = arms.len();
    let deadline = match otherwise {
        Otherwise::After(timeout) => deadline_after(timeout),
        Otherwise::Wait | Otherwise::Now => None,
    };
    let mut patience = Patience::default();
    loop {
        // The order of joining matters too: the other side of a rendezvous takes the arm that joined first.
        if matches!(order, Order::Fair) {
            shuffle(arms);
        }
        let attempt = |(number, arm): &mut Numbered<'_>| {
            park::dawdle();
            arm.attempt().then_some(*number)
        };
        // A future, or the user's order of a queue's items, may unwind.
        let unsettled = Unsettled(arms);
        let winner = unsettled.0.iter_mut().find_map(attempt);
        std::mem::forget(unsettled);
        if let Some(winner) = winner {
            return settle(arms, winner);
        }
        let over = || deadline.is_some_and(|at| at <= clock::now());
        if matches!(otherwise, Otherwise::Now) || over() {
            // For a single arm, one attempt proves it.
            if count <= 1 || none_was_ready(arms) {
                return settle(arms, count);
            }
            continue;
        }
        if patience.again_holding() {
            continue;
        }
        let parker = Parker::new();
        let with = Registration::new(parker.waiter());
        for (number, arm) in arms.iter_mut() {
            arm.register(&with, *number);
        }
        let mut killed = false;
        if !arms.iter().any(|(_, arm)| arm.is_ready(Some(&with))) {
            let until = arms.iter().filter_map(|(_, arm)| arm.due()).chain(deadline).min();
            // A nudge leads to one more round, as a notification does.
            let wake = parker.park_open(with.mark(), Reason::Select, until, None);
            killed = wake == Some(Wake::Killed);
        }
        let completed = with.ticket.close();
        for (_, arm) in arms.iter_mut() {
            arm.unregister();
        }
        let has_come = |index| arms.iter().any(|(number, arm)| *number == index && arm.has_come());
        if let Some(index) = completed.filter(|index| has_come(*index)) {
            // The other side has gone on already, so a kill waits until the next suspension point.
            return settle(arms, index);
        }
        if killed {
            settle(arms, count);
            // They are not left to the unwind, in which a destructor that panics would end the process.
            drop_each(arms.iter_mut().map(|(_, arm)| || arm.drop_item()));
            park::raise_kill();
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::{Arm, Order, Otherwise, Registration, wait};
    use crate::runtime::park;
    use crate::sync::gate::Gate;
    use crate::sync::mpmc::{Receiver, Sender, bounded};
    use crate::sync::select::promise::PromiseArm;
    use crate::sync::select::{RecvFrom, SendTo};
    use crate::util::sync::{AtomicBool, Ordering};
    use loom::thread;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    /// An empty channel for a single use.
    fn fresh(capacity: usize) -> (Sender<u8>, Receiver<u8>) {
        let (sender, receiver) = bounded(capacity);
        assert_eq!(sender.try_send(0).is_ok(), capacity > 0);
        let _ = receiver.try_recv();
        drop((sender.clone(), receiver.clone()));
        (sender, receiver)
    }

    /// Receives from the first channel that has something. Returns the number of the arm, or 2 if it gives up.
    fn receive(a: &Receiver<u8>, b: &Receiver<u8>, otherwise: Otherwise) -> usize {
        let (mut from_a, mut from_b) =
            (a.use_a_receiver_of_greenthread_sync(), b.use_a_receiver_of_greenthread_sync());
        // Any order would do, but it must be the same in each run of the model.
        wait(&mut [(0, &mut from_a), (1, &mut from_b)], Order::Biased, otherwise)
    }

    /// A condition that is only a flag.
    struct Flag<'a> {
        of: &'a (AtomicBool, Gate),
        since: u64,
    }

    impl Arm for Flag<'_> {
        fn attempt(&mut self) -> bool {
            self.of.0.load(Ordering::SeqCst)
        }

        fn register(&mut self, _: &Registration, _: usize) {}

        fn is_ready(&self, _: Option<&Registration>) -> bool {
            self.of.0.load(Ordering::SeqCst)
        }

        fn unregister(&mut self) {}

        fn settle(&mut self, _: bool) {}

        fn watch(&mut self) {
            self.since = self.of.1.watch();
        }

        fn has_changed(&self) -> bool {
            self.of.1.has_changed(self.since)
        }

        fn unwatch(&mut self) {
            self.of.1.unwatch();
        }
    }

    fn flag(set: bool) -> (AtomicBool, Gate) {
        let flag = (AtomicBool::new(set), Gate::new());
        flag.1.watch();
        flag.1.unwatch();
        assert_eq!(flag.0.load(Ordering::SeqCst), set);
        flag
    }

    #[test]
    fn one_that_gives_up_saw_a_moment_when_no_arm_was_ready() {
        loom::model(|| {
            let flags = Arc::new((flag(false), flag(true)));
            let mover = {
                let flags = Arc::clone(&flags);
                thread::spawn(move || {
                    flags.0.0.store(true, Ordering::SeqCst);
                    flags.0.1.notify_one();
                    flags.1.0.store(false, Ordering::SeqCst);
                })
            };
            let (mut a, mut b) = (Flag { of: &flags.0, since: 0 }, Flag { of: &flags.1, since: 0 });
            let winner = wait(&mut [(0, &mut a), (1, &mut b)], Order::Biased, Otherwise::Now);
            assert_ne!(winner, 2);
            mover.join().unwrap();
        });
    }

    /// A `select!` is killed when it is notified. Another receiver of that channel is notified.
    #[test]
    fn a_killed_one_passes_the_notification_on() {
        loom::model(|| {
            let ((into_a, a), (_into_b, b)) = (fresh(2), fresh(2));
            let doomed = park::own_task();
            let patient = {
                let a = a.clone();
                thread::spawn(move || a.recv().unwrap())
            };
            let other = {
                let into_a = into_a.clone();
                thread::spawn(move || {
                    doomed.kill();
                    into_a.try_send(1).unwrap();
                })
            };
            let select = || receive(&a, &b, Otherwise::Wait);
            if let Ok(winner) = catch_unwind(AssertUnwindSafe(select)) {
                assert_eq!(winner, 0);
                into_a.try_send(1).unwrap();
            }
            assert_eq!(patient.join().unwrap(), 1);
            other.join().unwrap();
        });
    }

    /// A `Select` has chosen to send and breaks its promise. The receiver waits for the next item.
    #[test]
    fn a_broken_promise_costs_the_receiver_nothing() {
        for capacity in [0, 1] {
            loom::model(move || {
                let (sender, receiver) = fresh(capacity);
                let other = thread::spawn(move || receiver.recv().unwrap());
                let mut promise = PromiseArm::new(&sender.chan);
                let winner = wait(&mut [(0, &mut promise)], Order::Biased, Otherwise::Now);
                drop(promise);
                sender.send(u8::from(winner == 0)).unwrap();
                assert_eq!(other.join().unwrap(), u8::from(winner == 0));
            });
        }
    }

    /// A `Select` has chosen to send and breaks its promise. Its room is free, though nobody receives.
    #[test]
    fn a_broken_promise_keeps_no_room() {
        loom::model(|| {
            let (sender, receiver) = fresh(1);
            let other = {
                let sender = sender.clone();
                thread::spawn(move || sender.send(1).unwrap())
            };
            let mut promise = PromiseArm::new(&sender.chan);
            wait(&mut [(0, &mut promise)], Order::Biased, Otherwise::Now);
            drop(promise);
            other.join().unwrap();
            assert_eq!((receiver.len(), receiver.try_recv()), (1, Ok(1)));
        });
    }

    /// At a rendezvous, a `select!` is killed that has met a sender. Either somebody receives the item, or the sender
    /// still has it.
    #[test]
    fn a_killed_one_takes_no_item_from_a_hand() {
        loom::model(|| {
            let ((into_a, a), (_into_b, b)) = (fresh(0), fresh(0));
            let doomed = park::own_task();
            let other = thread::spawn(move || {
                doomed.kill();
                into_a.try_send(1).is_ok()
            });
            let select = || receive(&a, &b, Otherwise::Wait);
            let got = catch_unwind(AssertUnwindSafe(select));
            let sent = other.join().unwrap();
            assert!(!sent || got.is_ok_and(|winner| winner == 0));
        });
    }

    /// A `send_from` is killed. Its item is in its place again, or was received.
    #[test]
    fn a_killed_sender_has_its_item_back() {
        for capacity in [0, 1] {
            loom::model(move || {
                let (sender, receiver) = fresh(capacity);
                (0..capacity).for_each(|_| sender.try_send(0).unwrap());
                let doomed = park::own_task();
                let other = thread::spawn(move || {
                    doomed.kill();
                    let got: Vec<_> = receiver.try_iter().collect();
                    (got, receiver)
                });
                let mut item = Some(1);
                let sent = catch_unwind(AssertUnwindSafe(|| {
                    let mut arm = sender.use_a_sender_of_greenthread_sync(None, Some(&mut item));
                    wait(&mut [(0, &mut arm)], Order::Biased, Otherwise::Wait);
                    arm.finish().is_ok()
                }));
                let (got, receiver) = other.join().unwrap();
                let received = got.contains(&1) || receiver.try_recv() == Ok(1);
                assert_eq!(received, sent.is_ok_and(|sent| sent));
                assert_eq!(received, item.is_none());
            });
        }
    }
}
