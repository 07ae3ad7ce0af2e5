//! A barrier that can break.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::wait_list::WaitList;
use crate::sys::time::deadline_after;
use crate::util::dropping::Held;
use crate::util::lock::{Mutex, MutexGuard};
use std::error::Error;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A barrier that fails all its waiters when one of them cannot come; as Python's `threading.Barrier`.
///
/// It breaks when [`abort`](Self::abort) is called, and when a waiter times out, is killed, or panics in the action.
/// [`reset`](Self::reset) mends it. std's [`Barrier`](super::Barrier) cannot break.
///
/// # Examples
/// ```
/// use greenthread::sync::{Arc, CyclicBarrier};
/// let barrier = Arc::new(CyclicBarrier::new(2));
/// let other = {
///     let barrier = Arc::clone(&barrier);
///     greenthread::spawn(move || barrier.wait())
/// };
/// let mine = barrier.wait().unwrap();
/// let theirs = other.join().unwrap().unwrap();
/// assert_eq!(mine + theirs, 1, "the places in the round: 0 and 1");
/// barrier.abort();
/// assert!(barrier.wait().is_err() && barrier.is_broken());
/// barrier.reset();
/// assert!(!barrier.is_broken());
/// ```
pub struct CyclicBarrier {
    parties: usize,
    action: Held<Option<Box<dyn Fn() + Send + Sync>>>,
    state: Mutex<BarrierState>,
}

// An action that panics breaks it.
impl UnwindSafe for CyclicBarrier {}
impl RefUnwindSafe for CyclicBarrier {}

struct BarrierState {
    broken: bool,
    /// The last thread of a round runs the action; nobody joins the next round before that is done.
    acting: bool,
    waiting: WaitList<Waiter>,
    /// The waiters that came while the action ran.
    early: WaitList<Waiter>,
    /// Whether the present round has failed; each round has its own.
    failed: Arc<AtomicBool>,
}

/// The error of waiting at a [`CyclicBarrier`] that is broken, or broke meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBarrierError(());

impl fmt::Display for BrokenBarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier is broken")
    }
}

impl Error for BrokenBarrierError {}

fn wake_all(list: &mut WaitList<Waiter>) {
    while let Some(waiter) = list.pop_front() {
        waiter.unpark();
    }
}

impl BarrierState {
    /// Makes all waiters of the round fail.
    fn fail(&mut self) {
        self.failed.store(true, Ordering::Release);
        self.failed = Arc::default();
        wake_all(&mut self.waiting);
        wake_all(&mut self.early);
    }

    fn break_all(&mut self) {
        self.broken = true;
        self.fail();
    }
}

/// Breaks the barrier if the action unwinds.
struct BreakOnUnwind<'a>(&'a CyclicBarrier);

impl Drop for BreakOnUnwind<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.acting = false;
        state.break_all();
    }
}

impl CyclicBarrier {
    /// Makes a barrier for `parties` threads; zero means one.
    #[must_use]
    pub fn new(parties: usize) -> Self {
        Self::make(parties, None)
    }

    /// Makes a barrier whose last thread in each round runs `action`, before any of them goes on.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{Arc, CyclicBarrier, atomic::{AtomicUsize, Ordering}};
    /// let rounds = Arc::new(AtomicUsize::new(0));
    /// let counted = Arc::clone(&rounds);
    /// let barrier = CyclicBarrier::with_action(2, move || {
    ///     counted.fetch_add(1, Ordering::SeqCst);
    /// });
    /// greenthread::scope(|s| {
    ///     for _ in 0..2 {
    ///         s.spawn(|| {
    ///             for round in 1..=3 {
    ///                 barrier.wait().unwrap();
    ///                 assert!(rounds.load(Ordering::SeqCst) >= round);
    ///             }
    ///         });
    ///     }
    /// });
    /// ```
    pub fn with_action(parties: usize, action: impl Fn() + Send + Sync + 'static) -> Self {
        Self::make(parties, Some(Box::new(action)))
    }

    fn make(parties: usize, action: Option<Box<dyn Fn() + Send + Sync>>) -> Self {
        let state = BarrierState {
            broken: false,
            acting: false,
            waiting: WaitList::new(),
            early: WaitList::new(),
            failed: Arc::default(),
        };
        Self { parties: parties.max(1), action: Held::new(action), state: Mutex::new(state) }
    }

    /// Waits until as many threads wait here as the barrier is for, and returns the caller's place in the order of arrival,
    /// counted from zero. Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`BrokenBarrierError`] if the barrier is broken, or if it breaks or is reset meanwhile.
    ///
    /// # Panics
    /// If the action panics, in the thread that ran it; the barrier is broken then.
    ///
    /// # Examples
    /// The places in the order of arrival share out the work of a round:
    /// ```
    /// use greenthread::sync::CyclicBarrier;
    ///
    /// let barrier = CyclicBarrier::new(3);
    /// let mut places = greenthread::scope(|s| {
    ///     let threads = [(); 3].map(|()| s.spawn(|| barrier.wait()));
    ///     threads.map(|thread| thread.join().unwrap().unwrap())
    /// });
    /// places.sort();
    /// assert_eq!(places, [0, 1, 2]);
    /// ```
    pub fn wait(&self) -> Result<usize, BrokenBarrierError> {
        self.wait_until(None)
    }

    /// As [`wait`](Self::wait), for at most `timeout`; if that runs out, the barrier breaks.
    ///
    /// # Errors
    /// [`BrokenBarrierError`], as [`wait`](Self::wait), and if the time ran out.
    ///
    /// # Panics
    /// If the action panics, in the thread that ran it.
    ///
    /// # Examples
    /// Nobody waits for ever for one that does not come, and whoever comes later learns of it at once:
    /// ```
    /// use greenthread::sync::CyclicBarrier;
    /// use std::time::Duration;
    ///
    /// let barrier = CyclicBarrier::new(2);
    /// assert!(barrier.wait_timeout(Duration::from_millis(1)).is_err());
    /// assert!(barrier.is_broken() && barrier.wait().is_err());
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<usize, BrokenBarrierError> {
        self.wait_until(deadline_after(timeout))
    }

    /// As [`wait_timeout`](Self::wait_timeout), up to a point in time.
    ///
    /// # Errors
    /// Those of [`wait_timeout`](Self::wait_timeout).
    ///
    /// # Panics
    /// If the action panics, in the thread that ran it.
    pub fn wait_deadline(&self, deadline: Instant) -> Result<usize, BrokenBarrierError> {
        self.wait_until(Some(deadline))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> Result<usize, BrokenBarrierError> {
        loop {
            let parker = Parker::new();
            let mut state = self.state.lock();
            if state.broken {
                return Err(BrokenBarrierError(()));
            }
            let early = state.acting;
            let place = state.waiting.len();
            if !early && place + 1 == self.parties {
                return self.complete(state, place);
            }
            let list = if early { &mut state.early } else { &mut state.waiting };
            let key = list.push_back(parker.waiter());
            let failed = Arc::clone(&state.failed);
            drop(state);
            let wake = parker.park(Reason::Barrier, deadline);
            if wake != Wake::Notified {
                let mut state = self.state.lock();
                let list = if early { &mut state.early } else { &mut state.waiting };
                if list.remove(key).is_some() {
                    state.break_all();
                }
                drop(state);
                if wake == Wake::Killed {
                    park::raise_kill();
                }
            }
            if failed.load(Ordering::Acquire) {
                return Err(BrokenBarrierError(()));
            }
            if !early {
                return Ok(place);
            }
        }
    }

    /// Ends the round, whose last thread has come.
    fn complete<'a>(
        &'a self,
        mut state: MutexGuard<'a, BarrierState>,
        place: usize,
    ) -> Result<usize, BrokenBarrierError> {
        let failed = Arc::clone(&state.failed);
        if let Some(action) = &*self.action {
            state.acting = true;
            drop(state);
            let guard = BreakOnUnwind(self);
            action();
            std::mem::forget(guard);
            state = self.state.lock();
            state.acting = false;
        }
        // The waiters that came while the action ran begin the next round.
        wake_all(&mut state.early);
        if failed.load(Ordering::Acquire) {
            return Err(BrokenBarrierError(()));
        }
        wake_all(&mut state.waiting);
        state.failed = Arc::default();
        Ok(place)
    }

    /// Breaks the barrier: all who wait fail, and all who come, until [`reset`](Self::reset). Does not suspend.
    ///
    /// # Examples
    /// A thread that cannot do its part breaks the barrier; [`reset`](Self::reset) lets all begin anew:
    /// ```
    /// use greenthread::sync::CyclicBarrier;
    ///
    /// let barrier = CyclicBarrier::new(2);
    /// greenthread::scope(|s| {
    ///     let waits = s.spawn(|| barrier.wait());
    ///     barrier.abort();
    ///     assert!(waits.join().unwrap().is_err());
    /// });
    /// barrier.reset();
    /// assert!(!barrier.is_broken());
    /// ```
    pub fn abort(&self) {
        self.state.lock().break_all();
    }

    /// Mends the barrier. All who wait at this moment fail. Does not suspend.
    pub fn reset(&self) {
        let mut state = self.state.lock();
        state.fail();
        state.broken = false;
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.state.lock().broken
    }

    /// How many threads meet.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many threads wait at this moment.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::CyclicBarrier;
    ///
    /// let barrier = CyclicBarrier::new(3);
    /// assert_eq!((barrier.n_waiting(), barrier.parties()), (0, 3));
    /// ```
    pub fn n_waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }
}

impl fmt::Debug for CyclicBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CyclicBarrier")
            .field("parties", &self.parties)
            .field("waiting", &self.n_waiting())
            .field("broken", &self.is_broken())
            .finish_non_exhaustive()
    }
}
