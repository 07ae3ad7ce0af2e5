//! A number between processes.
#![forbid(unsafe_code)]

use super::link::{Link, handle};
use super::object::{self, ask};
use std::io;
use std::sync::Arc;

/// A number of many processes, as Python's `multiprocessing.Value('q')`, whose `+=` needs no lock: see [`shared`](super).
///
/// All operations fail with `ConnectionAborted` where the process that has it has ended.
pub struct Counter {
    link: Arc<Link>,
}

handle!(Counter);

impl Counter {
    /// Makes one in this process. Suspends.
    ///
    /// # Errors
    /// What the system said, such as too many open files.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::Counter;
    ///
    /// let counter = Counter::new(5)?;
    /// assert_eq!(counter.add(-2)?, 3);
    /// assert_eq!(counter.set(10)?, 3);
    /// assert_eq!(counter.get()?, 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(value: i64) -> io::Result<Self> {
        Ok(Self::of(Link::make(object::COUNTER, value.cast_unsigned(), 0)?))
    }

    fn of_shared(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Adds, wrapping around at the ends, and returns the sum.
    ///
    /// # Errors
    /// See [`Counter`].
    pub fn add(&self, number: i64) -> io::Result<i64> {
        self.ask(ask::ADD, number)
    }

    /// The number.
    ///
    /// # Errors
    /// See [`Counter`].
    pub fn get(&self) -> io::Result<i64> {
        self.add(0)
    }

    /// Sets it, and returns what it was.
    ///
    /// # Errors
    /// See [`Counter`].
    pub fn set(&self, number: i64) -> io::Result<i64> {
        self.ask(ask::STORE, number)
    }

    fn ask(&self, what: u8, number: i64) -> io::Result<i64> {
        let bytes = self.link.ask_now(what, &[&number.to_le_bytes()])?;
        let number = bytes.first_chunk().map(|number| i64::from_le_bytes(*number));
        number.ok_or_else(|| super::link::invalid("no number"))
    }
}
