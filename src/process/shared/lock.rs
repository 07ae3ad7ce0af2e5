//! A lock between processes.
#![forbid(unsafe_code)]

use super::link::{Link, Patience, handle};
use super::object::{self, ask, told};
use crate::os::unix::net::UnixStream;
use crate::process::frame;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A lock of many processes, as Python's `multiprocessing.Lock`: see [`shared`](super).
///
/// Where a process dies that has it, it is released, and the next one who gets it is told so.
pub struct Lock {
    link: Arc<Link>,
}

handle!(Lock);

/// The lock is held while this lives.
#[derive(Debug)]
pub struct LockGuard<'a> {
    lock: &'a Lock,
    stream: Option<UnixStream>,
}

/// Why a lock was not simply acquired.
#[derive(Debug)]
pub enum LockError<'a> {
    /// It was, but the process that had it before has died with it: what it protects may be half changed.
    HolderDied(LockGuard<'a>),
    /// It was not: [`WouldBlock`](io::ErrorKind::WouldBlock), [`TimedOut`](io::ErrorKind::TimedOut),
    /// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) where the process that has the lock has ended.
    Io(io::Error),
}

impl<'a> LockError<'a> {
    /// The guard, if the lock was acquired all the same.
    ///
    /// # Errors
    /// Why it was not.
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
    /// Makes one in this process. Suspends.
    ///
    /// # Errors
    /// What the system said, such as too many open files.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::shared::Lock;
    ///
    /// let lock = Lock::new()?;
    /// let guard = lock.lock().unwrap();
    /// assert!(lock.try_lock().is_err());
    /// drop(guard);
    /// assert!(lock.try_lock().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Self> {
        Ok(Self::of(Link::make(object::LOCK, 0, 0)?))
    }

    fn of_shared(link: Arc<Link>) -> Self {
        Self { link }
    }

    /// Waits until nobody has it. Suspends.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn lock(&self) -> Result<LockGuard<'_>, LockError<'_>> {
        self.within(Patience::Endless)
    }

    /// Acquires it if nobody has it.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn try_lock(&self) -> Result<LockGuard<'_>, LockError<'_>> {
        self.within(Patience::None)
    }

    /// Like [`lock`](Self::lock), for at most `timeout`.
    ///
    /// # Errors
    /// See [`LockError`].
    pub fn lock_timeout(&self, timeout: Duration) -> Result<LockGuard<'_>, LockError<'_>> {
        self.within(Patience::Until(timeout))
    }

    fn within(&self, patience: Patience) -> Result<LockGuard<'_>, LockError<'_>> {
        let (stream, kind, _) = self.link.ask_keeping(ask::ACQUIRE, patience, &[])?;
        if kind == told::NOT_YET {
            self.link.give_back(stream);
            let kind = match patience {
                Patience::None => io::ErrorKind::WouldBlock,
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
        // Shielded: a kill in between would look as if the process had died. An error is that there is no lock any more.
        crate::thread::shield(|| {
            let sent = frame::send(&mut &stream, ask::RELEASE, &[&[0; 8]]);
            if sent.is_ok() && matches!(frame::receive(&mut &stream), Ok(Some(_))) {
                self.lock.link.give_back(stream);
            }
        });
    }
}
