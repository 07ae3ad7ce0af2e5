//! Asking the hubs of a runtime which green threads have started on them.
//!
//! Only a hub's own thread may look at its list, which so costs a spawn nothing. It is asked to, and woken if it sleeps; it
//! answers between two green threads.
#![forbid(unsafe_code)]

use super::hub::Hub;
use super::park::{self, Parker, Reason, Waiter, Wake};
use super::scheduler::Scheduler;
use super::task::{Started, TaskRef, current};
use parking_lot::Mutex;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};

/// How long the hubs have to answer: one may be held up for ever by a green thread that waits for the caller.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// One question to all hubs.
#[derive(Debug)]
struct RollCall(Mutex<Answers>);

#[derive(Debug)]
struct Answers {
    /// Hubs that have not answered.
    missing: usize,
    tasks: Vec<TaskRef>,
    waiter: Option<Waiter>,
}

/// What a hub has been asked.
#[derive(Debug, Default)]
pub(super) struct Calls {
    any: AtomicBool,
    /// `None` while nobody runs the hub, so that nobody would answer.
    all: Mutex<Option<Vec<Arc<RollCall>>>>,
}

impl RollCall {
    fn answer(&self, tasks: Vec<TaskRef>) {
        let mut answers = self.0.lock();
        answers.missing -= 1;
        answers.tasks.extend(tasks);
        let waiter = if answers.missing == 0 { answers.waiter.take() } else { None };
        drop(answers);
        if let Some(waiter) = waiter {
            waiter.unpark();
        }
    }

    /// `false` if there is nothing left to wait for.
    fn set_waiter(&self, waiter: Waiter) -> bool {
        let mut answers = self.0.lock();
        answers.waiter = Some(waiter);
        answers.missing != 0
    }
}

impl Calls {
    /// From here on the hub is run by somebody.
    pub(super) fn open(&self) {
        *self.all.lock() = Some(Vec::new());
    }

    /// Nobody runs the hub any more: nothing has started on it.
    pub(super) fn close(&self) {
        let all = self.all.lock().take();
        self.any.store(false, Ordering::Relaxed);
        all.into_iter().flatten().for_each(|call| call.answer(Vec::new()));
    }

    /// Says whether somebody will answer.
    fn add(&self, call: &Arc<RollCall>) -> bool {
        let mut all = self.all.lock();
        let Some(all) = &mut *all else { return false };
        all.push(Arc::clone(call));
        self.any.store(true, Ordering::Relaxed);
        true
    }

    /// Looked at between announcing sleep and sleeping, too: see the scheduler's sleep protocol.
    #[inline]
    pub(super) fn are_waiting(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Answers for the hub that these belong to. On its own thread.
    #[cold]
    pub(super) fn answer(&self, hub: &Hub) {
        let waiting = {
            let mut all = self.all.lock();
            self.any.store(false, Ordering::Relaxed);
            all.as_mut().map(mem::take)
        };
        for call in waiting.into_iter().flatten() {
            call.answer(hub.map_live(Started::task));
        }
    }
}

/// The green threads that have started and not ended, in no order. Waits for the hubs' answers, though not for long.
pub(crate) fn call(scheduler: &Scheduler) -> Vec<TaskRef> {
    let hubs = scheduler.hubs();
    let answers = Answers { missing: hubs.len(), tasks: Vec::new(), waiter: None };
    let call = Arc::new(RollCall(Mutex::new(answers)));
    for &shared in hubs {
        if current::with_hub_if(shared, |own| call.answer(own.map_live(Started::task))) {
            continue;
        }
        if shared.calls.add(&call) {
            fence(Ordering::SeqCst);
            shared.wake();
        } else {
            call.answer(Vec::new());
        }
    }
    let until = Instant::now() + ANSWER_WITHIN;
    loop {
        let parker = Parker::new();
        if !call.set_waiter(parker.waiter()) {
            break;
        }
        match parker.park(Reason::RollCall, Some(until)) {
            Wake::Notified => {}
            Wake::TimedOut => break,
            Wake::Killed => park::raise_kill(),
        }
    }
    mem::take(&mut call.0.lock().tasks)
}
