//! Metrics as a table for people.
#![forbid(unsafe_code)]

use super::{Metrics, Worker};
use std::fmt;
use std::time::Duration;

/// What is told of each worker in a column of its own.
type TextRow = (&'static str, fn(&Worker) -> String);

const ROWS: &[TextRow] = &[
    ("busy", |worker| format!("{:.0} %", 100.0 * worker.busy)),
    ("live", |worker| worker.live.to_string()),
    ("ready", |worker| worker.ready.to_string()),
    ("queued", |worker| worker.queued.to_string()),
    ("started", |worker| worker.started.to_string()),
    ("ended", |worker| worker.ended.to_string()),
    ("failed", |worker| worker.failed.to_string()),
    ("stolen", |worker| worker.stolen.to_string()),
    ("resumed", |worker| worker.resumed.to_string()),
    ("yielded", |worker| worker.yielded.to_string()),
    ("parked", |worker| worker.parked_in_all().to_string()),
    ("rested", |worker| worker.rested.to_string()),
    ("woken by others", |worker| worker.woken_by_others.to_string()),
    ("wait for a turn, median", |worker| time(worker.latency.quantile(0.5))),
    ("99 of 100", |worker| time(worker.latency.quantile(0.99))),
    ("looks for readiness", |worker| worker.polls.to_string()),
    ("ready at each", |worker| format!("{:.1}", worker.events.mean())),
    ("sleeps", |worker| worker.sleeps.to_string()),
    ("timers", |worker| worker.timers.to_string()),
    ("timers fired", |worker| worker.timers_fired.to_string()),
    ("stacks used", |worker| worker.stacks.used.to_string()),
    ("stacks free", |worker| (worker.stacks.hot + worker.stacks.cold).to_string()),
    ("MiB mapped for stacks", |worker| (worker.stacks.mapped >> 20).to_string()),
];

fn time(nanos: u64) -> String {
    if nanos == 0 { "-".into() } else { format!("<{:.0?}", Duration::from_nanos(nanos)) }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().unwrap_or("a current-thread runtime");
        writeln!(f, "{name}: {} green threads", self.alive)?;
        for (title, text) in ROWS {
            write!(f, "{title:>24}")?;
            self.workers.iter().try_for_each(|worker| write!(f, " {:>12}", text(worker)))?;
            writeln!(f)?;
        }
        let parked = self.total().parked;
        let mut parked: Vec<_> = parked.into_iter().collect();
        parked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (reason, count) in parked {
            writeln!(f, "waited for {reason}: {count}")?;
        }
        for pool in self.blocking.iter().filter(|pool| pool.threads != 0) {
            let (name, threads, idle, queued) = (pool.name, pool.threads, pool.idle, pool.queued);
            writeln!(f, "OS threads for {name}: {threads}, {idle} idle; {queued} calls wait")?;
        }
        Ok(())
    }
}
