//! Many readers or one writer, without the data.
//!
//! The word holds WRITER, or the number of readers times READER, and WAITERS: somebody is in the list. With WAITERS set
//! nobody takes the lock past the list, so that neither readers nor writers starve. Whoever leaves the lock free hands it
//! over, under the list's lock: to the first that waits, and if that is a reader, to all readers up to the next writer.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::task::{Blocker, Owner};
use crate::runtime::wait_list::WaitList;
use crate::util::sync::{AtomicUsize, Mutex, Ordering};
use std::time::Instant;

const WAITERS: usize = 1;
const WRITER: usize = 2;
const READER: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
}

impl Kind {
    /// What the lock's word gains.
    fn weight(self) -> usize {
        match self {
            Self::Read => READER,
            Self::Write => WRITER,
        }
    }

    /// Whether it may be had, but for those who wait.
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
    list: Mutex<WaitList<(Waiter, Kind)>>,
}

impl RawRwLock {
    pub(crate) const fn new() -> Self {
        Self { state: AtomicUsize::new(0), owner: Owner::new(), list: Mutex::new(WaitList::new()) }
    }

    #[inline]
    fn try_take(&self, kind: Kind) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAITERS == 0 && kind.fits(state) {
            assert!(state <= usize::MAX - READER, "too many readers");
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
        self.try_take(Kind::Read)
    }

    #[inline]
    pub(crate) fn try_write(&self) -> bool {
        self.written(self.try_take(Kind::Write))
    }

    /// `false` when the deadline has passed. A kill ends the wait by unwinding.
    #[inline]
    pub(crate) fn read(&self, deadline: Option<Instant>) -> bool {
        self.try_read() || self.wait(Kind::Read, deadline)
    }

    /// As [`read`](Self::read).
    #[inline]
    pub(crate) fn write(&self, deadline: Option<Instant>) -> bool {
        self.written(self.try_take(Kind::Write) || self.wait(Kind::Write, deadline))
    }

    #[inline(always)]
    fn written(&self, got: bool) -> bool {
        if got {
            self.owner.set();
        }
        got
    }

    #[cold]
    fn wait(&self, kind: Kind, deadline: Option<Instant>) -> bool {
        let parker = Parker::new();
        let key = {
            let mut list = self.list.lock();
            let state = self.state.fetch_or(WAITERS, Ordering::Acquire);
            if list.is_empty() && kind.fits(state) {
                self.state.fetch_add(kind.weight(), Ordering::Acquire);
                self.state.fetch_and(!WAITERS, Ordering::Relaxed);
                return true;
            }
            list.push_back((parker.waiter(), kind))
        };
        let leave = || {
            let mut list = self.list.lock();
            let was_there = list.remove(key).is_some();
            // A writer that leaves may have kept readers from joining those inside.
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

    /// Hands the lock to those at the front who may have it.
    fn serve(&self, list: &mut WaitList<(Waiter, Kind)>) {
        while let Some((_, kind)) = list.front() {
            if !kind.fits(self.state.load(Ordering::Relaxed)) {
                return;
            }
            // While WAITERS is set others only ever leave the lock, so it still fits.
            self.state.fetch_add(kind.weight(), Ordering::AcqRel);
            if let Some((waiter, _)) = list.pop_front() {
                waiter.unpark();
            }
        }
        self.state.fetch_and(!WAITERS, Ordering::Release);
    }

    #[inline]
    fn give_back(&self, kind: Kind) {
        let before = self.state.fetch_sub(kind.weight(), Ordering::AcqRel);
        if before & WAITERS != 0 && before - kind.weight() == WAITERS {
            self.serve(&mut self.list.lock());
        }
    }

    /// The caller reads.
    #[inline]
    pub(crate) fn end_read(&self) {
        self.give_back(Kind::Read);
    }

    /// The caller writes.
    #[inline]
    pub(crate) fn end_write(&self) {
        self.owner.clear();
        self.give_back(Kind::Write);
    }

    /// The caller writes, and reads from here on.
    pub(crate) fn downgrade(&self) {
        self.owner.clear();
        let before = self.state.fetch_add(READER - WRITER, Ordering::AcqRel);
        if before & WAITERS != 0 {
            self.serve(&mut self.list.lock());
        }
    }
}
