//! A flag to wait for.
#![forbid(unsafe_code)]

use crate::runtime::park::{self, Parker, Reason, Waiter, Wake};
use crate::runtime::wait_list::{Key, WaitList};
use crate::runtime::waker::put_off;
use crate::sys::time::deadline_after;
use crate::util::lock::Mutex;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A flag that threads wait for, as Python's `threading.Event` and gevent's `Event`; std has none.
///
/// [`set`](Self::set) wakes everybody who waits at that moment, even if [`clear`](Self::clear) follows at once. It can be an arm
/// of [`select!`](crate::select).
///
/// # Examples
/// ```
/// use greenthread::sync::{Arc, Event};
///
/// let green_light = Arc::new(Event::new());
/// let cars: Vec<_> = (0..3)
///     .map(|_| {
///         let green_light = Arc::clone(&green_light);
///         greenthread::spawn(move || green_light.wait())
///     })
///     .collect();
/// green_light.set();
/// for car in cars {
///     car.join().unwrap();
/// }
/// assert!(green_light.is_set());
/// ```
#[doc(alias = "CancellationToken")]
#[doc(alias = "ManualResetEvent")]
#[derive(Debug, Default)]
pub struct Event {
    set: AtomicBool,
    waiters: Mutex<EventWaiters>,
}

#[derive(Debug, Default)]
struct EventWaiters {
    list: WaitList<Waiter>,
    /// How often `set` has set the flag.
    sets: u64,
}

// A panic leaves nothing half changed behind.
impl UnwindSafe for Event {}
impl RefUnwindSafe for Event {}

impl Event {
    /// Makes an event that is not set.
    #[must_use]
    pub const fn new() -> Self {
        let waiters = EventWaiters { list: WaitList::new(), sets: 0 };
        Self { set: AtomicBool::new(false), waiters: Mutex::new(waiters) }
    }

    /// Whether the flag is set.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Sets the flag and wakes everybody who waits. Does not suspend.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{Arc, Event};
    ///
    /// let stop = Arc::new(Event::new());
    /// let worker = {
    ///     let stop = Arc::clone(&stop);
    ///     greenthread::spawn(move || {
    ///         let mut rounds = 0;
    ///         while !stop.is_set() {
    ///             rounds += 1;
    ///             greenthread::yield_now();
    ///         }
    ///         rounds
    ///     })
    /// };
    /// stop.set();
    /// worker.join().unwrap();
    /// ```
    pub fn set(&self) {
        let _later = put_off();
        let mut waiters = self.waiters.lock();
        waiters.sets += 1;
        self.set.store(true, Ordering::Release);
        while let Some(waiter) = waiters.list.pop_front() {
            waiter.unpark();
        }
    }

    /// Unsets the flag: whoever waits from now on waits for the next [`set`](Self::set). Does not suspend.
    ///
    /// # Examples
    /// A gate that is closed again:
    /// ```
    /// use greenthread::sync::Event;
    /// use std::time::Duration;
    ///
    /// let gate = Event::new();
    /// gate.set();
    /// gate.wait();
    /// gate.clear();
    /// assert!(!gate.is_set());
    /// assert!(!gate.wait_timeout(Duration::from_millis(1)));
    /// ```
    pub fn clear(&self) {
        self.set.store(false, Ordering::Release);
    }

    /// Waits until the flag is set. Suspends a green thread, blocks an OS thread.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::Event;
    ///
    /// let (ready, done) = (Event::new(), Event::new());
    /// greenthread::scope(|s| {
    ///     s.spawn(|| {
    ///         ready.wait();
    ///         done.set();
    ///     });
    ///     ready.set();
    ///     done.wait();
    /// });
    /// ```
    #[inline]
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// As [`wait`](Self::wait), for at most `timeout`. Returns whether the flag was set in that time.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let event = greenthread::sync::Event::new();
    /// assert!(!event.wait_timeout(Duration::from_millis(5)));
    /// event.set();
    /// assert!(event.wait_timeout(Duration::from_millis(5)));
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(deadline_after(timeout))
    }

    /// As [`wait`](Self::wait), up to a point in time. Returns whether the flag was set by then.
    pub fn wait_deadline(&self, deadline: Instant) -> bool {
        self.wait_until(Some(deadline))
    }

    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        if self.is_set() {
            return true;
        }
        let parker = Parker::new();
        let Some(key) = self.enter(parker.waiter()) else { return true };
        match parker.park(Reason::Event, deadline) {
            Wake::Notified => true,
            Wake::TimedOut => !self.leave(key),
            Wake::Killed => {
                self.leave(key);
                park::raise_kill()
            }
        }
    }

    /// Joins those who wait; `None` if the flag is set.
    pub(super) fn enter(&self, waiter: Waiter) -> Option<Key> {
        let mut waiters = self.waiters.lock();
        (!self.is_set()).then(|| waiters.list.push_back(waiter))
    }

    /// Leaves those who wait; `false` if it has been woken first.
    pub(super) fn leave(&self, key: Key) -> bool {
        self.waiters.lock().list.remove(key).is_some()
    }

    /// A number that changes with each [`set`](Self::set).
    pub(super) fn sets(&self) -> u64 {
        self.waiters.lock().sets
    }
}
