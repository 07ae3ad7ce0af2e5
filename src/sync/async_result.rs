//! One value for many who wait.
#![forbid(unsafe_code)]

use super::{Event, OnceLock};
use std::time::{Duration, Instant};

/// A value that one thread sets and any number of threads wait for, as gevent's `AsyncResult`. Where it may fail, its value is a
/// `Result`. [`OnceLock`] does the same without time limits.
///
/// # Examples
/// ```
/// use greenthread::sync::{Arc, AsyncResult};
/// let result = Arc::new(AsyncResult::new());
/// let readers: Vec<_> = (0..3)
///     .map(|_| {
///         let result = Arc::clone(&result);
///         greenthread::spawn(move || *result.get())
///     })
///     .collect();
/// assert_eq!(result.set(42), Ok(()));
/// assert!(readers.into_iter().all(|reader| reader.join().unwrap() == 42));
/// assert_eq!(result.set(43), Err(43));
///
/// let never = AsyncResult::<u32>::new();
/// assert_eq!(never.get_timeout(std::time::Duration::from_millis(1)), None);
/// ```
#[doc(alias("promise", "oneshot", "Future"))]
#[derive(Debug)]
pub struct AsyncResult<T> {
    value: OnceLock<T>,
    there: Event,
}

impl<T> AsyncResult<T> {
    /// Makes one that has no value yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { value: OnceLock::new(), there: Event::new() }
    }

    /// Sets the value and wakes everybody who waits for it. Does not suspend.
    ///
    /// # Errors
    /// `value` itself, if there is a value already.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::AsyncResult;
    ///
    /// let answer = AsyncResult::new();
    /// greenthread::scope(|s| {
    ///     let waits = s.spawn(|| *answer.get());
    ///     assert_eq!(answer.set(42), Ok(()));
    ///     assert_eq!(waits.join().unwrap(), 42);
    /// });
    /// // It is set once.
    /// assert_eq!(answer.set(43), Err(43));
    /// ```
    pub fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.there.set();
        Ok(())
    }

    /// Waits for the value and returns it. Suspends a green thread, blocks an OS thread.
    ///
    /// # Examples
    /// ```
    /// use greenthread::sync::{Arc, AsyncResult};
    ///
    /// let page = Arc::new(AsyncResult::new());
    /// let loader = Arc::clone(&page);
    /// greenthread::spawn(move || loader.set("contents".to_string()));
    /// // A reference: any number of others may look at it too.
    /// assert_eq!(page.get(), "contents");
    /// ```
    pub fn get(&self) -> &T {
        match self.try_get() {
            Some(value) => value,
            None => self.value.wait(),
        }
    }

    /// The value, if it is there. Does not suspend.
    pub fn try_get(&self) -> Option<&T> {
        self.value.get()
    }

    /// As [`get`](Self::get), for at most `timeout`; `None` if the value was not set in that time.
    ///
    /// # Examples
    /// See also [`try_get`](Self::try_get), which does not wait.
    /// ```
    /// use greenthread::sync::AsyncResult;
    /// use std::time::Duration;
    ///
    /// let answer = AsyncResult::new();
    /// assert_eq!(answer.get_timeout(Duration::from_millis(1)), None);
    /// answer.set(42).unwrap();
    /// assert_eq!(answer.get_timeout(Duration::from_millis(1)), Some(&42));
    /// assert_eq!((answer.try_get(), answer.is_ready()), (Some(&42), true));
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> Option<&T> {
        self.there.wait_timeout(timeout);
        self.value.get()
    }

    /// As [`get`](Self::get), up to a point in time; `None` if the value was not set by then.
    pub fn get_deadline(&self, deadline: Instant) -> Option<&T> {
        self.there.wait_deadline(deadline);
        self.value.get()
    }

    /// Whether the value is there.
    pub fn is_ready(&self) -> bool {
        self.value.get().is_some()
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for AsyncResult<T> {
    fn default() -> Self {
        Self::new()
    }
}
