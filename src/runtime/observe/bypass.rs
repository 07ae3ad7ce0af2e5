//! Has other threads look for what was meant for a thread that does not come.
//!
//! A lock that is free, an item of a channel or queue, room in one: whoever waits for it first is woken, and the others
//! sleep on. If the worker of the woken one is held up, it does not come, and nobody else would look. So for each such
//! one another one is *nudged* that waits for the same thing on a worker that is not held up, or on an OS thread. It
//! looks, takes what is there, or goes on waiting in its place. What this means for the one that comes late is up to
//! the lock or channel: a nudge itself says nothing.
//!
//! A waiting future is polled by whatever executor has it, of which one cannot know whether its thread is held up nor
//! whether it will poll. So a future is late if it was woken before the last look and has been neither polled nor
//! dropped since. To nudge a future is to use its waker, which is code of users and may never return, so OS threads of
//! their own do that.
//!
//! Those who wait for the same thing are found by a [`Mark`] that each leaves in its task, so that no lists need be
//! kept for this. When one is woken and others wait, a word says so (`lane/alarm.rs`), and only then is there anything
//! to look for here.
//!
//! What is *handed over* is not found: a permit of a semaphore, a lock of an `RwLock`, an item at a rendezvous and a
//! notification of a condition variable belong to the one that was woken, as if it had been running when it got them.
#![forbid(unsafe_code)]

use super::inquiry::Inquiry;
use crate::runtime::hub::scheduler::Scheduler;
use crate::runtime::hub::shared::HubShared;
use crate::runtime::task::foreign::{self, PutOffWake};
use crate::runtime::task::{Mark, TaskRef, os_threads};
use crate::sys::{clock, thread};
use crate::util::sync::{Mutex, mutated};
use std::collections::hash_map::{Entry, HashMap};
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long it goes on looking after a thread was last woken while others waited.
const ATTENDS: Duration = Duration::from_secs(1);
/// Looking takes at most one part of the time in this many.
const SHARE: u32 = 20;
/// How many are nudged for one that waits for several things, as it is not known for which it was woken.
const FOR_ONE_OF_SEVERAL: usize = 8;
/// After this time others are nudged for the same one: a future that was nudged may have been dropped, or not be polled
/// either.
const AGAIN: Duration = Duration::from_millis(500);

/// Identifies a wait: the id of who waits, and the number of its wait.
type WaitId = (u64, u64);

/// What the lookout remembers for nudging.
#[derive(Debug)]
pub(super) struct Bypass {
    attends_until: Instant,
    rests_until: Instant,
    /// Those in whose place others have been nudged, and when.
    stood_in_for: HashMap<WaitId, Instant>,
    /// Futures that had been woken and had not come at the last look.
    woken: HashSet<WaitId>,
    /// Futures that are to be nudged and have still to be woken.
    nudged: Arc<Mutex<VecDeque<PutOffWake>>>,
}

impl Bypass {
    pub(super) fn new() -> Self {
        let now = clock::now();
        Self {
            attends_until: now,
            rests_until: now,
            stood_in_for: HashMap::new(),
            woken: HashSet::new(),
            nudged: Arc::default(),
        }
    }

    /// Whether there may be something to do soon.
    pub(super) fn attends(&self) -> bool {
        clock::now() < self.attends_until || self.has_nudged()
    }

    /// Whether there may be something to do soon even though all workers sleep.
    pub(super) fn owes(&self) -> bool {
        (!self.woken.is_empty() && self.attends()) || self.has_nudged()
    }

    fn has_nudged(&self) -> bool {
        !self.nudged.lock().is_empty()
    }

    /// Looks once. `contended` says that a thread was woken lately while others waited; `held` are the workers that
    /// have done nothing else since the last look.
    pub(super) fn look(
        &mut self,
        contended: bool,
        all: &[(Arc<Scheduler>, Arc<Inquiry>)],
        held: &[&'static HubShared],
    ) {
        let now = clock::now();
        if contended || (!held.is_empty() && now < self.attends_until) {
            self.attends_until = now + ATTENDS;
        }
        if now >= self.attends_until {
            self.stood_in_for.clear();
            self.woken.clear();
        } else if now >= self.rests_until {
            let schedulers: Vec<_> = all.iter().map(|(scheduler, _)| &**scheduler).collect();
            self.nudge(&schedulers, held);
            let took = clock::since(now);
            self.rests_until = now + took * SHARE;
        }
        if self.has_nudged() {
            // If the wakers of the last look are still being used, one of them may wait: then another OS thread goes on
            // with the rest. If the system gives no thread, the next look tries again.
            let nudged = Arc::clone(&self.nudged);
            let _ = thread::start("gt-wakers", None, move || use_each(&nudged));
        }
    }

    fn nudge(&mut self, schedulers: &[&Scheduler], held: &[&'static HubShared]) {
        let futures = foreign::enrolled();
        let mut late = self.late_futures(&futures);
        if late.is_empty() && held.is_empty() {
            return self.stood_in_for.clear();
        }
        let mut all: Vec<TaskRef> = schedulers.iter().flat_map(|it| it.tasks()).collect();
        all.extend(os_threads());
        let marked = all.iter().filter(|task| task.mark() != Mark::NONE);
        let hub = |task: &TaskRef| held.iter().find(|hub| task.is_of(&hub.lane.mailbox));
        let (behind, others): (Vec<_>, Vec<_>) = marked.partition(|task| hub(task).is_some());
        let is_late = |task: &&TaskRef| {
            let runs = hub(task).is_some_and(|hub| task.runs_on(&hub.lane.mailbox, hub.running()));
            !runs && !task.park_word().sleeps()
        };
        late.extend(behind.into_iter().filter(is_late));
        let now = clock::now();
        self.stood_in_for.retain(|_, since| now - *since < AGAIN);
        let mut wanted = HashMap::<Mark, usize>::new();
        for task in late {
            if let Entry::Vacant(none) = self.stood_in_for.entry(wait(task)) {
                none.insert(now);
                *wanted.entry(task.mark()).or_default() += 1;
            }
        }
        if wanted.is_empty() {
            return;
        }
        // One whose thread is known not to be held up comes first.
        let comes = |task: &&TaskRef| foreign::poller(task).is_none_or(|it| hub(&it).is_none());
        let sleeps = |task: &&TaskRef| task.park_word().sleeps();
        let futures = futures.iter().filter(sleeps).filter(comes);
        let sleeping: Vec<_> = others.into_iter().filter(sleeps).chain(futures).collect();
        let put_off = foreign::put_off();
        for task in &sleeping {
            if let Some(count) = wanted.get_mut(&task.mark()).filter(|count| **count > 0)
                && task.nudge()
            {
                *count -= 1;
            }
        }
        // If nobody was left who waits for this thing alone, those that wait for it among several things are nudged.
        for (mark, count) in wanted {
            let may = sleeping.iter().filter(|task| task.mark().may_meet(mark));
            may.take(count.saturating_mul(FOR_ONE_OF_SEVERAL)).for_each(|task| {
                task.nudge();
            });
        }
        let nudged = put_off.leave();
        self.nudged.lock().extend(nudged);
    }

    /// The futures that had been woken at the last look and have not come since.
    fn late_futures<'a>(&mut self, futures: &'a [TaskRef]) -> Vec<&'a TaskRef> {
        let woken: Vec<_> = futures.iter().filter(|task| task.park_word().has_ended()).collect();
        let before = std::mem::take(&mut self.woken);
        self.woken.extend(woken.iter().map(|task| wait(task)));
        woken.into_iter().filter(|task| before.contains(&wait(task))).collect()
    }
}

/// Uses each of them, by dropping it. That may wait for another one, or never return: so they are taken one at a time,
/// and nothing is locked meanwhile.
fn use_each<T>(list: &Mutex<VecDeque<T>>) {
    let next = || list.lock().pop_front();
    while let Some(one) = next() {
        let _locked = mutated("a waker is used while the others are locked").then(|| list.lock());
        drop(one);
    }
}

fn wait(task: &TaskRef) -> WaitId {
    (task.id(), task.park_word().number())
}

#[cfg(all(test, loom))]
mod models {
    use super::use_each;
    use crate::util::sync::{AtomicBool, Condvar, Mutex, Ordering};
    use loom::thread;
    use std::sync::Arc;

    /// What one waker waits for, and the other one opens.
    #[derive(Default)]
    struct Gate {
        is_open: AtomicBool,
        lock: Mutex<()>,
        opened: Condvar,
    }

    impl Gate {
        fn pass(&self) {
            let mut locked = self.lock.lock();
            while !self.is_open.load(Ordering::Relaxed) {
                locked = self.opened.wait(locked);
            }
        }

        fn open(&self) {
            let locked = self.lock.lock();
            self.is_open.store(true, Ordering::Relaxed);
            self.opened.notify_one();
            drop(locked);
        }
    }

    /// Stands for a waker: with the gate, and what it does with it.
    struct Stand(Arc<Gate>, fn(&Gate));

    impl Drop for Stand {
        fn drop(&mut self) {
            (self.1)(&self.0);
        }
    }

    /// Two of the lookout's threads use the wakers that there are.
    #[test]
    fn a_waker_that_waits_for_another_keeps_nobody_from_using_that() {
        loom::model(|| {
            let gate = Arc::new(Gate::default());
            // All modelled things are made before there is another thread.
            gate.open();
            gate.is_open.store(false, Ordering::Relaxed);
            let wakers = [Stand(Arc::clone(&gate), Gate::pass), Stand(gate, Gate::open)];
            let list = Arc::new(Mutex::new(wakers.into()));
            drop(list.lock());
            let other = Arc::clone(&list);
            let other = thread::spawn(move || use_each(&other));
            use_each(&list);
            other.join().unwrap();
        });
    }
}
