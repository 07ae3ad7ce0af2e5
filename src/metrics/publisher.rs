//! Handing the numbers on to whatever collects them.
#![forbid(unsafe_code)]

use super::{Histogram, Metrics, Worker, all};
use ::metrics::{Key, Label, Level, Metadata, Recorder, Unit, with_recorder};
use std::collections::HashMap;

const METADATA: Metadata<'static> =
    Metadata::new("greenthread", Level::INFO, Some("greenthread::metrics"));

/// A number of a worker: its name, what it is, and where it is.
type WorkerNumber<T> = (&'static str, &'static str, fn(&Worker) -> T);

const COUNTERS: &[WorkerNumber<u64>] = &[
    ("greenthread_spawned_total", "Green threads scheduled by the worker", |w| w.spawned),
    ("greenthread_started_total", "Green threads started by the worker", |w| w.started),
    ("greenthread_ended_total", "Green threads that have ended", |w| w.ended),
    ("greenthread_failed_total", "Green threads that panicked or were killed", |w| w.failed),
    ("greenthread_stolen_total", "New green threads taken from other workers", |w| w.stolen),
    ("greenthread_resumed_total", "Turns of green threads", |w| w.resumed),
    ("greenthread_yielded_total", "Turns that ended by giving way", |w| w.yielded),
    ("greenthread_rested_total", "Futures left pending without a stack", |w| w.rested),
    ("greenthread_woken_by_others_total", "Wake-ups by other threads", |w| w.woken_by_others),
    ("greenthread_polls_total", "Looks for readiness", |w| w.polls),
    ("greenthread_sleeps_total", "Sleeps of the worker", |w| w.sleeps),
    ("greenthread_timers_fired_total", "Timers whose time has come", |w| w.timers_fired),
];

const GAUGES: &[WorkerNumber<f64>] = &[
    ("greenthread_live", "Green threads that have started and not ended", |w| w.live as f64),
    ("greenthread_ready", "Green threads that could run", |w| w.ready as f64),
    ("greenthread_queued", "New green threads that wait to be started", |w| w.queued as f64),
    ("greenthread_busy", "Part of the time in which the worker was not asleep", |w| w.busy),
    ("greenthread_timers", "Timers that are set", |w| w.timers as f64),
    ("greenthread_stacks_used", "Stacks of green threads", |w| w.stacks.used as f64),
    ("greenthread_stacks_hot", "Free stacks with memory", |w| w.stacks.hot as f64),
    ("greenthread_stacks_cold", "Free stacks without memory", |w| w.stacks.cold as f64),
    ("greenthread_stacks_mapped_bytes", "Address space of stacks", |w| w.stacks.mapped as f64),
];

const PARKED: &str = "greenthread_parked_total";
const ALIVE: &str = "greenthread_alive";
const LATENCY: &str = "greenthread_latency_seconds";
const EVENTS: &str = "greenthread_ready_at_poll";
const BLOCKING: [&str; 3] = [
    "greenthread_blocking_threads",
    "greenthread_blocking_idle_threads",
    "greenthread_blocking_queued",
];

/// Hands the numbers of all runtimes on to the recorder of the crate [`metrics`](https://docs.rs/metrics) that the program has
/// installed: an exporter for Prometheus, for example.
///
/// The names begin with `greenthread_`, and the labels are `runtime` and `worker`; of `greenthread_parked_total`, also `reason`. Waits
/// for a turn are `greenthread_latency_seconds`, of which each value is told as three quarters of the power of two below which it was.
///
/// There is one for a program, as it knows what of the waits it has handed on already.
///
/// # Examples
/// Before each answer to who scrapes:
/// ```
/// use greenthread::metrics::Publisher;
/// let mut publisher = Publisher::new();
/// publisher.publish();
/// // exporter.render()
/// ```
#[derive(Debug, Default)]
pub struct Publisher {
    /// By runtime and worker, what of their waits and looks has been handed on.
    told: HashMap<(String, usize), (Histogram, Histogram)>,
    described: bool,
}

impl Publisher {
    /// One that has handed on nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands on what the numbers are now. Does not suspend.
    pub fn publish(&mut self) {
        let runtimes = all();
        with_recorder(|recorder| {
            if !std::mem::replace(&mut self.described, true) {
                describe(recorder);
            }
            for runtime in &runtimes {
                self.publish_to(recorder, runtime);
            }
            // They are the same for all.
            for pool in runtimes.iter().take(1).flat_map(|runtime| &runtime.blocking) {
                let numbers = [pool.threads, pool.idle, pool.queued];
                for (name, number) in BLOCKING.into_iter().zip(numbers) {
                    let key = Key::from_parts(name, vec![Label::new("kind", pool.name)]);
                    recorder.register_gauge(&key, &METADATA).set(number as f64);
                }
            }
        });
    }

    fn publish_to(&mut self, recorder: &dyn Recorder, runtime: &Metrics) {
        let name = runtime.name.as_deref().unwrap_or("current-thread").to_string();
        let key = |metric: &'static str, more: Option<Label>| {
            let labels = [Label::new("runtime", name.clone())].into_iter().chain(more);
            Key::from_parts(metric, labels.collect::<Vec<_>>())
        };
        let alive = recorder.register_gauge(&key(ALIVE, None), &METADATA);
        alive.set(runtime.alive as f64);
        for (at, worker) in runtime.workers.iter().enumerate() {
            let key = |metric| key(metric, Some(Label::new("worker", at.to_string())));
            for (metric, _, number) in COUNTERS {
                recorder.register_counter(&key(metric), &METADATA).absolute(number(worker));
            }
            for (metric, _, number) in GAUGES {
                recorder.register_gauge(&key(metric), &METADATA).set(number(worker));
            }
            for (&reason, &count) in &worker.parked {
                let key = key(PARKED).with_extra_labels(vec![Label::new("reason", reason)]);
                recorder.register_counter(&key, &METADATA).absolute(count);
            }
            let (latency, events) = self.told.entry((name.clone(), at)).or_default();
            let nano = 1e-9;
            let hand_on = |metric, now: &Histogram, told: &mut Histogram, unit: f64| {
                let histogram = recorder.register_histogram(&key(metric), &METADATA);
                news(now, told).for_each(|(value, count)| {
                    histogram.record_many(value * unit, count);
                });
                *told = now.clone();
            };
            hand_on(LATENCY, &worker.latency, latency, nano);
            hand_on(EVENTS, &worker.events, events, 1.0);
        }
    }
}

/// What has come since, each value with how many there were of it.
fn news(now: &Histogram, told: &Histogram) -> impl Iterator<Item = (f64, usize)> {
    now.buckets().enumerate().filter_map(|(at, (below, count))| {
        let before = told.counts.get(at).copied().unwrap_or(0);
        // Those that begin again belong to another runtime of that name.
        let new = if count < before { count } else { count - before };
        let value = match below {
            1 => 0.0,
            2 => 1.0,
            below => 0.75 * below as f64,
        };
        (new != 0).then_some((value, new as usize))
    })
}

fn describe(recorder: &dyn Recorder) {
    for (name, text, _) in COUNTERS {
        recorder.describe_counter((*name).into(), Some(Unit::Count), (*text).into());
    }
    for (name, text, _) in GAUGES {
        recorder.describe_gauge((*name).into(), None, (*text).into());
    }
    recorder.describe_counter(
        PARKED.into(),
        Some(Unit::Count),
        "Waits of green threads, by what they were for".into(),
    );
    recorder.describe_gauge(
        ALIVE.into(),
        Some(Unit::Count),
        "Green threads that have been scheduled and have not ended".into(),
    );
    recorder.describe_histogram(
        LATENCY.into(),
        Some(Unit::Seconds),
        "How long green threads that could run waited for their turn".into(),
    );
    recorder.describe_histogram(
        EVENTS.into(),
        Some(Unit::Count),
        "How many sockets and the like were ready at a look".into(),
    );
    let texts = ["OS threads for what blocks", "Those with nothing to do", "Calls that wait"];
    for (name, text) in BLOCKING.into_iter().zip(texts) {
        recorder.describe_gauge(name.into(), Some(Unit::Count), text.into());
    }
}
