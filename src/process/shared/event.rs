//! An event that processes share.
#![forbid(unsafe_code)]

use super::connection::{ask, told};
use super::link::{Answer, HowLong, Link, handle};
use super::object;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A flag that many processes can wait for, as Python's `multiprocessing.Event`. See [`shared`](super).
///
/// # Examples
/// ```
/// use greenthread::process::shared::Event;
///
/// let event = Event::new()?;
/// let other = event.clone();
/// let waiter = greenthread::spawn(move || other.wait());
/// event.set()?;
/// waiter.join().unwrap()?;
/// assert!(event.is_set()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "multiprocessing")]
pub struct Event {
    link: Arc<Link>,
}

handle!(Event);

impl Event {
    /// Makes an event that lives in this process, and is not set. Suspends.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`), or no room for the OS thread that serves shared objects.
    pub fn new() -> io::Result<Self> {
        Ok(Self::of(Link::make(object::EVENT, 0, 0)?))
    }

    fn of_shared(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Sets the event, which wakes all who wait for it. Suspends.
    ///
    /// # Errors
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the process that made the event has ended; too many
    /// open files.
    pub fn set(&self) -> io::Result<()> {
        self.link.ask_now(ask::SET, &[]).map(drop)
    }

    /// Clears the event. Those who were waiting while it was set, and have not noticed that yet, may go on waiting.
    /// Suspends.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn clear(&self) -> io::Result<()> {
        self.link.ask_now(ask::CLEAR, &[]).map(drop)
    }

    /// Whether the event is set. Suspends.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn is_set(&self) -> io::Result<bool> {
        self.link.ask_now(ask::IS_SET, &[]).map(|bytes| bytes == [1])
    }

    /// Waits until the event is set. Suspends.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    ///
    /// # Examples
    /// Nobody begins before all are ready, in however many processes they are:
    /// ```
    /// use greenthread::process::shared::Event;
    ///
    /// let go = Event::new()?;
    /// let runners: Vec<_> = (0..3)
    ///     .map(|_| {
    ///         let go = go.clone(); // another process would get it as an argument
    ///         greenthread::spawn(move || go.wait())
    ///     })
    ///     .collect();
    /// go.set()?;
    /// for runner in runners {
    ///     runner.join().unwrap()?;
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait(&self) -> io::Result<()> {
        self.link.ask(ask::WAIT, HowLong::Endless, &[]).map(Answer::done).map(drop)
    }

    /// Like [`wait`](Self::wait), for at most `timeout`; `false` if the event was not set by then.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::Event;
    /// use std::time::Duration;
    ///
    /// let event = Event::new()?;
    /// assert!(!event.wait_timeout(Duration::from_millis(1))?);
    /// event.set()?;
    /// assert!(event.wait_timeout(Duration::from_millis(1))?);
    /// event.clear()?;
    /// assert!(!event.is_set()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<bool> {
        let kind = self.link.ask(ask::WAIT, HowLong::Until(timeout), &[])?.done();
        Ok(kind != told::NOT_YET)
    }
}
