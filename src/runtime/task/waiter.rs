//! The right to end a wait.
#![forbid(unsafe_code)]

use super::foreign;
use super::here::Here;
use super::mailbox::Mailbox;
use super::park_word::Token;
use super::task_ref::TaskRef;
use std::task::Waker;

/// The right to end one wait. Using it late or repeatedly does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiter {
    task: TaskRef,
    token: Token,
}

impl Waiter {
    pub(in crate::runtime) fn new(task: TaskRef, token: Token) -> Self {
        Self { task, token }
    }

    /// Whether it ends that wait of that task.
    #[inline]
    pub(in crate::runtime) fn is_for(&self, task: &TaskRef, token: Token) -> bool {
        self.token == token && self.task == *task
    }

    /// Prefetches the memory that [`unpark`](Self::unpark) touches.
    #[inline(always)]
    pub(in crate::runtime) fn prefetch(&self) {
        self.task.prefetch();
    }

    pub(crate) fn unpark(&self) {
        self.task.unpark(self.token);
    }

    /// Like [`unpark`](Self::unpark), for a caller that has what belongs to its OS thread.
    #[inline(always)]
    pub(in crate::runtime) fn unpark_from(&self, here: &Here) {
        self.task.unpark_from(self.token, here);
    }

    /// Whether it wakes the same task as that waker.
    #[inline]
    pub(in crate::runtime) fn is_of_waker(&self, waker: &Waker) -> bool {
        self.token == Token::ANY && self.task.is_woken_by(waker)
    }

    /// Whether the wait is that of a future, and not of a thread. A future may not be polled any more, or may be
    /// dropped.
    pub(crate) fn is_of_future(&self) -> bool {
        foreign::is_foreign(&self.task)
    }

    /// Whether the thread that waits was given up with its runtime, and never runs again.
    #[allow(dead_code, reason = "patched locks alone ask")]
    pub(crate) fn is_given_up(&self) -> bool {
        self.task.is_leaked()
    }

    /// Whether the thread that waits runs on the hub with that mailbox.
    pub(in crate::runtime) fn is_of(&self, mailbox: &Mailbox) -> bool {
        self.task.is_of(mailbox)
    }
}
