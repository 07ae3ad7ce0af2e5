//! What an arm is, and the wait for the first of several.
#![forbid(unsafe_code)]

use crate::runtime::dropping::drop_each;
use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::sync::channel::Ticket;
use crate::sync::patience::Patience;
use crate::sys::time::{deadline_after, ticks};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How arms reach the waiting `select!`.
#[derive(Debug)]
pub struct Registration {
    pub(super) waiter: Waiter,
    pub(super) ticket: Arc<Ticket>,
}

impl Registration {
    /// For a wait for one arm, which is number zero.
    pub(crate) fn new(waiter: Waiter) -> Self {
        Self { waiter, ticket: Arc::new(Ticket::new()) }
    }

    /// Lets no other side complete it any more; whether one has.
    pub(crate) fn close(&self) -> bool {
        self.ticket.close().is_some()
    }
}

/// One thing that a `select!` waits for.
pub trait Arm {
    /// Completes it, if that is possible without waiting.
    fn attempt(&mut self) -> bool;
    /// Joins those who wait for it.
    fn register(&mut self, with: &Registration, index: usize);
    /// Whether an attempt may succeed now. The arm is registered by what is given, or watched.
    fn is_ready(&self, with: Option<&Registration>) -> bool;
    /// Leaves those who wait for it.
    fn unregister(&mut self);
    /// The `select!` is over. If the arm lost, it passes on what had been meant for it.
    fn settle(&mut self, won: bool);
    /// From here on, until it is not watched any more, it knows whether it becomes ready. Nothing is meant for who watches.
    fn watch(&mut self);
    /// Whether it has been ready since it is watched, even if it is not any more.
    fn has_changed(&self) -> bool;
    /// Ends what `watch` began.
    fn unwatch(&mut self);
    /// An interruption ends the `select!`: drops what the arm has of the user's and does not give back.
    fn drop_item(&mut self) {}
    /// When it will be ready by itself.
    fn due(&self) -> Option<Instant> {
        None
    }
}

/// What to do when no arm can be completed.
#[derive(Clone, Copy, Debug)]
pub enum Otherwise {
    /// Wait.
    Wait,
    /// Take the default arm at once.
    Now,
    /// Take the default arm after that time.
    After(Duration),
}

/// Which of several arms that are ready wins.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Any is as likely to win as the others.
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

/// The next number of SplitMix64. Its seed is the processor's counter, which grows evenly in a loop: a mere product of that
/// would favour an arm for thousands of rounds.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 32) as usize
}

/// Puts the arms into any order, each as likely as the others.
fn shuffle(arms: &mut [Numbered<'_>]) {
    let mut random = ticks();
    for last in (1..arms.len()).rev() {
        arms.swap(last, next(&mut random) % (last + 1));
    }
}

/// Whether there was a moment when none of the arms was ready.
///
/// To look at one after the other does not tell: an item may go from one channel to another behind our back. So all are
/// watched first, then looked at, then asked whether anything has come since they are watched. If not, none was ready when
/// the first was asked: what had been there before was gone when it was looked at, and nothing had come.
fn none_was_ready(arms: &mut [Numbered<'_>]) -> bool {
    arms.iter_mut().for_each(|(_, arm)| arm.watch());
    let is_ready = |(_, arm): &Numbered<'_>| {
        park::dawdle();
        arm.is_ready(None)
    };
    let none = !arms.iter().any(is_ready) && !arms.iter().any(|(_, arm)| arm.has_changed());
    arms.iter_mut().for_each(|(_, arm)| arm.unwatch());
    none
}

/// Completes one arm and returns its number; the number of arms for the default arm.
pub fn wait(arms: &mut [Numbered<'_>], order: Order, otherwise: Otherwise) -> usize {
    let winner = wait_holding(arms, order, otherwise);
    // Not before: nobody else runs between the attempts, nor while the arms have what they got.
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
        // The order of joining counts too: whoever comes to a rendezvous takes the arm that joined first.
        if matches!(order, Order::Fair) {
            shuffle(arms);
        }
        let attempt = |(number, arm): &mut Numbered<'_>| {
            park::dawdle();
            arm.attempt().then_some(*number)
        };
        if let Some(winner) = arms.iter_mut().find_map(attempt) {
            return settle(arms, winner);
        }
        let over = || deadline.is_some_and(|at| at <= Instant::now());
        if matches!(otherwise, Otherwise::Now) || over() {
            // A single attempt speaks for its moment.
            if count <= 1 || none_was_ready(arms) {
                return settle(arms, count);
            }
            continue;
        }
        if patience.again_holding() {
            continue;
        }
        let parker = Parker::new();
        let with = Registration { waiter: parker.waiter(), ticket: Arc::new(Ticket::new()) };
        for (number, arm) in arms.iter_mut() {
            arm.register(&with, *number);
        }
        let mut killed = false;
        if !arms.iter().any(|(_, arm)| arm.is_ready(Some(&with))) {
            let until = arms.iter().filter_map(|(_, arm)| arm.due()).chain(deadline).min();
            killed = parker.park(Reason::Select, until) == Wake::Killed;
        }
        let completed = with.ticket.close();
        for (_, arm) in arms.iter_mut() {
            arm.unregister();
        }
        if let Some(index) = completed {
            // The other side has gone on; a kill waits for the next suspension.
            return settle(arms, index);
        }
        if killed {
            settle(arms, count);
            // Not by the unwind: there a destructor that panics would end the process.
            drop_each(arms.iter_mut().map(|(_, arm)| || arm.drop_item()));
            park::raise_kill();
        }
    }
}
