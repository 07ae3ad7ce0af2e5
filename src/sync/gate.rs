//! Waiting for a condition that others make true without a lock.
//!
//! A waiter joins the line, raises the flag, and looks at the condition once more before it sleeps. Whoever makes the
//! condition true does that first and looks at the flag afterwards. All four steps are sequentially consistent, so one of
//! the two sides sees the other. While nobody waits, notifying is a single load.
//!
//! A notification means "look again", and is not lost. If it reaches a waiter that does not need it any more (because
//! that found the condition true by itself, timed out or was killed at the same moment), it goes on to the next of
//! those who waited when it came. Whoever came later has looked since. So a wait that ends as notified was notified
//! while it lasted; where all are notified, that means that the condition was true.
//!
//! The waiter that is notified may be on a worker that is held up. What it was to look for stays there meanwhile. So
//! another waiter is made to look without being notified (`runtime/observe/bypass.rs`), and keeps its place if it finds
//! nothing.
//!
//! Whoever only wants to know whether the condition was true at any moment from now on [watches](Gate::watch) the gate:
//! that raises the flag too and counts notifications, but takes none from those who wait.
#![forbid(unsafe_code)]

use super::line::Line;
use crate::runtime::park::{self, Mark, Parker, Reason, Waiter, Wake};
use crate::runtime::task::{Blocker, Owner};
use crate::runtime::waker::put_off;
use crate::util::sync::{AtomicBool, Mutex, Ordering};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Instant;

pub(crate) use super::line::Position;

/// The list of those who wait for a condition; the text of the module explains it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Somebody is in the line, or watches.
    waiting: AtomicBool,
    state: Mutex<GateState>,
}

#[derive(Debug, Default)]
struct GateState {
    line: Line,
    watchers: usize,
    /// Notifications that came while somebody waited or watched.
    notified: u64,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum WaitEnd {
    /// It is time to look again.
    Again,
    /// The deadline has passed.
    TimedOut,
    /// The caller has been killed, or a timeout around it has expired: it drops what it holds, then calls
    /// [`park::raise_kill`].
    Killed,
}

// A panic leaves nothing half changed behind.
impl UnwindSafe for Gate {}
impl RefUnwindSafe for Gate {}

impl Gate {
    pub(crate) const fn new() -> Self {
        let state = GateState { line: Line::new(), watchers: 0, notified: 0 };
        Self { waiting: AtomicBool::new(false), state: Mutex::new(state) }
    }

    fn lower(&self, state: &GateState) {
        if state.line.is_empty() && state.watchers == 0 {
            self.waiting.store(false, Ordering::SeqCst);
        }
    }

    /// Wakes the first waiter. The caller has made the condition true before.
    #[inline]
    pub(crate) fn notify_one(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            self.notify_slow();
        }
    }

    fn notify_slow(&self) {
        let first = {
            let mut state = self.state.lock();
            state.notified += 1;
            let first = state.line.tell();
            self.lower(&state);
            if !state.line.is_empty() {
                park::contended();
            }
            first
        };
        if let Some(waiter) = first {
            waiter.unpark();
        }
    }

    /// Wakes all that wait at this moment. The caller has made the condition true before.
    pub(crate) fn notify_all(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            let _later = put_off();
            let mut state = self.state.lock();
            state.notified += 1;
            while let Some(waiter) = state.line.tell() {
                waiter.unpark();
            }
            self.lower(&state);
        }
    }

    /// To be called by a thread that has seen the condition true, before it tells anybody, so that those who watch know
    /// it too, even if whoever made it true has not yet come to notify.
    #[inline]
    pub(crate) fn seen(&self) {
        if self.waiting.load(Ordering::SeqCst) {
            self.state.lock().notified += 1;
        }
    }

    /// Begins to count notifications for [`has_changed`](Self::has_changed), until [`unwatch`](Self::unwatch) is
    /// called. Returns the number to be passed to `has_changed`.
    pub(crate) fn watch(&self) -> u64 {
        let mut state = self.state.lock();
        state.watchers += 1;
        self.waiting.store(true, Ordering::SeqCst);
        state.notified
    }

    /// Whether the condition has become true since then, even if it is not true any more.
    pub(crate) fn has_changed(&self, since: u64) -> bool {
        self.state.lock().notified != since
    }

    pub(crate) fn unwatch(&self) {
        let mut state = self.state.lock();
        state.watchers -= 1;
        self.lower(&state);
    }

    /// Joins the line. The caller looks at its condition afterwards.
    #[inline]
    pub(crate) fn enter(&self, waiter: Waiter) -> Position {
        let mut state = self.state.lock();
        let position = state.line.enter(waiter);
        self.waiting.store(true, Ordering::SeqCst);
        position
    }

    /// Leaves the line; `false` if a notification has come meanwhile.
    pub(crate) fn leave(&self, position: Position) -> bool {
        let mut state = self.state.lock();
        let was_there = state.line.leave(position);
        self.lower(&state);
        was_there
    }

    /// Passes a notification that has reached a waiter in vain on to the next of those who waited then.
    pub(crate) fn pass_on(&self, position: Position) {
        let next = {
            let mut state = self.state.lock();
            let next = state.line.tell_instead_of(position);
            self.lower(&state);
            next
        };
        if let Some(waiter) = next {
            waiter.unpark();
        }
    }

    /// Leaves the line, and passes on a notification that has come meanwhile.
    pub(crate) fn give_up(&self, position: Position) {
        if !self.leave(position) {
            self.pass_on(position);
        }
    }

    /// Waits until it is notified, unless `ready` returns `true`. Returns whether to look again; `false` means that the
    /// deadline has passed. A kill ends the wait by unwinding.
    #[inline]
    pub(crate) fn wait(
        &self,
        reason: Reason,
        deadline: Option<Instant>,
        ready: impl Fn() -> bool,
    ) -> bool {
        match self.wait_holding(reason, deadline, ready) {
            WaitEnd::Again => true,
            WaitEnd::TimedOut => false,
            WaitEnd::Killed => park::raise_kill(),
        }
    }

    /// As [`wait`](Self::wait), for callers that hold a value of the user's. An unwind must not drop that, as its destructor
    /// may panic; so a kill is returned.
    #[inline]
    pub(crate) fn wait_holding(
        &self,
        reason: Reason,
        deadline: Option<Instant>,
        ready: impl Fn() -> bool,
    ) -> WaitEnd {
        let park = |parker: &Parker| parker.park_open(self.mark(), reason, deadline, None);
        self.wait_with(park, ready)
    }

    /// Like [`wait`](Self::wait) without a deadline, for something that `owner` is to do; reports name the owner.
    pub(crate) fn wait_for(&self, reason: Reason, owner: &Owner, ready: impl Fn() -> bool) {
        let park = |parker: &Parker| Some(parker.park_on(reason, None, Blocker::Owner(owner)));
        if self.wait_with(park, ready) == WaitEnd::Killed {
            park::raise_kill();
        }
    }

    #[inline]
    fn wait_with(
        &self,
        park: impl Fn(&Parker) -> Option<Wake>,
        ready: impl Fn() -> bool,
    ) -> WaitEnd {
        let parker = Parker::new();
        let position = self.enter(parker.waiter());
        loop {
            if ready() {
                self.give_up(position);
                return WaitEnd::Again;
            }
            return match park(&parker) {
                None => continue,
                Some(Wake::Notified) => WaitEnd::Again,
                Some(Wake::TimedOut) if self.leave(position) => WaitEnd::TimedOut,
                Some(Wake::TimedOut) => WaitEnd::Again,
                Some(Wake::Killed) => {
                    self.give_up(position);
                    WaitEnd::Killed
                }
            };
        }
    }

    /// The mark of those who wait here, by which the lookout finds them.
    #[inline]
    pub(crate) fn mark(&self) -> Mark {
        Mark::of(self)
    }
}
