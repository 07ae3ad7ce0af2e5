//! Finding out that nothing can move any more, and reporting who waits for what, and who holds that.
//!
//! A hub is *stuck* if green threads live on it, but none can run, and none waits for a time or for readiness. Then only another
//! thread can wake one. Whether a hub is stuck is looked at when its worker goes to sleep, and costs nothing elsewhere.
//!
//! - On a current-thread runtime whose OS thread is the only one of the process (not counting those of the library that are
//!   idle), nobody can wake a green thread any more: `run` returns the report as an error. Other OS threads are looked for in the
//!   system's own list, and not counted by the library, since one that has never used the library may hold a sender all the
//!   same; and even if all green threads wait for one another's locks, another OS thread may have a handle and kill one. A
//!   signal handler may wake somebody as well.
//! - Otherwise somebody may still come. If nobody has for a while, the report is printed, once for each runtime, and the wait
//!   goes on. Each hub is asked for its part, on its own thread: nobody else may look at its green threads.
#![forbid(unsafe_code)]

use super::{lookout, outside, watchdog};
use crate::runtime::blocking;
use crate::runtime::hub::local::Hub;
use crate::runtime::hub::observer::Observer;
use crate::runtime::hub::scheduler::Phase;
use crate::runtime::task::Reason;
use crate::runtime::task::{Holder, Live, Started, TaskRef};
use crate::sys::{process, report};
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long nothing has to move before that is reported, unless the environment says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// After what time a current-thread runtime looks again for other threads; the time doubles with each look in vain.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// How long the workers have to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// The most green threads that are printed; an error lists them all.
const PRINT_AT_MOST: usize = 100;

/// `None` if nothing is to be printed.
fn patience() -> Option<Duration> {
    static GIVEN: OnceLock<Duration> = OnceLock::new();
    let given = GIVEN.get_or_init(|| {
        let text = std::env::var("GREENTHREAD_DEADLOCK_MS").ok();
        let millis = text.and_then(|text| text.trim().parse().ok());
        millis.map_or(PATIENCE, Duration::from_millis)
    });
    (!given.is_zero()).then_some(*given)
}

/// Finds out that a hub is stuck; a worker is handed one.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What the hubs of its runtime share for that.
    inquiry: Arc<Inquiry>,
    /// Whether the first look at the threads of the process has been taken.
    looked: Cell<bool>,
    /// When to look next, if nothing happens.
    interval: Cell<Duration>,
    /// For how long nothing has happened.
    quiet: Cell<Duration>,
    /// The number of the last question that was answered.
    answered: Cell<u32>,
    found: RefCell<Option<String>>,
}

/// What the hubs of a runtime share to find out that all are stuck.
#[derive(Debug, Default)]
pub(crate) struct Inquiry {
    /// The number of the last question; zero before the first.
    number: AtomicU32,
    /// Whether a question waits for answers, or its report has been printed.
    begun: AtomicBool,
    answers: Mutex<Option<Answers>>,
}

#[derive(Debug)]
struct Answers {
    begun: Instant,
    missing: usize,
    blocked: Vec<Blocked>,
}

/// One green thread that waits.
#[derive(Debug)]
struct Blocked {
    task: TaskRef,
    reason: Reason,
    holder: Option<Holder>,
    stack: Range<usize>,
}

impl Watch {
    pub(crate) fn new(inquiry: Arc<Inquiry>) -> Self {
        Self {
            inquiry,
            looked: Cell::new(false),
            interval: Cell::new(FIRST_LOOK),
            quiet: Cell::new(Duration::ZERO),
            answered: Cell::new(0),
            found: RefCell::new(None),
        }
    }

    /// Whether a deadlock has been found that nothing can end.
    pub(crate) fn has_found(&self) -> bool {
        self.found.borrow().is_some()
    }

    pub(crate) fn take_found(&self) -> Option<String> {
        self.found.take()
    }
}

impl Observer for Watch {
    fn before_sleep(&self, hub: &Hub) -> bool {
        let stuck = hub.lane().is_stuck();
        hub.shared().set_stuck(stuck);
        if !stuck || hub.live() == 0 || hub.scheduler.has_workers() || self.looked.replace(true) {
            return true;
        }
        !self.look_for_others(hub)
    }

    fn look_after(&self, hub: &Hub) -> Option<Duration> {
        let has_workers = hub.scheduler.has_workers();
        let looks = hub.shared().is_stuck()
            && has_blocked(hub)
            && hub.scheduler.phase() == Phase::Running
            && (!has_workers || (patience().is_some() && !self.inquiry.has_begun()));
        looks.then(|| self.interval.get())
    }

    fn after_sleep(&self, hub: &Hub, undisturbed: bool) {
        self.answer(hub);
        let running = hub.scheduler.phase() == Phase::Running;
        if !undisturbed || !running || !hub.shared().is_stuck() {
            return self.quiet.set(Duration::ZERO);
        }
        let wait = patience();
        self.quiet.set(self.quiet.get() + self.interval.get());
        self.interval.set((self.interval.get() * 2).min(wait.unwrap_or(PATIENCE)));
        let scheduler = &hub.scheduler;
        if !scheduler.has_workers() && self.look_for_others(hub) {
            return;
        }
        if wait.is_some_and(|wait| self.quiet.get() >= wait)
            && !outside::is_expected()
            && !self.inquiry.has_begun()
            && scheduler.all_are_stuck(hub)
        {
            self.inquiry.begin(scheduler.hubs().len());
            for other in scheduler.hubs() {
                other.wake();
            }
            self.answer(hub);
        }
    }
}

impl Watch {
    /// Answers for this hub, if it has been asked.
    #[inline]
    fn answer(&self, hub: &Hub) {
        let number = self.inquiry.number.load(Ordering::Acquire);
        if self.answered.replace(number) != number {
            self.inquiry.add(blocked(hub));
        }
    }

    /// On a current-thread runtime: notes a deadlock if no other thread can end it.
    fn look_for_others(&self, hub: &Hub) -> bool {
        let alone = is_alone();
        // A thread that was not there to be counted may have left something before it ended.
        fence(Ordering::SeqCst);
        if hub.scheduler.has_work(hub) {
            return false;
        }
        if alone {
            *self.found.borrow_mut() = Some(describe(&blocked(hub), usize::MAX));
        }
        alone
    }
}

/// How many OS threads only watch.
fn watchdogs() -> usize {
    watchdog::threads() + lookout::threads()
}

/// Whether the process has no OS thread but the caller and those of the library that have nothing to do.
fn is_alone() -> bool {
    if outside::is_expected() {
        return false;
    }
    let idle = || Some(blocking::idle_threads()? + watchdogs() + outside::threads());
    let Some(before) = idle() else { return false };
    let Some(threads) = process::threads() else { return false };
    // A thread that ends meanwhile is in no list, and must not stand for another that is.
    let Some(after) = idle() else { return false };
    threads <= 1 + before.min(after) && !process::handles_signals()
}

impl Inquiry {
    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    fn begin(&self, hubs: usize) {
        let mut answers = self.answers.lock();
        if self.begun.swap(true, Ordering::Relaxed) {
            return;
        }
        *answers = Some(Answers { begun: Instant::now(), missing: hubs, blocked: Vec::new() });
        self.number.fetch_add(1, Ordering::AcqRel);
    }

    fn add(&self, blocked: Vec<Blocked>) {
        let mut answers = self.answers.lock();
        let Some(all) = &mut *answers else { return };
        all.blocked.extend(blocked);
        all.missing -= 1;
        if all.missing == 0 {
            let all = answers.take();
            drop(answers);
            let Some(all) = all else { return };
            if all.begun.elapsed() > ANSWER_WITHIN {
                // Somebody had something to do meanwhile.
                self.begun.store(false, Ordering::Relaxed);
            } else {
                report(format_args!(
                    "no green thread of this runtime can run unless another thread wakes one:\n{}",
                    describe(&all.blocked, PRINT_AT_MOST)
                ));
            }
        }
    }
}

/// Whether any green thread of the hub waits for what somebody is to do.
fn has_blocked(hub: &Hub) -> bool {
    let waits = |live: Live| live.with(TaskRef::reason) != Reason::Task;
    hub.lane().roster.borrow().iter().any(waits)
}

fn blocked(hub: &Hub) -> Vec<Blocked> {
    let one = |live: Live| Blocked {
        task: live.task(),
        reason: live.with(TaskRef::reason),
        holder: live.started().and_then(Started::holder),
        stack: live.started().map_or(0..0, Started::stack_range),
    };
    let all: Vec<_> = hub.lane().roster.borrow().iter().map(one).collect();
    all.into_iter().filter(|one| one.reason != Reason::Task).collect()
}

/// Who holds up which wait.
struct Holders<'a>(Vec<&'a Blocked>);

impl<'a> Holders<'a> {
    fn among(blocked: &'a [Blocked]) -> Self {
        let mut by_stack: Vec<&Blocked> = blocked.iter().collect();
        by_stack.sort_by_key(|one| one.stack.start);
        Self(by_stack)
    }

    /// Who holds up the wait of `one`, if that is known: the task that it joins, or the one that has the lock's holder on its stack.
    fn of(&self, one: &'a Blocked) -> Option<&'a TaskRef> {
        match one.holder.as_ref()? {
            Holder::Task(task) => Some(task),
            Holder::Stack(address) => {
                let after = self.0.partition_point(|other| other.stack.start <= *address);
                let other = self.0.get(after.checked_sub(1)?)?;
                other.stack.contains(address).then_some(&other.task)
            }
        }
    }
}

/// A line for each of them; a single one for those that wait for the same thing, are held up by the same, and have no names.
fn describe(blocked: &[Blocked], most: usize) -> String {
    let holders = Holders::among(blocked);
    let mut lines: Vec<(String, Vec<&Blocked>)> = Vec::new();
    let mut known = HashMap::new();
    for one in blocked {
        let holder = holders.of(one);
        let waits = match (holder, one.reason) {
            (Some(task), Reason::Join) => format!("the end of {}", Name(task)),
            (Some(task), reason) if *task == one.task => {
                format!("{} that it holds itself", reason.text())
            }
            (Some(task), reason) => format!("{} held by {}", reason.text(), Name(task)),
            (None, reason) => reason.text().to_string(),
        };
        let key = (one.task.name().map(str::to_string), waits.clone());
        let at = *known.entry(key).or_insert(lines.len());
        if at == lines.len() {
            lines.push((waits, Vec::new()));
        }
        lines[at].1.push(one);
    }
    let mut text = String::new();
    for (waits, all) in lines.iter().take(most) {
        let first = Name(&all[0].task);
        let _ = match all.len() {
            1 => writeln!(text, "  {first} waits for {waits}"),
            count => writeln!(text, "  {first} and {} more like it wait for {waits}", count - 1),
        };
    }
    if let Some(rest) = lines.get(most..)
        && !rest.is_empty()
    {
        let more: usize = rest.iter().map(|(_, all)| all.len()).sum();
        let _ = writeln!(text, "  and {more} more");
    }
    text.truncate(text.trim_end().len());
    text
}

struct Name<'a>(&'a TaskRef);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.0.is_green() { "green thread" } else { "OS thread" };
        write!(f, "{kind} '{}' ({})", self.0, self.0.id())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::runtime::Runtime;
    use crate::runtime::hub::current;
    use crate::runtime::task::Reason;
    use crate::sync::{Arc, Mutex, Once, ReentrantMutex, RwLock};
    use crate::{JoinHandle, sleep, thread, yield_now};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// What every green thread of the hub waits for, and the name of who holds that up.
    fn waits() -> Vec<(String, Reason, Option<String>)> {
        let name = |task: &crate::runtime::task::TaskRef| task.name().unwrap_or("?").to_string();
        current::with_hub(|hub| {
            let blocked = super::blocked(hub);
            let holders = super::Holders::among(&blocked);
            let wait = |at: usize| {
                let one = &blocked[at];
                (name(&one.task), one.reason, holders.of(one).map(name))
            };
            let mut waits: Vec<_> =
                (0..blocked.len()).map(wait).filter(|wait| wait.0 != "main").collect();
            waits.sort_by(|a, b| a.0.cmp(&b.0));
            waits
        })
        .unwrap()
    }

    fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        let handle = thread::Builder::new().name(name.to_string()).spawn(body).unwrap();
        yield_now();
        handle
    }

    /// `hold` takes the lock and waits; `wait` waits for the lock.
    fn holder_of(
        reason: Reason,
        hold: impl FnOnce() + Send + 'static,
        wait: impl FnOnce() + Send + 'static,
    ) {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(move || {
                let a = spawn("a", hold);
                let b = spawn("b", wait);
                assert_eq!(waits()[1], ("b".into(), reason, Some("a".into())));
                a.thread().unpark();
                b.join().unwrap();
                assert!(waits().iter().all(|wait| wait.2.is_none()), "nobody waits any more");
            })
            .unwrap();
    }

    #[test]
    fn the_holder_of_each_lock_is_known() {
        let mutex = Arc::new(Mutex::new(()));
        let other = Arc::clone(&mutex);
        let hold = move || {
            let _guard = mutex.lock().unwrap();
            thread::park();
        };
        holder_of(Reason::Lock, hold, move || drop(other.lock()));

        let reentrant = Arc::new(ReentrantMutex::new(()));
        let other = Arc::clone(&reentrant);
        let hold = move || {
            let _guard = reentrant.lock();
            let _again = reentrant.lock();
            thread::park();
        };
        holder_of(Reason::Lock, hold, move || drop(other.lock()));

        for read in [false, true] {
            let lock = Arc::new(RwLock::new(()));
            let other = Arc::clone(&lock);
            let hold = move || {
                let _guard = lock.write().unwrap();
                thread::park();
            };
            holder_of(Reason::Lock, hold, move || {
                if read {
                    drop(other.read());
                } else {
                    drop(other.write());
                }
            });
        }

        let once = Arc::new(Once::new());
        let other = Arc::clone(&once);
        let hold = move || once.call_once(thread::park);
        holder_of(Reason::Once, hold, move || other.call_once(|| ()));
    }

    #[test]
    fn whom_a_join_waits_for_is_known_and_readers_are_not() {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let sleeper = spawn("sleeper", || sleep(Duration::from_secs(3600)));
                let lock = Arc::new(RwLock::new(()));
                let other = Arc::clone(&lock);
                let done = Arc::new(AtomicBool::new(false));
                let seen = Arc::clone(&done);
                let reader = lock.read().unwrap();
                let writer = spawn("writer", move || drop(other.write()));
                let joiner = spawn("joiner", move || {
                    let sleeper = sleeper.join_timeout(Duration::from_millis(1)).unwrap_err();
                    seen.store(true, Ordering::Relaxed);
                    thread::park();
                    sleeper.kill();
                });
                let expected = [
                    ("joiner".into(), Reason::Join, Some("sleeper".into())),
                    ("sleeper".into(), Reason::Sleep, None),
                    ("writer".into(), Reason::Lock, None),
                ];
                assert_eq!(waits(), expected);
                while !done.load(Ordering::Relaxed) {
                    yield_now();
                }
                assert_eq!(waits()[0], ("joiner".into(), Reason::Park, None));
                drop(reader);
                writer.join().unwrap();
                joiner.thread().unpark();
                joiner.join().unwrap();
            })
            .unwrap();
    }
}
