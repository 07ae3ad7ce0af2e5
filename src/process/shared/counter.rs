//! A number that processes share.
#![forbid(unsafe_code)]

use super::connection::{ask, invalid};
use super::link::{Link, handle};
use super::object;
use std::io;
use std::sync::Arc;

/// A number that many processes share, as Python's `multiprocessing.Value('q')`, except that [`add`](Self::add) needs
/// no lock. See [`shared`](super).
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
#[doc(alias = "multiprocessing")]
#[doc(alias = "Value")]
pub struct Counter {
    link: Arc<Link>,
}

handle!(Counter);

impl Counter {
    /// Makes a counter that lives in this process, and begins at `value`. Suspends.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`), or no room for the OS thread that serves shared objects.
    pub fn new(value: i64) -> io::Result<Self> {
        Ok(Self::of(Link::make(object::COUNTER, value.cast_unsigned(), 0)?))
    }

    fn of_shared(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Adds `number` and returns the sum. At the ends of `i64` it wraps around. Suspends.
    ///
    /// # Errors
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the process that made the counter has ended; too many
    /// open files.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::Counter;
    ///
    /// let done = Counter::new(0)?;
    /// let workers = [1, 2, 3].map(|count| {
    ///     let done = done.clone();
    ///     greenthread::spawn(move || done.add(count))
    /// });
    /// for worker in workers {
    ///     worker.join().unwrap()?;
    /// }
    /// assert_eq!(done.get()?, 6);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn add(&self, number: i64) -> io::Result<i64> {
        self.ask(ask::ADD, number)
    }

    /// The number. Suspends.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn get(&self) -> io::Result<i64> {
        self.add(0)
    }

    /// Sets the number, and returns what it was before. Suspends.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn set(&self, number: i64) -> io::Result<i64> {
        self.ask(ask::STORE, number)
    }

    fn ask(&self, what: u8, number: i64) -> io::Result<i64> {
        let bytes = self.link.ask_now(what, &[&number.to_le_bytes()])?;
        let number = bytes.first_chunk().map(|number| i64::from_le_bytes(*number));
        number.ok_or_else(|| invalid("no number"))
    }
}
