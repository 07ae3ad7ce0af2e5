//! What the kernel has said of one descriptor, as sticky bits.
//!
//! | bits | set by | cleared by |
//! |---|---|---|
//! | READABLE, WRITABLE | the hub, for an event | an operation that would block or came up short, unless an event came since |
//! | READ_CLOSED | the hub, for RDHUP, HUP or ERR | an operation that would block all the same; not one that came up short: the end of file must be seen |
//! | WRITE_CLOSED | the hub, for HUP or ERR | likewise |
//! | URGENT | the hub, for urgent data: reads stop where it is, so a short read says nothing | – |
//! | tick (the rest) | the hub counts events | – |
#![forbid(unsafe_code)]

use crate::sys::poll::PollEvent;
use crate::util::sync::{AtomicU64, Ordering};

pub(in crate::runtime) const READABLE: u64 = PollEvent::READABLE as u64;
pub(in crate::runtime) const WRITABLE: u64 = PollEvent::WRITABLE as u64;
pub(in crate::runtime) const READ_CLOSED: u64 = PollEvent::READ_CLOSED as u64;
pub(in crate::runtime) const WRITE_CLOSED: u64 = PollEvent::WRITE_CLOSED as u64;
pub(in crate::runtime) const URGENT: u64 = PollEvent::URGENT as u64;
const TICK: u64 = 32;

/// The bits and the tick of a source at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen(u64);

impl Seen {
    /// Whether any of these was set.
    #[inline(always)]
    pub(in crate::runtime) fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }
}

/// The bits of one descriptor; the table of the module explains them.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Readiness(AtomicU64);

impl Readiness {
    #[inline(always)]
    pub(in crate::runtime) fn look(&self) -> Seen {
        Seen(self.0.load(Ordering::SeqCst))
    }

    /// Clears bits, unless an event has come since `seen`: the operation in between may have missed it.
    #[inline(always)]
    pub(in crate::runtime) fn clear(&self, bits: u64, seen: Seen) {
        let cleared = seen.0 & !bits;
        let _ = self.0.compare_exchange(seen.0, cleared, Ordering::SeqCst, Ordering::Relaxed);
    }

    /// Sets bits without an event.
    pub(in crate::runtime) fn set(&self, bits: u64) {
        self.0.fetch_or(bits, Ordering::SeqCst);
    }

    /// Sets bits for an event; returns what was known before it.
    #[inline(always)]
    pub(in crate::runtime) fn event(&self, bits: u64) -> Seen {
        let mut before = self.0.load(Ordering::Relaxed);
        while let Err(other) = self.0.compare_exchange_weak(
            before,
            (before | bits).wrapping_add(TICK),
            Ordering::SeqCst,
            Ordering::Relaxed,
        ) {
            before = other;
        }
        Seen(before)
    }

    /// Forgets everything. The tick goes on, so that no later state is equal to what somebody has seen before.
    pub(in crate::runtime) fn restart(&self) {
        self.0.fetch_and(!(TICK - 1), Ordering::SeqCst);
        self.0.fetch_add(TICK, Ordering::SeqCst);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::util::sync::{AtomicBool, AtomicUsize, Mutex};
    use loom::sync::Arc;
    use loom::thread::{JoinHandle, spawn};

    /// A socket and those who wait for it, as `Source` has them.
    #[derive(Default)]
    struct Model {
        readiness: Readiness,
        /// How much data can be read.
        data: AtomicUsize,
        /// Whether the kernel has an event that the hub has not fetched.
        edge: AtomicBool,
        /// The same for a second hub, if that has registered the socket too.
        second: AtomicBool,
        second_is_told: AtomicBool,
        waits: Mutex<[bool; 2]>,
    }

    impl Model {
        /// A model in which the socket is known to be readable.
        fn new() -> Arc<Self> {
            let model = Self::default();
            model.readiness.event(READABLE | WRITABLE);
            // loom makes its objects at their first use, see `modelled`.
            model.data.load(Ordering::SeqCst);
            model.edge.load(Ordering::SeqCst);
            model.second.load(Ordering::SeqCst);
            model.second_is_told.load(Ordering::SeqCst);
            drop(model.waits.lock());
            Arc::new(model)
        }

        fn wake_all(&self) {
            *self.waits.lock() = [false; 2];
        }

        fn arrives(&self) {
            self.data.fetch_add(1, Ordering::SeqCst);
            self.edge.store(true, Ordering::SeqCst);
            if self.second_is_told.load(Ordering::SeqCst) {
                self.second.store(true, Ordering::SeqCst);
            }
        }

        /// A second hub registers the socket, and is told whether data is there.
        fn register_second(&self) {
            self.second_is_told.store(true, Ordering::SeqCst);
            if self.data.load(Ordering::SeqCst) != 0 {
                self.second.store(true, Ordering::SeqCst);
            }
        }

        /// The hub asks for events.
        fn hub(&self) {
            self.fetch(&self.edge);
        }

        fn second_hub(&self) {
            self.fetch(&self.second);
        }

        fn fetch(&self, edge: &AtomicBool) {
            if edge.swap(false, Ordering::SeqCst)
                && self.data.load(Ordering::SeqCst) != 0
                && !self.readiness.event(READABLE | WRITABLE).has(READABLE)
            {
                self.wake_all();
            }
        }

        /// One attempt to read. Returns `false` if the reader waits from here on.
        fn read(&self, reader: usize) -> bool {
            let seen = self.readiness.look();
            if seen.has(READABLE) {
                let take = |data: usize| data.checked_sub(1);
                let taken = self.data.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
                self.readiness.clear(READABLE, seen);
                if taken.is_ok() {
                    return true;
                }
            }
            self.waits.lock()[reader] = true;
            if self.readiness.look().has(READABLE) {
                self.waits.lock()[reader] = false;
                return true;
            }
            false
        }

        /// An OS thread polls the socket and does not read.
        fn os_thread(&self) {
            if self.data.load(Ordering::SeqCst) != 0 {
                self.readiness.set(READABLE);
                self.wake_all();
            }
        }
    }

    fn with<T: 'static>(
        model: &Arc<Model>,
        f: impl Fn(&Model) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let model = Arc::clone(model);
        spawn(move || f(&model))
    }

    /// Checks that nobody waits while there is data and no event is to come.
    fn check(model: &Model) {
        model.hub();
        let left = model.data.load(Ordering::SeqCst) != 0;
        assert!(!left || *model.waits.lock() == [false; 2], "a lost wake-up");
    }

    #[test]
    fn an_event_finds_who_waits() {
        loom::model(|| {
            let model = Model::new();
            let reader = with(&model, |model| model.read(0));
            let other = with(&model, |model| model.read(1));
            model.arrives();
            model.hub();
            reader.join().unwrap();
            other.join().unwrap();
            check(&model);
        });
    }

    #[test]
    fn an_os_thread_comes_between() {
        loom::model(|| {
            let model = Model::new();
            let reader = with(&model, |model| model.read(0));
            let polls = with(&model, Model::os_thread);
            model.arrives();
            model.hub();
            reader.join().unwrap();
            polls.join().unwrap();
            check(&model);
        });
    }

    /// Either hub may be told first. The other may then find the bit set, and one of them may never get to the event.
    #[test]
    fn two_hubs_have_it() {
        for both_come in [false, true] {
            loom::model(move || {
                let model = Model::new();
                let reader = with(&model, |model| {
                    model.register_second();
                    model.read(0)
                });
                let first = with(&model, move |model| {
                    if both_come {
                        model.hub();
                    }
                });
                model.arrives();
                model.second_hub();
                reader.join().unwrap();
                first.join().unwrap();
                model.second_hub();
                let left = model.data.load(Ordering::SeqCst) != 0;
                assert!(!left || *model.waits.lock() == [false; 2], "a lost wake-up");
            });
        }
    }

    #[test]
    fn another_hub_takes_over() {
        loom::model(|| {
            let model = Model::new();
            let reader = with(&model, |model| model.read(0));
            // Registering reports all data that is there.
            model.readiness.restart();
            model.arrives();
            model.hub();
            reader.join().unwrap();
            check(&model);
        });
    }
}
