//! Doing something once.
#![forbid(unsafe_code)]

use super::gate::Gate;
use super::poison::Before;
use crate::runtime::park::Reason;
use crate::runtime::task::Owner;
use crate::util::dropping::Held;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU8, Ordering};

const NEW: u8 = 0;
const POISONED: u8 = 1;
const RUNNING: u8 = 2;
const DONE: u8 = 3;

/// Runs a single closure, once, however many threads come with one; as [`std::sync::Once`].
///
/// Those who come while it runs wait for its end. If it panics, the `Once` is poisoned. If its green thread is killed, the
/// `Once` is as if the closure had never begun, and the next closure runs.
///
/// std's own is better for closures that never wait.
///
/// # Examples
/// ```
/// use greenthread::sync::Once;
/// static INIT: Once = Once::new();
/// let mut runs = 0;
/// INIT.call_once(|| runs += 1);
/// INIT.call_once(|| runs += 1);
/// assert!(runs == 1 && INIT.is_completed());
/// ```
#[doc(alias("sync.Once", "OnceFunc"))]
pub struct Once {
    state: AtomicU8,
    /// The thread whose closure runs.
    owner: Owner,
    gate: Gate,
}

/// What a closure of [`Once::call_once_force`] is given, as [`std::sync::OnceState`].
#[derive(Debug)]
pub struct OnceState {
    poisoned: bool,
}

impl OnceState {
    /// Whether an earlier closure panicked.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

/// Sets the state when the closure ends, in whatever way.
struct Initializing<'a> {
    once: &'a Once,
    before: Before,
    /// The state to be set, unless the closure panics.
    then: u8,
}

impl Drop for Initializing<'_> {
    fn drop(&mut self) {
        let state =
            if self.then == NEW && self.before.panicked_since() { POISONED } else { self.then };
        self.once.owner.clear();
        self.once.state.store(state, Ordering::SeqCst);
        self.once.gate.notify_all();
    }
}

impl Once {
    /// Makes a `Once` for which no closure has run.
    #[must_use]
    pub const fn new() -> Self {
        Self { state: AtomicU8::new(NEW), owner: Owner::new(), gate: Gate::new() }
    }

    /// Runs `f`, unless a closure has run; if one is running, waits for its end. Suspends a green thread meanwhile, blocks an
    /// OS thread. `f` must not use the same `Once`: that waits for ever.
    ///
    /// # Panics
    /// If an earlier closure panicked, or if `f` does.
    ///
    /// # Examples
    /// However many come, one of them does it, and the others go on when it is done:
    /// ```
    /// use greenthread::sync::{Once, atomic::{AtomicUsize, Ordering}};
    ///
    /// let (once, runs) = (Once::new(), AtomicUsize::new(0));
    /// greenthread::scope(|s| {
    ///     for _ in 0..3 {
    ///         s.spawn(|| {
    ///             once.call_once(|| {
    ///                 greenthread::yield_now();
    ///                 runs.fetch_add(1, Ordering::SeqCst);
    ///             });
    ///             assert_eq!(runs.load(Ordering::SeqCst), 1);
    ///         });
    ///     }
    /// });
    /// ```
    #[inline]
    pub fn call_once(&self, f: impl FnOnce()) {
        if !self.is_completed() {
            let done: Result<(), ()> = self.call(false, |_| {
                f();
                Ok(())
            });
            debug_assert!(done.is_ok());
        }
    }

    /// As [`call_once`](Self::call_once), but runs `f` also if an earlier closure panicked.
    ///
    /// # Panics
    /// If `f` does.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Once;
    /// let once = Once::new();
    /// assert!(greenthread::catch_unwind(|| once.call_once(|| panic!("poisoned"))).is_err());
    /// once.call_once_force(|state| assert!(state.is_poisoned()));
    /// once.call_once(|| unreachable!("one has run"));
    /// ```
    #[inline]
    pub fn call_once_force(&self, f: impl FnOnce(&OnceState)) {
        if !self.is_completed() {
            let done: Result<(), ()> = self.call(true, |state| {
                f(state);
                Ok(())
            });
            debug_assert!(done.is_ok());
        }
    }

    /// Whether a closure has run to its end.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Once;
    ///
    /// let once = Once::new();
    /// once.call_once(|| assert!(!once.is_completed(), "it runs"));
    /// assert!(once.is_completed());
    /// ```
    #[inline]
    pub fn is_completed(&self) -> bool {
        self.state.load(Ordering::Acquire) == DONE
    }

    /// Waits until a closure has run to its end. Suspends a green thread, blocks an OS thread.
    ///
    /// # Panics
    /// If a closure panicked.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Once;
    ///
    /// static STARTED: Once = Once::new();
    /// let waits = greenthread::spawn(|| STARTED.wait());
    /// STARTED.call_once(|| println!("started"));
    /// waits.join().unwrap();
    /// assert!(STARTED.is_completed());
    /// ```
    pub fn wait(&self) {
        assert!(self.wait_done(false), "Once instance has previously been poisoned");
    }

    /// As [`wait`](Self::wait), but goes on waiting if a closure panicked.
    pub fn wait_force(&self) {
        self.wait_done(true);
    }

    fn wait_done(&self, force: bool) -> bool {
        let waits = |state: u8| state != DONE && (force || state != POISONED);
        loop {
            let state = self.state.load(Ordering::SeqCst);
            if !waits(state) {
                return state == DONE;
            }
            let over = || !waits(self.state.load(Ordering::SeqCst));
            self.gate.wait_for(Reason::Once, &self.owner, over);
        }
    }

    /// Runs `f` unless a closure has run. After an error of `f` it is as if `f` had never begun.
    #[cold]
    pub(super) fn call<E>(
        &self,
        force: bool,
        f: impl FnOnce(&OnceState) -> Result<(), E>,
    ) -> Result<(), E> {
        let f = Held::new(f);
        loop {
            let state = self.state.load(Ordering::SeqCst);
            match state {
                DONE => return Ok(()),
                POISONED if !force => panic!("Once instance has previously been poisoned"),
                RUNNING => {
                    let over = || self.state.load(Ordering::SeqCst) != RUNNING;
                    self.gate.wait_for(Reason::Once, &self.owner, over);
                }
                _ => {
                    let begin = self.state.compare_exchange(
                        state,
                        RUNNING,
                        Ordering::SeqCst,
                        Ordering::Relaxed,
                    );
                    if begin.is_ok() {
                        self.owner.set();
                        let mut running =
                            Initializing { once: self, before: Before::now(), then: NEW };
                        let result = f.into_inner()(&OnceState { poisoned: state == POISONED });
                        if result.is_ok() {
                            running.then = DONE;
                        }
                        return result;
                    }
                }
            }
        }
    }
}

impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

impl Default for Once {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
