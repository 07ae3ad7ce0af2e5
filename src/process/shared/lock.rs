//! A lock that processes share.
#![forbid(unsafe_code)]

use super::connection::{ask, told};
use super::link::{HowLong, Link, handle};
use super::object;
use crate::os::unix::net::UnixStream;
use crate::process::frame;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A lock that many processes share, as Python's `multiprocessing.Lock`. See [`shared`](super).
///
/// If a process dies while it holds the lock, the lock is released, and the next one who acquires it is told so:
/// [`LockError::HolderDied`].
///
/// # Examples
/// ```
/// use greenthread::process::shared::{Lock, LockError};
///
/// let lock = Lock::new()?;
/// let guard = lock.lock().unwrap();
/// assert!(lock.try_lock().is_err());
/// drop(guard);
///
/// // Goes on even if the last holder has died; then what the lock protects has to be checked.
/// let guard = lock.lock().or_else(LockError::into_guard)?;
/// # drop(guard);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "multiprocessing")]
#[doc(alias = "mutex")]
pub struct Lock {
    link: Arc<Link>,
}

handle!(Lock);

/// Holds a [`Lock`] until it is dropped. Dropping it suspends, and neither a kill nor a timeout ends that.
#[derive(Debug)]
pub struct LockGuard<'a> {
    lock: &'a Lock,
    stream: Option<UnixStream>,
}

/// What [`Lock::lock`] returns when the lock was not acquired, or was with a warning.
#[derive(Debug)]
#[non_exhaustive]
pub enum LockError<'a> {
    /// The lock was acquired, but the process that held it before died while it did: what the lock protects may be half
    /// changed.
    HolderDied(LockGuard<'a>),
    /// The lock was not acquired: [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut) if
    /// somebody else holds it, [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the process that made the
    /// lock has ended.
    Io(io::Error),
}

impl<'a> LockError<'a> {
    /// The guard, if the lock was acquired all the same.
    ///
    /// # Errors
    /// The reason why it was not.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::{Lock, LockError};
    ///
    /// let lock = Lock::new()?;
    /// let guard = match lock.lock() {
    ///     Ok(guard) => guard,
    ///     Err(LockError::HolderDied(guard)) => {
    ///         println!("checking what the one before may have left half done");
    ///         guard
    ///     }
    ///     Err(error) => error.into_guard()?,
    /// };
    /// drop(guard);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_guard(self) -> io::Result<LockGuard<'a>> {
        match self {
            Self::HolderDied(guard) => Ok(guard),
            Self::Io(error) => Err(error),
        }
    }
}

impl fmt::Display for LockError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HolderDied(_) => f.write_str("the process that had the lock has died with it"),
            Self::Io(error) => write!(f, "the lock was not acquired: {error}"),
        }
    }
}

impl std::error::Error for LockError<'_> {}

impl From<io::Error> for LockError<'_> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Lock {
    /// Makes a lock that lives in this process. Suspends.
    ///
    /// # Errors
    /// Too many open files (`EMFILE` or `ENFILE`), or no room for the OS thread that serves shared objects.
    pub fn new() -> io::Result<Self> {
        Ok(Self::of(Link::make(object::LOCK, 0, 0)?))
    }

    fn of_shared(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Waits until nobody holds the lock, and acquires it. Suspends.
    ///
    /// # Errors
    /// [`LockError::HolderDied`] with the guard; [`LockError::Io`] as it says there.
    ///
    /// # Examples
    /// What a shared counter alone cannot do: look, and then change.
    /// ```
    /// use greenthread::process::shared::{Counter, Lock, LockError};
    ///
    /// let (lock, tickets) = (Lock::new()?, Counter::new(2)?);
    /// let buy = || -> std::io::Result<bool> {
    ///     let _guard = lock.lock().or_else(LockError::into_guard)?;
    ///     let left = tickets.get()?;
    ///     if left > 0 {
    ///         tickets.set(left - 1)?;
    ///     }
    ///     Ok(left > 0)
    /// };
    /// assert_eq!((buy()?, buy()?, buy()?), (true, true, false));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> Result<LockGuard<'_>, LockError<'_>> {
        self.within(HowLong::Endless)
    }

    /// Acquires the lock if nobody holds it. Suspends only for the answer.
    ///
    /// # Errors
    /// As [`lock`](Self::lock); [`WouldBlock`](io::ErrorKind::WouldBlock) if somebody else holds it.
    pub fn try_lock(&self) -> Result<LockGuard<'_>, LockError<'_>> {
        self.within(HowLong::None)
    }

    /// Like [`lock`](Self::lock), for at most `timeout`.
    ///
    /// # Errors
    /// As [`lock`](Self::lock); [`TimedOut`](io::ErrorKind::TimedOut) if somebody else has held it all the time.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::{Lock, LockError};
    /// use std::{io::ErrorKind, time::Duration};
    ///
    /// let lock = Lock::new()?;
    /// let guard = lock.lock().unwrap();
    /// match lock.lock_timeout(Duration::from_millis(1)) {
    ///     Err(LockError::Io(error)) => assert_eq!(error.kind(), ErrorKind::TimedOut),
    ///     other => unreachable!("{other:?}"),
    /// }
    /// # drop(guard);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> Result<LockGuard<'_>, LockError<'_>> {
        self.within(HowLong::Until(timeout))
    }

    fn within(&self, patience: HowLong) -> Result<LockGuard<'_>, LockError<'_>> {
        let answer = self.link.ask(ask::ACQUIRE, patience, &[])?;
        let kind = answer.kind;
        let stream = answer.into_stream();
        if kind == told::NOT_YET {
            self.link.give_back(stream);
            let kind = match patience {
                HowLong::None => io::ErrorKind::WouldBlock,
                _ => io::ErrorKind::TimedOut,
            };
            return Err(LockError::Io(kind.into()));
        }
        let guard = LockGuard { lock: self, stream: Some(stream) };
        if kind == told::HOLDER_DIED { Err(LockError::HolderDied(guard)) } else { Ok(guard) }
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        // It is shielded, as a kill in between would look as if the process had died. An error means that the lock does
        // not exist any more.
        crate::thread::shield(|| {
            let sent = frame::send(&mut &stream, ask::RELEASE, &[&[0; 8]]);
            if sent.is_ok() && matches!(frame::receive(&mut &stream), Ok(Some(_))) {
                self.lock.link.give_back(stream);
            }
        });
    }
}
