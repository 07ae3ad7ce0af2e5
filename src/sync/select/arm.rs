//! What an arm is, and the wait for the first of several.
#![forbid(unsafe_code)]

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

/// One thing that a `select!` waits for.
pub trait Arm {
    /// Completes it, if that is possible without waiting.
    fn attempt(&mut self) -> bool;
    /// Joins those who wait for it.
    fn register(&mut self, with: &Registration, index: usize);
    /// Whether an attempt may succeed now. The arm is registered.
    fn is_ready(&self, with: &Registration) -> bool;
    /// Leaves those who wait for it.
    fn unregister(&mut self);
    /// The `select!` is over. If the arm lost, it passes on what had been meant for it.
    fn settle(&mut self, won: bool);
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

fn settle(arms: &mut [&mut dyn Arm], winner: usize) -> usize {
    for (index, arm) in arms.iter_mut().enumerate() {
        arm.settle(index == winner);
    }
    winner
}

/// Completes one arm and returns its index; the number of arms for the default arm.
pub fn wait(arms: &mut [&mut dyn Arm], order: Order, otherwise: Otherwise) -> usize {
    let count = arms.len();
    let deadline = match otherwise {
        Otherwise::After(timeout) => deadline_after(timeout),
        Otherwise::Wait | Otherwise::Now => None,
    };
    let mut patience = Patience::default();
    loop {
        let first = match order {
            Order::Fair => (ticks().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize,
            Order::Biased => 0,
        };
        for index in (0..count).map(|i| (first + i) % count) {
            if arms[index].attempt() {
                return settle(arms, index);
            }
        }
        let over = || deadline.is_some_and(|at| at <= Instant::now());
        if matches!(otherwise, Otherwise::Now) || over() {
            return settle(arms, count);
        }
        if patience.again() {
            continue;
        }
        let parker = Parker::new();
        let with = Registration { waiter: parker.waiter(), ticket: Arc::new(Ticket::new()) };
        for (index, arm) in arms.iter_mut().enumerate() {
            arm.register(&with, index);
        }
        let mut killed = false;
        if !arms.iter().any(|arm| arm.is_ready(&with)) {
            let until = arms.iter().filter_map(|arm| arm.due()).chain(deadline).min();
            killed = parker.park(Reason::Select, until) == Wake::Killed;
        }
        let completed = with.ticket.close();
        for arm in arms.iter_mut() {
            arm.unregister();
        }
        if let Some(index) = completed {
            // The other side has gone on; a kill waits for the next suspension.
            return settle(arms, index);
        }
        if killed {
            settle(arms, count);
            park::raise_kill();
        }
    }
}
