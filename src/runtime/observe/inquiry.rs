//! Asking all hubs of a runtime which of their green threads wait, each on its own OS thread.
#![forbid(unsafe_code)]

use super::blocked::{Blocked, blocked, describe};
use super::census;
use crate::runtime::hub::local::Hub;
use crate::runtime::hub::questions::Step;
use crate::runtime::hub::scheduler::Scheduler;
use crate::sys::clock;
use crate::sys::report;
use crate::util::lock::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the workers may take to answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How many green threads are printed at most; an error lists them all.
pub(super) const PRINT_AT_MOST: usize = 100;
/// The last line of a report, which says how to find out more.
pub(super) const MORE: &str = "  (The feature `inspect` tells where each of them is, by `greenthread::inspect::dump`. \
    GREENTHREAD_DEADLOCK_MS says after how many milliseconds this is told, 0 is never.)";

/// What the hubs of a runtime share for that.
#[derive(Debug, Default)]
pub(crate) struct Inquiry {
    /// Whether the hubs are being asked, or it has been reported that all are stuck.
    begun: AtomicBool,
    /// When the hubs were asked, if they have not all answered.
    asked: Mutex<Option<Instant>>,
}

impl Inquiry {
    /// Whether the hubs are being asked, or it has been reported that all are stuck.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Asks all hubs, unless they are already being asked. As far as they know, nothing can go on any more.
    pub(super) fn ask(own: &Arc<Self>, scheduler: &Scheduler) {
        let now = clock::now();
        {
            let mut asked = own.asked.lock();
            if own.has_begun() || asked.is_some_and(|since| now - since <= ANSWER_WITHIN) {
                return;
            }
            own.begun.store(true, Ordering::Relaxed);
            *asked = Some(now);
        }
        let own = Arc::clone(own);
        let step = |hub: &Hub, found: &mut Vec<Blocked>| {
            found.extend(blocked(hub));
            Step::Answered
        };
        census::ask(scheduler.hubs(), step).when_done(move |census| {
            // Another question may have been asked since, as the answers took so long.
            let is_last = own.asked.lock().take_if(|since| *since == now).is_some();
            let in_time = clock::since(now) <= ANSWER_WITHIN;
            let blocked: Option<Vec<_>> = census.take().into_iter().collect();
            if is_last {
                own.answered(blocked.filter(|_| in_time));
            }
        });
    }

    /// Takes the answers. There are some if all hubs have answered in time.
    fn answered(&self, blocked: Option<Vec<Vec<Blocked>>>) {
        let Some(blocked) = blocked else {
            // Some hub had something to do meanwhile.
            return self.begun.store(false, Ordering::Relaxed);
        };
        let blocked: Vec<Blocked> = blocked.into_iter().flatten().collect();
        report(format_args!(
            "no green thread of this runtime can run unless another thread wakes one:\n{}\n{MORE}",
            describe(&blocked, PRINT_AT_MOST)
        ));
    }
}
