//! Waiting for a process, or ending it, from any number of threads.
//!
//! Invariant: the process is waited for once, by whoever finds that it has ended, and its number is used only before that. If
//! nobody has by the time that the last handle goes, it is left to the reaper.
#![forbid(unsafe_code)]

use super::reaper;
use crate::io::{Io, retry};
use crate::runtime::outside::Expectation;
use crate::runtime::reactor::Direction;
use crate::signal::Signal;
use crate::sync::{Semaphore, SemaphorePermit};
use crate::sys::time::deadline_after;
use crate::sys::{child, clock, number};
use crate::util::lock::Mutex;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Waits for a [`Child`](super::Child), or ends it, for others than its owner: made by [`Child::handle`](super::Child::handle), and can be cloned.
///
/// # Examples
/// ```
/// use greenthread::process::Command;
/// use std::time::Duration;
///
/// let mut child = Command::new("sleep").arg("1000").spawn()?;
/// let handle = child.handle();
/// // Somebody else ends it when it takes too long.
/// let watch = greenthread::spawn(move || match handle.wait_timeout(Duration::from_millis(10))? {
///     Some(status) => Ok(status),
///     None => handle.terminate(Duration::from_secs(60)),
/// });
/// let status = child.wait()?;
/// assert!(!status.success());
/// assert_eq!(watch.join().unwrap()?, status);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChildHandle(Arc<ChildShared>);

#[derive(Debug)]
struct ChildShared {
    pid: u32,
    state: Mutex<ChildState>,
    /// A semaphore with one permit. Whoever has it waits for the process, and the others wait for the permit. So one
    /// descriptor is enough, and is only open while somebody waits.
    turn: Semaphore,
}

#[derive(Debug)]
enum ChildState {
    /// Nobody has waited for it yet, so its number belongs to no other process.
    Running(child::Child),
    Ended(ExitStatus),
    /// Somebody else has waited for it, so its number may belong to another process by now.
    Lost,
}

impl ChildHandle {
    /// Of a process that nobody has waited for.
    pub(super) fn of(child: child::Child) -> Self {
        Self(Arc::new(ChildShared {
            pid: child.id(),
            state: Mutex::new(ChildState::Running(child)),
            turn: Semaphore::new(1),
        }))
    }

    /// The number of the process in the system. It may belong to another process once somebody has waited for this one.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.pid
    }

    /// Ends the process by SIGKILL, see [`Child::kill`](super::Child::kill). Does not suspend.
    ///
    /// # Errors
    /// As [`Child::kill`](super::Child::kill).
    ///
    /// # Examples
    /// By somebody else than the one that waits:
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// let handle = child.handle();
    /// greenthread::spawn(move || handle.kill()).join().unwrap()?;
    /// assert!(!child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill(&self) -> io::Result<()> {
        match &mut *self.0.state.lock() {
            ChildState::Running(child) => child.kill(),
            ChildState::Ended(_) => Ok(()),
            ChildState::Lost => Err(io::Error::from_raw_os_error(number::ESRCH)),
        }
    }

    /// Sends a signal, see [`Child::send_signal`](super::Child::send_signal). Does not suspend.
    ///
    /// # Errors
    /// As [`Child::send_signal`](super::Child::send_signal).
    pub fn send_signal(&self, signal: Signal) -> io::Result<()> {
        match &*self.0.state.lock() {
            ChildState::Running(_) => child::send_signal(self.0.pid, signal.as_raw()),
            ChildState::Ended(_) => Ok(()),
            ChildState::Lost => Err(io::Error::from_raw_os_error(number::ESRCH)),
        }
    }

    /// Waits until the process has ended, see [`Child::wait`](super::Child::wait). The standard input belongs to the [`Child`](super::Child), and is not
    /// closed by this. Suspends the green thread.
    ///
    /// # Errors
    /// As [`Child::wait`](super::Child::wait).
    pub fn wait(&self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.wait_until(None)? {
                return Ok(status);
            }
        }
    }

    /// The exit status, if the process has ended, see [`Child::try_wait`](super::Child::try_wait). Does not suspend.
    ///
    /// # Errors
    /// As [`Child::wait`](super::Child::wait).
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        let mut state = self.0.state.lock();
        match &mut *state {
            ChildState::Running(child) => {
                let status = child.try_wait();
                match &status {
                    Ok(Some(status)) => *state = ChildState::Ended(*status),
                    Err(error) if error.raw_os_error() == Some(number::ECHILD) => {
                        *state = ChildState::Lost;
                    }
                    _ => {}
                }
                status
            }
            ChildState::Ended(status) => Ok(Some(*status)),
            ChildState::Lost => Err(io::Error::from_raw_os_error(number::ECHILD)),
        }
    }

    /// Waits for at most `timeout`, see [`Child::wait_timeout`](super::Child::wait_timeout). Suspends the green thread.
    ///
    /// # Errors
    /// As [`Child::wait`](super::Child::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        self.wait_until(deadline_after(timeout))
    }

    /// Waits until a point in time, see [`Child::wait_deadline`](super::Child::wait_deadline). Suspends the green thread.
    ///
    /// # Errors
    /// As [`Child::wait`](super::Child::wait).
    pub fn wait_deadline(&self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        self.wait_until(Some(deadline))
    }

    /// Asks the process to end, and ends it if it does not within `grace`, see [`Child::terminate`](super::Child::terminate). Suspends the green
    /// thread.
    ///
    /// # Errors
    /// As [`Child::terminate`](super::Child::terminate).
    pub fn terminate(&self, grace: Duration) -> io::Result<ExitStatus> {
        self.send_signal(Signal::TERM)?;
        if let Some(status) = self.wait_timeout(grace)? {
            return Ok(status);
        }
        self.kill()?;
        self.wait()
    }

    fn wait_until(&self, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
        if let Some(status) = self.try_wait()? {
            return Ok(Some(status));
        }
        let Some(_turn) = self.turn(deadline) else { return self.try_wait() };
        // The one that had the permit before may have seen the end.
        if let Some(status) = self.try_wait()? {
            return Ok(Some(status));
        }
        let told = child::open_pidfd(self.id())
            .and_then(|pidfd| Io::new(pidfd).wait(Direction::Read, deadline));
        if let Ok(told) = told {
            let status = self.try_wait()?;
            if status.is_some() || !told {
                return Ok(status);
            }
        }
        // The system has no such descriptors or none is left, or a tracer of the process has to let it end first. So
        // this looks now and then.
        let look = || self.try_wait()?.ok_or_else(|| io::ErrorKind::WouldBlock.into());
        match retry(deadline, look) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            status => status.map(Some),
        }
    }

    fn turn(&self, deadline: Option<Instant>) -> Option<SemaphorePermit<'_>> {
        // The one that has the permit may be in another runtime. This wait is ended by a process, and not by a green
        // thread of this runtime.
        let _end = Expectation::new();
        let Some(deadline) = deadline else { return Some(self.0.turn.acquire()) };
        self.0.turn.acquire_timeout(deadline.saturating_duration_since(clock::now()))
    }
}

impl Drop for ChildShared {
    fn drop(&mut self) {
        let ended = ChildState::Ended(ExitStatus::default());
        if let ChildState::Running(child) = std::mem::replace(self.state.get_mut(), ended) {
            reaper::adopt(child);
        }
    }
}
