//! Where other threads leave tasks of a hub that they have woken, and how they wake the hub's worker.
//!
//! # The sleep protocol
//! A worker that finds nothing to do announces that it sleeps (the word, then a SeqCst fence), looks everywhere once
//! more, and only then waits. Whoever has something for it first puts that in place (then a SeqCst fence) and looks at
//! the word afterwards. So either the worker sees the work, or the other sees that it sleeps. Exactly one changes the
//! word from ASLEEP, and writes to the eventfd.
//!
//! | word | meaning | goes on to |
//! |---|---|---|
//! | AWAKE | the worker runs | ASLEEP, by the worker |
//! | ASLEEP | it waits, or is about to | AWAKE or SENT_TO_SEARCH, by whoever wakes it; AWAKE, by the worker when its wait is over |
//! | SENT_TO_SEARCH | it was woken by somebody who has counted it as searching | AWAKE, by the worker, which is counted |

use super::header::Header;
use super::inbox::{Inbox, Woken};
use crate::sys::poll::PollWaker;
use crate::sys::process;
use crate::util::sync::{AtomicU8, Mutex, Ordering, fence, mutated};
use std::ptr::NonNull;

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const SENT_TO_SEARCH: u8 = 2;

/// It is never freed, as a late waker may still look at it.
#[derive(Debug)]
pub(crate) struct Mailbox {
    inbox: Inbox,
    sleep: AtomicU8,
    waker: Mutex<Option<PollWaker>>,
    /// The process whose hub it belongs to. A forked child leaves its parent's mailboxes alone.
    generation: u32,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self {
            inbox: Inbox::new(),
            sleep: AtomicU8::new(AWAKE),
            waker: Mutex::new(None),
            generation: process::generation(),
        }
    }

    /// From here on `waker` ends the hub's wait.
    pub(crate) fn open(&self, waker: PollWaker) {
        *self.waker.lock() = Some(waker);
    }

    /// Undoes [`open`](Self::open).
    pub(crate) fn close(&self) {
        self.waker.lock().take();
    }

    /// Whether it belongs to the process that this one was forked from.
    pub(crate) fn is_parents(&self) -> bool {
        self.generation != process::generation()
    }

    // --- what others leave ------------------------------------------------------------------------------------------

    /// Leaves a task whose wait the caller has just ended, and wakes the hub.
    ///
    /// # Safety
    /// As for [`Inbox::push`], with the inbox of this mailbox.
    pub(super) unsafe fn leave(&self, task: NonNull<Header>) {
        // SAFETY: the task is suspended and its hub keeps it alive until it has been taken out of the inbox.
        unsafe { task.as_ref() }.woken.set();
        // SAFETY: as the caller promises.
        unsafe { self.inbox.push(task) };
        self.wake();
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.inbox.is_empty()
    }

    /// Takes everything out, in the order in which it was left. Called by the hub only.
    pub(crate) fn drain(&self, each: impl FnMut(Woken)) {
        self.inbox.drain(each);
    }

    // --- the sleep protocol ---------------------------------------------------------------------------------------

    #[inline]
    pub(crate) fn is_sleeping(&self) -> bool {
        self.sleep.load(Ordering::Relaxed) == ASLEEP
    }

    /// Announces that the hub is about to sleep. From here on, whoever gives it something to do wakes it.
    pub(crate) fn announce_sleep(&self) {
        if mutated("a worker does not fence off its sleep") {
            return self.sleep.store(ASLEEP, Ordering::Relaxed);
        }
        self.sleep.store(ASLEEP, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Takes the announcement back; returns whether the hub was sent to search for new tasks meanwhile.
    pub(crate) fn end_sleep(&self) -> bool {
        self.sleep.swap(AWAKE, Ordering::SeqCst) == SENT_TO_SEARCH
    }

    /// Ends the hub's sleep, and returns whether it slept. The caller has put something where the hub will find it.
    pub(crate) fn wake(&self) -> bool {
        self.wake_as(AWAKE)
    }

    /// Like [`wake`](Self::wake), for a hub that the caller has counted as searching. If it did not sleep this returns
    /// `false`, and the caller undoes the count.
    pub(crate) fn wake_to_search(&self) -> bool {
        self.wake_as(if mutated("who sends a worker to search only wakes it") {
            AWAKE
        } else {
            SENT_TO_SEARCH
        })
    }

    fn wake_as(&self, state: u8) -> bool {
        if self.sleep.load(Ordering::SeqCst) != ASLEEP
            || self
                .sleep
                .compare_exchange(ASLEEP, state, Ordering::SeqCst, Ordering::Relaxed)
                .is_err()
            || self.is_parents()
        {
            return false;
        }
        if let Some(waker) = &*self.waker.lock() {
            // Writing to the eventfd fails only if it is closed, and it is ours.
            let _ = waker.wake();
        }
        true
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::Mailbox;
    use crate::util::sync::{AtomicBool, AtomicUsize, Ordering, fence};
    use loom::sync::Arc;

    /// A worker, and the work that others leave for it.
    struct Model {
        mailbox: Mailbox,
        work: AtomicBool,
        searching: AtomicUsize,
    }

    impl Model {
        fn new() -> Arc<Self> {
            let model = Self {
                mailbox: Mailbox::new(),
                work: AtomicBool::new(false),
                searching: AtomicUsize::new(0),
            };
            // Everything of loom's is made before there is another thread.
            assert!(!model.mailbox.is_sleeping());
            model.mailbox.close();
            model.work.store(false, Ordering::Relaxed);
            model.searching.store(0, Ordering::Relaxed);
            Arc::new(model)
        }

        fn add(&self) {
            self.work.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }

        /// Does what `Scheduler::wake_one` does; returns whether the worker was woken.
        fn send_to_search(&self) -> bool {
            self.searching.fetch_add(1, Ordering::SeqCst);
            let sent = self.mailbox.wake_to_search();
            if !sent {
                self.searching.fetch_sub(1, Ordering::SeqCst);
            }
            sent
        }

        /// Returns whether the worker sees work when it looks for the last time.
        fn goes_to_sleep(&self) -> bool {
            self.mailbox.announce_sleep();
            self.work.load(Ordering::Relaxed)
        }

        fn ends_sleep(&self) {
            if self.mailbox.end_sleep() {
                self.searching.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    #[test]
    fn who_sleeps_is_woken_for_work() {
        loom::model(|| {
            let model = Model::new();
            let other = Arc::clone(&model);
            let adder = loom::thread::spawn(move || {
                other.add();
                other.mailbox.wake()
            });
            let sees = model.goes_to_sleep();
            let woken = adder.join().unwrap();
            assert!(sees || woken, "a lost wake-up");
        });
    }

    /// One thread wakes it, another sends it to search, and it may wake up by itself.
    #[test]
    fn one_wakes_it_and_who_was_counted_as_searching_is_not_for_ever() {
        loom::model(|| {
            let model = Model::new();
            let (one, two) = (Arc::clone(&model), Arc::clone(&model));
            let one = loom::thread::spawn(move || one.mailbox.wake());
            let two = loom::thread::spawn(move || two.send_to_search());
            model.goes_to_sleep();
            model.ends_sleep();
            let (one, two) = (one.join().unwrap(), two.join().unwrap());
            assert!(!(one && two), "two have woken it");
            assert_eq!(model.searching.load(Ordering::SeqCst), 0);
        });
    }
}
