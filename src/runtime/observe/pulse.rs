//! How busy the workers are, and how long something that is ready waits for its turn. To ask this costs next to
//! nothing.
#![forbid(unsafe_code)]

use super::{census, lookout};
use crate::runtime::hub::local::Hub;
use crate::runtime::hub::questions::Step;
use crate::runtime::hub::scheduler::Scheduler;
use crate::sys::clock;
use std::sync::Arc;
use std::time::Duration;

/// A worker of a runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerPulse {
    /// The system's number for its OS thread.
    pub(crate) thread: i32,
    /// How many green threads have started there and not ended.
    pub(crate) live: usize,
    /// How many turns its loop has made.
    pub(crate) turns: u64,
    /// How long it took to answer, and how many green threads were ready to run then; `None` if it has not answered in
    /// time.
    pub(crate) answered: Option<(Duration, usize)>,
}

/// A runtime.
#[derive(Clone, Debug)]
pub(crate) struct RuntimePulse {
    /// The name; `None` for a current-thread runtime.
    pub(crate) name: Option<String>,
    pub(crate) workers: Vec<WorkerPulse>,
}

/// Asks all workers of all runtimes, and waits for at most `patience` for one that does not answer.
pub(crate) fn feel(patience: Duration) -> Vec<RuntimePulse> {
    let ask = |(name, scheduler): (Option<String>, Arc<Scheduler>)| {
        let asked = clock::now();
        let census = census::ask(scheduler.hubs(), move |hub: &Hub, found: &mut Vec<_>| {
            found.push((clock::since(asked), hub.lane().here().ready().len()));
            Step::Answered
        });
        (name, scheduler, census)
    };
    let asked: Vec<_> = lookout::runtimes().into_iter().map(ask).collect();
    let answered = asked.into_iter().map(|(name, scheduler, census)| {
        census.wait(patience, |_| false);
        let workers = scheduler.hubs().iter().zip(census.take()).map(|(hub, answer)| WorkerPulse {
            thread: hub.thread(),
            live: hub.live(),
            turns: hub.turns(),
            answered: answer.and_then(|answer| answer.first().copied()),
        });
        RuntimePulse { name, workers: workers.collect() }
    });
    answered.collect()
}
