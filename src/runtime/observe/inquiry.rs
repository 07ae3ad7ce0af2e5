//! Asking all hubs of a runtime which of their green threads wait, each on its own OS thread.
#![forbid(unsafe_code)]

use super::blocked::{Blocked, describe};
use super::knot::{self, Waits};
use crate::runtime::hub::scheduler::Scheduler;
use crate::sys::report;
use crate::util::lock::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long the workers have to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// The most green threads that are printed; an error lists them all.
const PRINT_AT_MOST: usize = 100;

/// What the answers are for.
#[derive(Debug)]
pub(super) enum Question {
    /// Nothing can move any more, as far as the hubs know.
    AllAreStuck,
    /// Some of those in these waits may wait for one another, whatever the others do.
    Knots(Waits),
}

/// What the hubs of a runtime share for that.
#[derive(Debug, Default)]
pub(crate) struct Inquiry {
    /// The number of the last question; zero before the first.
    number: AtomicU32,
    /// Whether it is being asked or has been told that all are stuck.
    begun: AtomicBool,
    answers: Mutex<Option<Answers>>,
    /// Those of whom it has been told that they wait for one another.
    told: Mutex<Waits>,
}

#[derive(Debug)]
struct Answers {
    question: Question,
    number: u32,
    begun: Instant,
    missing: usize,
    blocked: Vec<Blocked>,
}

impl Inquiry {
    /// Whether it is being asked or has been told that all are stuck.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// The number of the last question.
    #[inline]
    pub(super) fn number(&self) -> u32 {
        self.number.load(Ordering::Acquire)
    }

    /// Asks all hubs, unless they are being asked.
    pub(super) fn ask(&self, scheduler: &Scheduler, question: Question) {
        {
            let mut answers = self.answers.lock();
            let waits = |all: &Answers| all.begun.elapsed() <= ANSWER_WITHIN;
            if self.has_begun() || answers.as_ref().is_some_and(waits) {
                return;
            }
            self.begun.store(matches!(question, Question::AllAreStuck), Ordering::Relaxed);
            let number = self.number().wrapping_add(1).max(1);
            *answers = Some(Answers {
                question,
                number,
                begun: Instant::now(),
                missing: scheduler.hubs().len(),
                blocked: Vec::new(),
            });
            self.number.store(number, Ordering::Release);
        }
        for hub in scheduler.hubs() {
            hub.wake();
        }
    }

    /// Answers for one hub; the last answer is followed by the report.
    pub(super) fn answer(&self, number: u32, blocked: Vec<Blocked>) {
        let mut answers = self.answers.lock();
        let Some(all) = answers.as_mut().filter(|all| all.number == number) else { return };
        all.blocked.extend(blocked);
        all.missing -= 1;
        if all.missing > 0 {
            return;
        }
        let Some(all) = answers.take() else { return };
        drop(answers);
        match all.question {
            Question::AllAreStuck if all.begun.elapsed() > ANSWER_WITHIN => {
                // Somebody had something to do meanwhile.
                self.begun.store(false, Ordering::Relaxed);
            }
            Question::AllAreStuck => report(format_args!(
                "no green thread of this runtime can run unless another thread wakes one:\n{}",
                describe(&all.blocked, PRINT_AT_MOST)
            )),
            Question::Knots(waits) => {
                let mut told = self.told.lock();
                let mut knots = knot::among(all.blocked, &waits);
                knots.retain(|one| {
                    let id = one.task.id();
                    let wait = waits.get(&id).copied().unwrap_or_default();
                    told.insert(id, wait) != Some(wait)
                });
                if !knots.is_empty() {
                    report(format_args!(
                        "green threads wait for one another, and only a kill can end that:\n{}",
                        describe(&knots, PRINT_AT_MOST)
                    ));
                }
            }
        }
    }
}
