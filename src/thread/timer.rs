//! Calling something later.
#![forbid(unsafe_code)]

use super::{Builder, JoinError, JoinHandle, park_until};
use crate::sys::clock;
use crate::sys::time::deadline_after;
use crate::util::dropping::Held;
use crate::util::lock::Mutex;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimerState {
    /// Waits until that time; `None` is beyond what the clock can represent, which is for ever.
    Waiting(Option<Instant>),
    Fired,
    Cancelled,
}

/// Calls a function later, in a green thread of its own, unless it is cancelled first. (Python's `threading.Timer`, Go's
/// `time.AfterFunc`.)
///
/// Dropping a timer neither cancels it nor waits for it. [`run`](crate::run) waits for a timer as for any green thread that its
/// caller spawns.
///
/// # Examples
/// ```
/// use greenthread::thread::Timer;
/// use std::time::Duration;
/// let greeting = Timer::after(Duration::from_millis(1), || "hello");
/// let never = Timer::after(Duration::from_secs(60), || unreachable!("it is cancelled"));
/// assert!(never.cancel());
/// assert_eq!(greeting.join().unwrap(), Some("hello"));
/// assert_eq!(never.join().unwrap(), None);
///
/// // Put off for as long as there is something to do, then brought forward.
/// let idle = Timer::after(Duration::from_secs(60), || "idle for long");
/// assert!(idle.reset(Duration::from_secs(90)) && idle.reset(Duration::ZERO));
/// assert_eq!(idle.join().unwrap(), Some("idle for long"));
/// ```
#[doc(alias("AfterFunc", "call_later", "setTimeout"))]
pub struct Timer<T> {
    state: Arc<Mutex<TimerState>>,
    handle: JoinHandle<Option<T>>,
}

impl<T: Send + 'static> Timer<T> {
    /// Calls `f` when `duration` has passed. Does not suspend.
    ///
    /// # Panics
    /// If there is no room for another stack, or the global runtime cannot start;
    /// [`with_builder`](Self::with_builder) returns these as an error instead.
    ///
    /// # Examples
    /// Something that happens unless it is called off:
    /// ```
    /// use greenthread::{thread::Timer, sync::mpsc::channel};
    /// use std::time::Duration;
    ///
    /// let (alarm, alarms) = channel();
    /// Timer::after(Duration::from_millis(1), move || alarm.send("time is up"));
    /// assert_eq!(alarms.recv(), Ok("time is up"));
    /// ```
    #[track_caller]
    pub fn after<F>(duration: Duration, f: F) -> Self
    where
        F: FnOnce() -> T + Send + 'static,
    {
        Self::until(Builder::new(), deadline_after(duration), f)
            .expect("failed to spawn a green thread")
    }

    /// Calls `f` at `instant`. Does not suspend.
    ///
    /// # Panics
    /// For the same reasons as [`after`](Self::after).
    ///
    /// # Examples
    /// ```
    /// use greenthread::thread::Timer;
    /// use std::time::{Duration, Instant};
    ///
    /// let due = Instant::now() + Duration::from_millis(1);
    /// let timer = Timer::at(due, Instant::now);
    /// assert!(timer.join().unwrap().unwrap() >= due);
    /// ```
    #[track_caller]
    pub fn at<F>(instant: Instant, f: F) -> Self
    where
        F: FnOnce() -> T + Send + 'static,
    {
        Self::until(Builder::new(), Some(instant), f).expect("failed to spawn a green thread")
    }

    /// As [`after`](Self::after), in a green thread with settings: a name or a stack size, say. Does not suspend.
    ///
    /// # Errors
    /// Those of [`Builder::spawn`].
    ///
    /// # Examples
    /// ```
    /// use greenthread::{Builder, current, thread::Timer};
    /// use std::time::Duration;
    /// let named = Builder::new().name("alarm".into());
    /// let timer = Timer::with_builder(named, Duration::from_millis(1), || current().to_string())?;
    /// assert_eq!(timer.join().unwrap().as_deref(), Some("alarm"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn with_builder<F>(builder: Builder, duration: Duration, f: F) -> io::Result<Self>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        Self::until(builder, deadline_after(duration), f)
    }

    fn until<F>(builder: Builder, deadline: Option<Instant>, f: F) -> io::Result<Self>
    where
        F: FnOnce() -> T + Send + 'static,
    {
        let state = Arc::new(Mutex::new(TimerState::Waiting(deadline)));
        let own = Arc::clone(&state);
        let f = Held::new(f);
        let handle = builder.spawn(move || wait(&own).then(|| f.into_inner()()))?;
        Ok(Self { state, handle })
    }
}

/// Waits until the timer fires or is cancelled. Returns whether it has fired.
fn wait(state: &Mutex<TimerState>) -> bool {
    loop {
        let deadline = {
            let mut state = state.lock();
            match *state {
                TimerState::Waiting(Some(at)) if at <= clock::now() => {
                    *state = TimerState::Fired;
                    return true;
                }
                TimerState::Waiting(deadline) => deadline,
                TimerState::Fired | TimerState::Cancelled => return false,
            }
        };
        park_until(deadline);
    }
}

impl<T> Timer<T> {
    /// Cancels the timer. Returns `true` if its function is not called any more, and `false` if it has been called already.
    /// Does not suspend. (Go's `Timer.Stop`.)
    ///
    /// # Examples
    /// ```
    /// use greenthread::thread::Timer;
    /// use std::time::Duration;
    ///
    /// let alarm = Timer::after(Duration::from_secs(60), || unreachable!("the work was done in time"));
    /// // ... the work ...
    /// assert!(alarm.cancel());
    /// assert_eq!(alarm.join().unwrap(), None);
    /// ```
    #[doc(alias("stop"))]
    pub fn cancel(&self) -> bool {
        let mut state = self.state.lock();
        let was = *state;
        if let TimerState::Waiting(_) = was {
            *state = TimerState::Cancelled;
            drop(state);
            self.handle.thread().unpark();
        }
        was != TimerState::Fired
    }

    /// Makes the timer fire `duration` from now instead. Returns `false`, and changes nothing, if it has fired or was
    /// cancelled. Does not suspend.
    ///
    /// # Examples
    /// A connection that is closed when nothing has come for a minute:
    /// ```
    /// use greenthread::thread::Timer;
    /// use std::time::Duration;
    ///
    /// let minute = Duration::from_secs(60);
    /// let idle = Timer::after(minute, || println!("closed"));
    /// for _message in ["hello", "are you there?"] {
    ///     assert!(idle.reset(minute));
    /// }
    /// idle.cancel();
    /// assert!(!idle.reset(minute), "it is over");
    /// ```
    pub fn reset(&self, duration: Duration) -> bool {
        let mut state = self.state.lock();
        let waiting = matches!(*state, TimerState::Waiting(_));
        if waiting {
            *state = TimerState::Waiting(deadline_after(duration));
            drop(state);
            self.handle.thread().unpark();
        }
        waiting
    }

    /// Waits until the timer has fired and its function has returned, or until it is cancelled: then the result is `None`.
    /// Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// [`JoinError`] if the function panicked, or the green thread was killed or could not run.
    ///
    /// # Examples
    /// ```
    /// use greenthread::thread::Timer;
    /// use std::time::Duration;
    ///
    /// let timer = Timer::after(Duration::from_millis(1), || 6 * 7);
    /// assert_eq!(timer.join().unwrap(), Some(42));
    /// let fails = Timer::after(Duration::ZERO, || panic!("no luck"));
    /// assert!(fails.join().unwrap_err().is_panic());
    /// ```
    pub fn join(self) -> Result<Option<T>, JoinError> {
        self.handle.join()
    }

    /// Whether the function has been called and has returned, or the timer was cancelled.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> fmt::Debug for Timer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = *self.state.lock();
        f.debug_struct("Timer").field("state", &state).finish_non_exhaustive()
    }
}
