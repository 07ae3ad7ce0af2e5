//! A call that runs on a pool's thread while a green thread waits for it.
#![forbid(unsafe_code)]

use crate::runtime::task::Waiter;
use crate::util::dropping::drop_quietly;
use crate::util::lock::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Result;

/// A job as the pool sees it.
pub(super) trait Job: Send + Sync {
    /// Runs the job, unless nobody waits for it any more. Returns `false` if it panicked.
    fn run(&self) -> bool;

    /// Whether there is nothing to run.
    fn is_given_up(&self) -> bool;
}

/// A body that becomes its result.
pub(super) struct BlockingCall<F, T>(Mutex<JobStage<F, T>>);

enum JobStage<F, T> {
    Queued(F, Waiter),
    Running(Waiter),
    Done(Result<T>),
    /// Whoever waited has gone, or has taken the result.
    GivenUp,
}

/// The state of a call when it was given up.
pub(super) enum Left<F, T> {
    /// It had not begun, and never runs.
    Body(F),
    /// It runs, and its result will be dropped.
    Running,
    Done(Result<T>),
}

impl<F, T> BlockingCall<F, T> {
    pub(super) fn new(body: F, waiter: Waiter) -> Self {
        Self(Mutex::new(JobStage::Queued(body, waiter)))
    }

    /// Ends the call for the one who waits, and returns what that one has to drop.
    pub(super) fn leave(&self) -> Left<F, T> {
        match std::mem::replace(&mut *self.0.lock(), JobStage::GivenUp) {
            JobStage::Queued(body, _) => Left::Body(body),
            JobStage::Done(result) => Left::Done(result),
            JobStage::Running(_) | JobStage::GivenUp => Left::Running,
        }
    }
}

impl<F: FnOnce() -> T + Send, T: Send> Job for BlockingCall<F, T> {
    fn run(&self) -> bool {
        let body = {
            let mut stage = self.0.lock();
            match std::mem::replace(&mut *stage, JobStage::GivenUp) {
                JobStage::Queued(body, waiter) => {
                    *stage = JobStage::Running(waiter);
                    body
                }
                _ => return true,
            }
        };
        let result = catch_unwind(AssertUnwindSafe(body));
        let good = result.is_ok();
        let mut stage = self.0.lock();
        match std::mem::replace(&mut *stage, JobStage::GivenUp) {
            JobStage::Running(waiter) => {
                *stage = JobStage::Done(result);
                drop(stage);
                waiter.unpark();
            }
            _ => {
                drop(stage);
                drop_quietly(result);
            }
        }
        good
    }

    fn is_given_up(&self) -> bool {
        matches!(&*self.0.lock(), JobStage::GivenUp)
    }
}
