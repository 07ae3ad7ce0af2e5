//! Questions to a hub about its green threads. The hub answers them itself between two green threads, as nobody else
//! may look at these.
//!
//! A hub looks for questions when it looks at the outside, and before it sleeps. A hub that is held up answers when it
//! goes on. A question that is dropped without an answer must report that by its destructor.
#![forbid(unsafe_code)]

use super::local::Hub;
use super::shared::HubShared;
use crate::sys::time;
use crate::util::lock::Mutex;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

/// How far the answer to a question has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum Step {
    Answered,
    /// The answer is long: the question is to be asked again after the green threads have had a turn.
    Goes,
}

pub(in crate::runtime) type Question = Box<dyn FnMut(&Hub) -> Step + Send>;

/// After its answers, a hub does other things for this many times as long as the answers have taken.
const OTHERS_SHARE: u64 = 4;
/// The same for a hub that would otherwise sleep. It is not zero, as something to run may come at any moment.
const IDLE_SHARE: u64 = 1;

/// When a hub has answered last. Somebody who asks again and again gets a part of its time, and its green threads get
/// the larger part.
#[derive(Debug, Default)]
pub(super) struct AnswerPace {
    /// When the last answers ended, and how long they took, in nanoseconds.
    last: Cell<(u64, u64)>,
}

impl AnswerPace {
    fn note(&self, begun: u64, ended: u64) {
        self.last.set((ended, ended.saturating_sub(begun)));
    }

    /// How long the green threads still have the time to themselves; `None` if they have had their part.
    fn pause(&self, is_idle: bool) -> Option<Duration> {
        let (ended, took) = self.last.get();
        let share = if is_idle { IDLE_SHARE } else { OTHERS_SHARE };
        let left = (ended + share * took).saturating_sub(time::now());
        (left != 0).then_some(Duration::from_nanos(left))
    }
}

/// The questions to one hub.
#[derive(Default)]
pub(super) struct Questions {
    any: AtomicBool,
    /// `None` while there is no hub to answer.
    asked: Mutex<Option<Vec<Question>>>,
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Questions").field("any", &self.any).finish_non_exhaustive()
    }
}

impl Questions {
    #[inline(always)]
    pub(super) fn are_there(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// From here on there is a hub that answers.
    pub(super) fn open(&self) {
        *self.asked.lock() = Some(Vec::new());
    }

    /// Drops all questions, also those that will come: there is no hub any more.
    pub(super) fn close(&self) {
        self.any.store(false, Ordering::Relaxed);
        let left = self.asked.lock().take();
        drop(left);
    }

    fn take(&self) -> Vec<Question> {
        let mut asked = self.asked.lock();
        self.any.store(false, Ordering::Relaxed);
        asked.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Adds a question. It comes back if there is no hub.
    fn add(&self, question: Question) -> Option<Question> {
        let mut asked = self.asked.lock();
        let Some(asked) = &mut *asked else { return Some(question) };
        asked.push(question);
        self.any.store(true, Ordering::Relaxed);
        None
    }
}

impl HubShared {
    /// Whether it has been asked something and has not answered yet.
    pub(in crate::runtime) fn is_being_asked(&self) -> bool {
        self.questions.are_there()
    }

    /// Asks the hub, from whatever thread. Returns `false` if there is none, as it has not begun or has ended. The
    /// question is called on the hub's OS thread, outside of all green threads, and must neither wait nor panic.
    pub(in crate::runtime) fn ask(&self, question: Question) -> bool {
        let refused = self.questions.add(question);
        fence(Ordering::SeqCst);
        self.wake();
        refused.is_none()
    }
}

impl Hub {
    /// Answers questions, if the green threads have had their part of the time since the last answers. If none is to
    /// run, that part is smaller.
    #[inline(always)]
    pub(super) fn answer(&self, is_idle: bool) {
        if self.shared().questions.are_there() {
            self.answer_now(is_idle);
        }
    }

    /// Whether there are questions that it may answer now, if it has nothing else to do.
    pub(super) fn could_answer(&self) -> bool {
        self.shared().questions.are_there() && self.answers.pause(true).is_none()
    }

    /// How long until it may answer its questions, if it has nothing else to do meanwhile.
    pub(super) fn answers_after(&self) -> Option<Duration> {
        if self.shared().questions.are_there() { self.answers.pause(true) } else { None }
    }

    #[cold]
    #[inline(never)]
    fn answer_now(&self, is_idle: bool) {
        if self.answers.pause(is_idle).is_some() {
            return;
        }
        let begun = time::now();
        for mut question in self.shared().questions.take() {
            if question(self) == Step::Goes {
                drop(self.shared().questions.add(question));
            }
        }
        self.answers.note(begun, time::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Runtime, current};
    use crate::yield_now;
    use std::sync::Arc;
    use std::time::Instant;

    /// The test waits for the end of a period, so a slow machine makes no difference.
    #[test]
    fn others_have_the_larger_part_of_the_time() {
        let answers = AnswerPace::default();
        assert_eq!((answers.pause(false), answers.pause(true)), (None, None));
        let (now, minute) = (time::now(), 60_000_000_000);
        answers.note(now, now + minute);
        let minutes = |is_idle| answers.pause(is_idle).unwrap().as_nanos().div_ceil(minute.into());
        assert_eq!((minutes(false), minutes(true)), (5, 2), "what it took is to come yet");
    }

    #[test]
    fn a_worker_that_is_asked_again_and_again_runs_its_green_threads_in_between() {
        const TOOK: Duration = Duration::from_millis(20);
        let pauses = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&pauses);
        let main = move || {
            let (noted, mut last) = (Arc::clone(&own), None::<Instant>);
            let step = move |_: &Hub| {
                let so_far = last.map(|last| last.elapsed());
                noted.lock().extend(so_far);
                std::thread::sleep(TOOK);
                last = Some(Instant::now());
                if noted.lock().len() < 3 { Step::Goes } else { Step::Answered }
            };
            current::with_hub(|hub| hub.shared().ask(Box::new(step)));
            while own.lock().len() < 3 {
                yield_now();
            }
        };
        Runtime::new_current_thread().unwrap().run_local(main).unwrap();
        let pauses = pauses.lock();
        assert!(pauses.iter().all(|pause| *pause >= OTHERS_SHARE as u32 * TOOK / 2), "{pauses:?}");
    }
}
