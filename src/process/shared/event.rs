//! An event between processes.
#![forbid(unsafe_code)]

use super::link::{Link, Patience, handle};
use super::object::{self, ask, told};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A flag that many processes wait for, as Python's `multiprocessing.Event`: see [`shared`](super).
///
/// All operations fail with `ConnectionAborted` where the process that has it has ended.
pub struct Event {
    link: Arc<Link>,
}

handle!(Event);

impl Event {
    /// Makes one in this process; it is not set. Suspends.
    ///
    /// # Errors
    /// What the system said, such as too many open files.
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
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Self> {
        Ok(Self::of(Link::make(object::EVENT, 0, 0)?))
    }

    fn of_shared(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Sets it, which wakes all who wait.
    ///
    /// # Errors
    /// See [`Event`].
    pub fn set(&self) -> io::Result<()> {
        self.link.ask_now(ask::SET, &[]).map(drop)
    }

    /// Clears it. Who has been waiting for it and has not been told yet may go on waiting.
    ///
    /// # Errors
    /// See [`Event`].
    pub fn clear(&self) -> io::Result<()> {
        self.link.ask_now(ask::CLEAR, &[]).map(drop)
    }

    /// Whether it is set.
    ///
    /// # Errors
    /// See [`Event`].
    pub fn is_set(&self) -> io::Result<bool> {
        self.link.ask_now(ask::IS_SET, &[]).map(|bytes| bytes == [1])
    }

    /// Waits until it is set. Suspends.
    ///
    /// # Errors
    /// See [`Event`].
    pub fn wait(&self) -> io::Result<()> {
        self.link.ask(ask::WAIT, Patience::Endless, &[]).map(drop)
    }

    /// Like [`wait`](Self::wait), for at most `timeout`; `false` if it was not set in time.
    ///
    /// # Errors
    /// See [`Event`].
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<bool> {
        let told = self.link.ask(ask::WAIT, Patience::Until(timeout), &[])?;
        Ok(told.0 != told::NOT_YET)
    }
}
