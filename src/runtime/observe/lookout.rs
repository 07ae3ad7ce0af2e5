//! The lookout: an OS thread that reports workers that are held up. It is there in every build, without being asked
//! for.
//!
//! A green thread that computes for long, or that waits in something of std's, keeps its OS thread from all others
//! there. The lookout, one for the process, looks now and then at what the workers run. It reports when all workers of
//! a runtime are held up for long, or one behind which others wait that could run. While all workers sleep, it sleeps
//! too, without a limit: a worker that wakes up looks at a word, and wakes the lookout only if that has gone to sleep.
//! A thread that lends itself to a current-thread runtime is a worker too, for the duration of a `run`.
//!
//! It also finds green threads that wait for one another (`knot.rs`), moves tasks that are to start later from workers
//! that are held up to others, and has other threads look for what was meant for one on such a worker (`bypass.rs`).
#![forbid(unsafe_code)]

use super::bypass::Bypass;
use super::deadlock;
use super::inquiry::Inquiry;
use super::knot::Knots;
use crate::runtime::hub::behind::Behind;
use crate::runtime::hub::life::Phase;
use crate::runtime::hub::scheduler::Scheduler;
use crate::runtime::hub::shared::HubShared;
use crate::runtime::lane::alarm;
use crate::runtime::task::TaskRef;
use crate::sys::clock;
use crate::sys::process::{self, PerProcess};
use crate::sys::{report, setting, thread};
use crate::util::lock::Mutex;
use std::fmt::Write;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

/// How long a worker must be held up before that is reported, unless the environment says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many times the lookout looks within that time.
const LOOKS: u32 = 4;
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(5);
/// How often it looks while an awake worker has tasks to start later, or somebody waits for what another one was woken
/// for.
const LOOK_SOON: Duration = Duration::from_millis(20);

/// The milliseconds in `GREENTHREAD_WATCHDOG_MS`, if that is set to a number.
pub(in crate::runtime) fn given() -> Option<Duration> {
    static GIVEN: OnceLock<Option<Duration>> = OnceLock::new();
    *GIVEN.get_or_init(|| setting::number("GREENTHREAD_WATCHDOG_MS").map(Duration::from_millis))
}

/// The patience; `None` if nothing is to be reported.
fn patience() -> Option<Duration> {
    let patience = given().unwrap_or(PATIENCE);
    (!patience.is_zero()).then_some(patience)
}

#[derive(Debug, Default)]
struct Lookout {
    runtimes: Mutex<Vec<WatchedRuntime>>,
}

static LOOKOUT: PerProcess<Lookout> = PerProcess::new();
/// A runtime, and what its workers were last seen doing.
#[derive(Debug)]
struct WatchedRuntime {
    scheduler: Weak<Scheduler>,
    inquiry: Arc<Inquiry>,
    /// The name; `None` for a current-thread runtime.
    name: Option<String>,
    seen: Vec<Option<DoingSince>>,
    told_all: bool,
}

#[derive(Clone, Copy, Debug)]
struct DoingSince {
    doing: u64,
    since: Instant,
    told: bool,
}

/// Has the workers of a runtime watched as long as it exists.
pub(in crate::runtime) fn watch(scheduler: &Arc<Scheduler>, inquiry: &Arc<Inquiry>, name: &str) {
    add(scheduler, inquiry, Some(name.to_string()));
}

/// Has a current-thread runtime watched while the calling thread runs it.
#[derive(Debug)]
pub(in crate::runtime) struct WatchedRun<'a>(&'a Arc<Scheduler>);

impl<'a> WatchedRun<'a> {
    pub(in crate::runtime) fn begin(scheduler: &'a Arc<Scheduler>, inquiry: &Arc<Inquiry>) -> Self {
        add(scheduler, inquiry, None);
        Self(scheduler)
    }
}

impl Drop for WatchedRun<'_> {
    fn drop(&mut self) {
        let is_other =
            |it: &WatchedRuntime| !std::ptr::eq(it.scheduler.as_ptr(), &raw const **self.0);
        LOOKOUT.get(Lookout::default).runtimes.lock().retain(is_other);
    }
}

fn add(scheduler: &Arc<Scheduler>, inquiry: &Arc<Inquiry>, name: Option<String>) {
    let lookout = LOOKOUT.get(Lookout::default);
    let mut runtimes = lookout.runtimes.lock();
    runtimes.retain(|it| it.scheduler.strong_count() > 0);
    runtimes.push(WatchedRuntime {
        scheduler: Arc::downgrade(scheduler),
        inquiry: Arc::clone(inquiry),
        name,
        seen: vec![None; scheduler.hubs().len()],
        told_all: false,
    });
    if alarm::has_thread() {
        // Its workers may be running something already, and may have looked at the word too early.
        alarm::rouse();
    } else if patience().is_some() || deadlock::patience().is_some() || scheduler.has_thieves() {
        // If the thread cannot be started nothing is reported; everything else works.
        if let Ok(handle) = thread::start("gt-lookout", None, move || look(lookout, patience())) {
            alarm::set_thread(handle.thread().clone());
        }
    }
}

/// The runtimes that run green threads now, with their names; current-thread runtimes have none.
#[allow(dead_code, reason = "reports and metrics alone ask")]
pub(crate) fn runtimes() -> Vec<(Option<String>, Arc<Scheduler>)> {
    let runtimes = LOOKOUT.get(Lookout::default).runtimes.lock();
    runtimes.iter().filter_map(|it| Some((it.name.clone(), it.scheduler.upgrade()?))).collect()
}

/// How many OS threads the lookout has: one, or none if it has not started.
pub(in crate::runtime) fn threads() -> usize {
    usize::from(alarm::has_thread())
}

fn look(lookout: &Lookout, patience: Option<Duration>) {
    let deadlock_patience = deadlock::patience();
    let shortest = patience.unwrap_or(PATIENCE).min(deadlock_patience.unwrap_or(PATIENCE));
    let every = (shortest / LOOKS).max(LOOK_AT_LEAST_EVERY);
    let soon = LOOK_SOON.min(every);
    let mut bypass = Bypass::new();
    let mut knots = deadlock_patience.map(Knots::new);
    loop {
        let mut awake = false;
        let slept = alarm::sleep_while_all_do(|| {
            awake = lookout.has(|hub| !hub.is_sleeping());
            awake
                || bypass.owes()
                || alarm::is_contended()
                || knots.as_ref().is_some_and(Knots::owes)
        });
        if let Some(knots) = knots.as_mut().filter(|_| awake || slept) {
            knots.note_movement();
        }
        let is_soon = || {
            alarm::is_contended()
                || bypass.attends()
                || lookout.has(|hub| !hub.is_sleeping() && hub.has_delayed())
        };
        if !alarm::sleep_until(clock::now() + every, is_soon) {
            // It sleeps at least so long, whatever woke it, so that frequent events do not wake it each time.
            std::thread::sleep(soon);
        }
        let mut runtimes = lookout.runtimes.lock();
        runtimes.retain_mut(|watched| match watched.scheduler.upgrade() {
            Some(scheduler) => {
                watched.look(&scheduler, patience);
                true
            }
            None => false,
        });
        let inquiries =
            |it: &WatchedRuntime| Some((it.scheduler.upgrade()?, Arc::clone(&it.inquiry)));
        let all: Vec<_> = runtimes.iter().filter_map(inquiries).collect();
        let held: Vec<_> = runtimes.iter().flat_map(|it| it.held(soon)).collect();
        drop(runtimes);
        if let Some(knots) = &mut knots {
            knots.look(&all);
        }
        bypass.look(alarm::take_contended(), &all, &held);
    }
}

impl Lookout {
    /// Whether `is_so` holds for any worker.
    fn has(&self, is_so: impl Fn(&HubShared) -> bool) -> bool {
        let of_runtime = |watched: &WatchedRuntime| {
            let scheduler = watched.scheduler.upgrade();
            let runs = scheduler.filter(|it| it.phase() == Phase::Running);
            runs.is_some_and(|it| it.hubs().iter().any(|hub| is_so(hub)))
        };
        self.runtimes.lock().iter().any(of_runtime)
    }
}

impl WatchedRuntime {
    /// The workers that have done the same thing for so long.
    fn held(&self, long: Duration) -> Vec<&'static HubShared> {
        let Some(scheduler) = self.scheduler.upgrade() else { return Vec::new() };
        let is_held =
            |seen: &Option<DoingSince>| seen.is_some_and(|seen| clock::since(seen.since) >= long);
        let all = scheduler.hubs().iter().zip(&self.seen);
        all.filter(|(_, seen)| is_held(seen)).map(|(hub, _)| *hub).collect()
    }

    fn look(&mut self, scheduler: &Scheduler, patience: Option<Duration>) {
        if scheduler.phase() == Phase::Running {
            scheduler.rescue_delayed();
        }
        let now = clock::now();
        for (hub, seen) in scheduler.hubs().iter().zip(&mut self.seen) {
            *seen = match (hub.doing(), *seen) {
                (None, _) => None,
                (Some(doing), Some(before)) if before.doing == doing => Some(before),
                (Some(doing), _) => Some(DoingSince { doing, since: now, told: false }),
            };
        }
        let Some(patience) = patience.filter(|_| scheduler.phase() == Phase::Running) else {
            return;
        };
        let held = |seen: &DoingSince| now - seen.since >= patience;
        // If there is only one worker, a green thread that computes may hold up nobody.
        let all =
            self.seen.len() > 1 && self.seen.iter().all(|seen| seen.as_ref().is_some_and(held));
        let tell_all = all && !self.told_all;
        let waits = |at: usize, seen: &DoingSince| {
            let behind = scheduler.waits_behind(at);
            fence(Ordering::SeqCst);
            // If that has changed, what was counted may have waited for just the green thread that has left the worker
            // since.
            (scheduler.hubs()[at].doing() == Some(seen.doing)).then_some(behind)
        };
        let mut behind = Vec::with_capacity(self.seen.len());
        for (at, seen) in self.seen.iter().enumerate() {
            let asks = |seen: &&DoingSince| held(seen) && (tell_all || !seen.told);
            behind.push(seen.as_ref().filter(asks).and_then(|seen| waits(at, seen)));
        }
        let tell_all = tell_all && behind.iter().all(Option::is_some);
        self.told_all = tell_all || (self.told_all && all);
        if !tell_all {
            for (behind, seen) in behind.iter_mut().zip(&self.seen) {
                let told = seen.as_ref().is_some_and(|seen| seen.told);
                *behind = behind.filter(|it| !told && !it.is_nothing());
            }
        }
        if behind.iter().all(Option::is_none) {
            return;
        }
        let tasks = scheduler.tasks();
        let mut text = match tell_all {
            true => format!(
                "all {} workers of runtime '{}' are held up, so that nothing else of it runs:",
                self.seen.len(),
                self.name.as_deref().unwrap_or_default()
            ),
            false => "a worker is held up while others wait for it:".to_string(),
        };
        for (at, seen) in self.seen.iter_mut().enumerate() {
            if let (Some(seen), Some(behind)) = (seen, behind[at]) {
                seen.told = true;
                let hub = scheduler.hubs()[at];
                let worker = match &self.name {
                    Some(name) => format!("worker '{name}-{at}'"),
                    None => "the current-thread runtime".to_string(),
                };
                tell(&mut text, &tasks, &worker, hub, now - seen.since, behind);
            }
        }
        report(format_args!(
            "{text}\n  (What blocks or computes for long is for `greenthread::blocking`, and greenthread's own locks, \
             channels and sockets suspend the green thread only. GREENTHREAD_WATCHDOG_MS says after how many \
             milliseconds this is told, 0 is never.)"
        ));
    }
}

/// Reports a worker that is held up, in one line.
fn tell(
    text: &mut String,
    tasks: &[TaskRef],
    worker: &str,
    hub: &HubShared,
    held: Duration,
    behind: Behind,
) {
    let task = tasks.iter().find(|task| task.runs_on(&hub.lane.mailbox, hub.running()));
    let name = match task {
        Some(task) => format!("green thread '{task}'"),
        None => "a green thread that has just ended".to_string(),
    };
    let thread = hub.thread();
    let what = process::doing_of_thread(thread);
    let _ = write!(
        text,
        "\n  {name} has kept {worker} (OS thread {thread}) for {held:.1?} and {what}; \
         behind it wait {} that have started and could run, and {} that have not",
        behind.started, behind.new
    );
    if behind.readiness {
        text.push_str("; and sockets have news that nobody has fetched");
    }
}
