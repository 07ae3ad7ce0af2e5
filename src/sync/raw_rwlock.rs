//! Many readers or one writer, without the data.
//!
//! The word holds WRITER, or the number of readers times READER; and WAITERS, if somebody is in the list. While WAITERS is set
//! nobody takes the lock past the list, so that neither readers nor writers starve. Whoever leaves the lock free hands it
//! over, under the list's lock: to the first that waits, and if that is a reader, to all readers up to the next writer.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::task::{Blocker, Owner};
use crate::runtime::wait_list::WaitList;
use crate::util::sync::{AtomicUsize, Mutex, Ordering};
use std::panic::RefUnwindSafe;
use std::time::Instant;

const WAITERS: usize = 1;
const WRITER: usize = 2;
const READER: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

impl Access {
    /// What is added to the word for one holder.
    fn weight(self) -> usize {
        match self {
            Self::Read => READER,
            Self::Write => WRITER,
        }
    }

    /// Whether the present holders allow this access.
    fn fits(self, state: usize) -> bool {
        match self {
            Self::Read => state & WRITER == 0,
            Self::Write => state & !WAITERS == 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct RawRwLock {
    state: AtomicUsize,
    /// The writer.
    owner: Owner,
    list: Mutex<WaitList<(Waiter, Access)>>,
}

impl RefUnwindSafe for RawRwLock {}

impl RawRwLock {
    pub(crate) const fn new() -> Self {
        Self { state: AtomicUsize::new(0), owner: Owner::new(), list: Mutex::new(WaitList::new()) }
    }

    #[inline]
    fn try_take(&self, kind: Access) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAITERS == 0 && kind.fits(state) {
            assert!(
                state <= usize::MAX - READER,
                "an RwLock has too many readers: have some been forgotten?"
            );
            match self.state.compare_exchange_weak(
                state,
                state + kind.weight(),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    #[inline]
    pub(crate) fn try_read(&self) -> bool {
        self.try_take(Access::Read)
    }

    #[inline]
    pub(crate) fn try_write(&self) -> bool {
        self.written(self.try_take(Access::Write))
    }

    /// Waits until the lock may be read; `false` when the deadline has passed. A kill ends the wait by unwinding.
    #[inline]
    pub(crate) fn read(&self, deadline: Option<Instant>) -> bool {
        self.try_read() || self.wait(Access::Read, deadline)
    }

    /// As [`read`](Self::read), for writing.
    #[inline]
    pub(crate) fn write(&self, deadline: Option<Instant>) -> bool {
        self.written(self.try_take(Access::Write) || self.wait(Access::Write, deadline))
    }

    #[inline(always)]
    fn written(&self, got: bool) -> bool {
        if got {
            self.owner.set();
        }
        got
    }

    #[cold]
    fn wait(&self, kind: Access, deadline: Option<Instant>) -> bool {
        let parker = Parker::new();
        let key = {
            let mut list = self.list.lock();
            // This is one step: a thread that need not wait must never be seen as one that waits, as nobody would
            // overtake it.
            let takes = |state| list.is_empty() && kind.fits(state);
            let update =
                |state| Some(if takes(state) { state + kind.weight() } else { state | WAITERS });
            let before = self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, update);
            if before.is_ok_and(takes) {
                return true;
            }
            list.push_back((parker.waiter(), kind))
        };
        let leave = || {
            let mut list = self.list.lock();
            let was_there = list.remove(key).is_some();
            // A writer that leaves the list may have kept readers behind it from joining those inside.
            self.serve(&mut list);
            was_there
        };
        match parker.park_on(Reason::Lock, deadline, Blocker::Owner(&self.owner)) {
            Wake::Notified => true,
            Wake::TimedOut => !leave(),
            Wake::Killed => {
                if !leave() {
                    self.give_back(kind);
                }
                park::raise_kill()
            }
        }
    }

    /// Hands the lock to those at the front of the list that may have it.
    fn serve(&self, list: &mut WaitList<(Waiter, Access)>) {
        while let Some((_, kind)) = list.front() {
            if !kind.fits(self.state.load(Ordering::Relaxed)) {
                return;
            }
            // While WAITERS is set, others only release the lock, so it is still possible.
            self.state.fetch_add(kind.weight(), Ordering::AcqRel);
            if let Some((waiter, _)) = list.pop_front() {
                waiter.unpark();
            }
        }
        self.state.fetch_and(!WAITERS, Ordering::Release);
    }

    #[inline]
    fn give_back(&self, kind: Access) {
        let before = self.state.fetch_sub(kind.weight(), Ordering::AcqRel);
        if before & WAITERS != 0 && before - kind.weight() == WAITERS {
            self.serve(&mut self.list.lock());
        }
    }

    /// Gives the lock back, which the caller has for reading.
    #[inline]
    pub(crate) fn end_read(&self) {
        self.give_back(Access::Read);
    }

    /// Gives the lock back, which the caller has for writing.
    #[inline]
    pub(crate) fn end_write(&self) {
        self.owner.clear();
        self.give_back(Access::Write);
    }

    /// Turns the caller's write access into read access.
    pub(crate) fn downgrade(&self) {
        self.owner.clear();
        let before = self.state.fetch_add(READER - WRITER, Ordering::AcqRel);
        if before & WAITERS != 0 {
            self.serve(&mut self.list.lock());
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::RawRwLock;
    use crate::runtime::park;
    use crate::util::sync::{AtomicU64, Ordering};
    use loom::thread;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::time::Instant;

    /// A lock with what it protects, for a single use.
    type Shared = Arc<(RawRwLock, AtomicU64)>;

    fn shared() -> Shared {
        let shared = Arc::new((RawRwLock::new(), AtomicU64::new(0)));
        assert_free(&shared, 0);
        shared
    }

    fn spawn<R: 'static>(
        shared: &Shared,
        body: impl FnOnce(&Shared) -> R + 'static,
    ) -> thread::JoinHandle<R> {
        let shared = Arc::clone(shared);
        thread::spawn(move || body(&shared))
    }

    /// Adds one and unlocks. The caller has the lock for writing.
    fn add_and_end((raw, count): &(RawRwLock, AtomicU64)) {
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        raw.end_write();
    }

    fn add(shared: &Shared) {
        assert!(shared.0.write(None));
        add_and_end(shared);
    }

    /// Reads the value twice, and lets others in between if the lock allows it.
    fn look((raw, count): &(RawRwLock, AtomicU64)) -> u64 {
        assert!(raw.read(None));
        let before = count.load(Ordering::Relaxed);
        thread::yield_now();
        assert_eq!(count.load(Ordering::Relaxed), before, "a writer among readers");
        raw.end_read();
        before
    }

    fn assert_free((raw, count): &(RawRwLock, AtomicU64), expected: u64) {
        assert!(raw.try_write(), "the lock was lost");
        assert_eq!(count.load(Ordering::Relaxed), expected);
        raw.end_write();
        assert_eq!(raw.state.load(Ordering::Relaxed), 0, "nobody is inside or waits");
    }

    #[test]
    fn writers_are_alone() {
        loom::model(|| {
            let shared = shared();
            let (writer, reader) = (spawn(&shared, add), spawn(&shared, |shared| look(shared)));
            add(&shared);
            writer.join().unwrap();
            assert!(reader.join().unwrap() <= 2);
            assert_free(&shared, 2);
        });
    }

    #[test]
    fn a_writer_that_gives_up_lets_the_readers_behind_it_in() {
        loom::model(|| {
            let shared = shared();
            assert!(shared.0.read(None));
            let writer = spawn(&shared, |shared| {
                assert!(!shared.0.write(Some(Instant::now())), "the reader is inside all the time");
            });
            let reader = spawn(&shared, |shared| look(shared));
            writer.join().unwrap();
            reader.join().unwrap();
            shared.0.end_read();
            assert_free(&shared, 0);
        });
    }

    #[test]
    fn a_timeout_loses_nothing() {
        loom::model(|| {
            let shared = shared();
            let impatient = spawn(&shared, |shared| {
                let got = shared.0.write(Some(Instant::now()));
                if got {
                    add_and_end(shared);
                }
                u64::from(got)
            });
            let reader = spawn(&shared, |shared| look(shared));
            add(&shared);
            reader.join().unwrap();
            let got = impatient.join().unwrap();
            assert_free(&shared, 1 + got);
        });
    }

    #[test]
    fn a_try_to_read_is_not_refused_where_nobody_writes() {
        loom::model(|| {
            let shared = shared();
            assert!(shared.0.write(None));
            let reader = spawn(&shared, |shared| look(shared));
            shared.0.end_write();
            assert!(shared.0.try_read(), "there are only readers");
            shared.0.end_read();
            reader.join().unwrap();
            assert_free(&shared, 0);
        });
    }

    fn kill(wait: fn(&Shared) -> bool, end: fn(&Shared)) {
        loom::model(move || {
            let shared = shared();
            let doomed = park::own_task();
            let killer = thread::spawn(move || doomed.kill());
            let other = spawn(&shared, add);
            if catch_unwind(AssertUnwindSafe(|| wait(&shared))).is_ok() {
                end(&shared);
            }
            killer.join().unwrap();
            other.join().unwrap();
            assert_free(&shared, 1);
        });
    }

    #[test]
    fn a_killed_writer_loses_nothing() {
        kill(|shared| shared.0.write(None), |shared| shared.0.end_write());
    }

    #[test]
    fn a_killed_reader_loses_nothing() {
        kill(|shared| shared.0.read(None), |shared| shared.0.end_read());
    }

    #[test]
    fn a_downgrade_lets_readers_in() {
        loom::model(|| {
            let shared = shared();
            assert!(shared.0.write(None));
            let reader = spawn(&shared, |shared| look(shared));
            shared.1.store(1, Ordering::Relaxed);
            shared.0.downgrade();
            assert_eq!(reader.join().unwrap(), 1, "not before the downgrade");
            shared.0.end_read();
            assert_free(&shared, 1);
        });
    }
}
