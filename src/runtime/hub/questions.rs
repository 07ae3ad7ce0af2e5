//! Questions to a hub, which it answers itself between two green threads: nobody else may look at these.
//!
//! A hub looks whether it is asked anything where it looks at the outside, and before it sleeps. One that is held up answers when it
//! goes on; a question that is dropped unanswered has to tell that by its destructor.
#![forbid(unsafe_code)]

use super::local::Hub;
use super::shared::HubShared;
use crate::util::lock::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// What has become of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum Step {
    Answered,
    /// It is to be asked again after the green threads have had a turn: its answer is long.
    Goes,
}

pub(in crate::runtime) type Question = Box<dyn FnMut(&Hub) -> Step + Send>;

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

    /// Drops what is asked, and what will be: there is no hub any more.
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

    /// Gives it back where there is no hub.
    fn add(&self, question: Question) -> Option<Question> {
        let mut asked = self.asked.lock();
        let Some(asked) = &mut *asked else { return Some(question) };
        asked.push(question);
        self.any.store(true, Ordering::Relaxed);
        None
    }
}

impl HubShared {
    /// Whether it has not answered yet what it has been asked.
    pub(in crate::runtime) fn is_being_asked(&self) -> bool {
        self.questions.are_there()
    }

    /// Asks the hub, from whatever thread. The question is called on the hub's OS thread, outside of all green threads, and must
    /// neither wait nor panic.
    pub(in crate::runtime) fn ask(&self, question: Question) {
        let refused = self.questions.add(question);
        fence(Ordering::SeqCst);
        self.wake();
        drop(refused);
    }
}

impl Hub {
    /// Answers what it is asked.
    #[inline(always)]
    pub(super) fn answer(&self) {
        if self.shared().questions.are_there() {
            self.answer_now();
        }
    }

    #[cold]
    #[inline(never)]
    fn answer_now(&self) {
        for mut question in self.shared().questions.take() {
            if question(self) == Step::Goes {
                drop(self.shared().questions.add(question));
            }
        }
    }
}
