//! A started process.
#![forbid(unsafe_code)]

use super::drain;
use super::reaper;
use super::{ChildStderr, ChildStdin, ChildStdout};
use crate::io::{Io, retry};
use crate::runtime::outside::Expectation;
use crate::runtime::reactor::Direction;
use crate::signal::Signal;
use crate::sync::{Semaphore, SemaphorePermit};
use crate::sys::time::deadline_after;
use crate::sys::{child, clock, number};
use crate::util::lock::Mutex;
use std::io;
use std::process::{ExitStatus, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A child process, as [`std::process::Child`]: waiting for it suspends only the calling green thread.
///
/// Any number of green threads and OS threads may wait for one child: each has a [`ChildHandle`] from
/// [`handle`](Self::handle).
///
/// Dropping it neither ends the process nor waits for it, as in std. With std the process would then stay a zombie
/// after its end, for as long as the parent runs; here it is waited for in the background, so that none is left.
///
/// # Examples
/// ```
/// use greenthread::process::Command;
/// use std::time::Duration;
///
/// let mut child = Command::new("sleep").arg("1000").spawn()?;
/// assert_eq!(child.wait_timeout(Duration::from_millis(10))?, None);
/// child.kill()?;
/// assert!(!child.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "Popen")]
#[derive(Debug)]
pub struct Child {
    /// The writing end of its standard input, if that was [piped](std::process::Stdio::piped).
    pub stdin: Option<ChildStdin>,
    /// The reading end of its standard output, if that was piped.
    pub stdout: Option<ChildStdout>,
    /// The reading end of its standard error, if that was piped.
    pub stderr: Option<ChildStderr>,
    handle: ChildHandle,
}

/// Waits for a [`Child`], or ends it, for others than its owner: made by [`Child::handle`], and can be cloned.
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

impl From<std::process::Child> for Child {
    fn from(mut child: std::process::Child) -> Self {
        Self {
            stdin: child.stdin.take().map(ChildStdin::from),
            stdout: child.stdout.take().map(ChildStdout::from),
            stderr: child.stderr.take().map(ChildStderr::from),
            handle: ChildHandle(Arc::new(ChildShared {
                pid: child.id(),
                state: Mutex::new(ChildState::Running(child.into())),
                turn: Semaphore::new(1),
            })),
        }
    }
}

impl Child {
    /// The number of the process in the system. It may belong to another process once somebody has waited for this one.
    #[doc(alias = "pid")]
    #[must_use]
    pub fn id(&self) -> u32 {
        self.handle.id()
    }

    /// A handle by which others can wait for the process too. Not in std.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let mut child = Command::new("true").spawn()?;
    /// let waiters: Vec<_> = (0..3)
    ///     .map(|_| {
    ///         let handle = child.handle();
    ///         greenthread::spawn(move || handle.wait())
    ///     })
    ///     .collect();
    /// for waiter in waiters {
    ///     assert!(waiter.join().unwrap()?.success());
    /// }
    /// assert!(child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn handle(&self) -> ChildHandle {
        self.handle.clone()
    }

    /// Ends the process by SIGKILL, as [`std::process::Child::kill`]. Does nothing if somebody has waited for its end
    /// already. Does not suspend, and does not wait for the end.
    ///
    /// # Errors
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the process runs as another user.
    ///
    /// # Examples
    /// ```
    /// use greenthread::os::unix::process::ExitStatusExt;
    /// use greenthread::process::Command;
    ///
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.kill()?;
    /// assert_eq!(child.wait()?.signal(), Some(9));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kill(&mut self) -> io::Result<()> {
        self.handle.kill()
    }

    /// Closes the standard input and waits until the process has ended, as [`std::process::Child::wait`]. Suspends the
    /// green thread. Later calls return the same status at once.
    ///
    /// # Errors
    /// `ECHILD`, which has no kind of its own, if code outside this module has waited for the process, or if the
    /// program ignores SIGCHLD: then nobody knows the status.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::Command;
    ///
    /// let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn()?;
    /// assert_eq!(child.wait()?.code(), Some(7));
    /// // It is known from now on.
    /// assert_eq!(child.wait()?.code(), Some(7));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.handle.wait()
    }

    /// The exit status, if the process has ended, as [`std::process::Child::try_wait`]. Does not suspend.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// # Examples
    /// To look whether it still runs, between other things:
    /// ```
    /// use greenthread::process::{Command, Stdio};
    ///
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// assert_eq!(child.try_wait()?, None);
    /// drop(child.stdin.take()); // the end of its input
    /// child.wait()?;
    /// assert!(child.try_wait()?.is_some_and(|status| status.success()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "poll")]
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.handle.try_wait()
    }

    /// Like [`wait`](Self::wait), for at most `timeout`: `None` if the process still runs then. The standard input
    /// stays open. Suspends the green thread. As Python's `Popen.wait(timeout)`; not in std.
    ///
    /// # Errors
    /// As `wait`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::Command;
    /// use std::time::Duration;
    ///
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// if child.wait_timeout(Duration::from_millis(1))?.is_none() {
    ///     println!("{} takes long", child.id());
    ///     child.kill()?;
    /// }
    /// assert!(!child.wait()?.success());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait_timeout(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        self.handle.wait_timeout(timeout)
    }

    /// Like [`wait_timeout`](Self::wait_timeout), until a point in time.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_deadline(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        self.handle.wait_deadline(deadline)
    }

    /// Asks the process to end, by SIGTERM, and ends it by SIGKILL if it still runs after `grace`. Returns when it has
    /// ended. Suspends the green thread. Not in std.
    ///
    /// # Errors
    /// As [`wait`](Self::wait) and [`kill`](Self::kill).
    ///
    /// # Examples
    /// ```
    /// use greenthread::os::unix::process::ExitStatusExt;
    /// use greenthread::process::Command;
    /// use std::time::Duration;
    ///
    /// let mut polite = Command::new("sleep").arg("1000").spawn()?;
    /// assert_eq!(polite.terminate(Duration::from_secs(10))?.signal(), Some(15));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "stop")]
    pub fn terminate(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        self.handle.terminate(grace)
    }

    /// Sends a signal, as Python's `Popen.send_signal`. Does nothing if somebody has waited for the end of the process
    /// already. Does not suspend.
    ///
    /// # Errors
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the process runs as another user,
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the system has no such signal.
    ///
    /// # Examples
    /// ```
    /// use greenthread::os::unix::process::ExitStatusExt;
    /// use greenthread::process::Command;
    /// use greenthread::signal::Signal;
    ///
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.send_signal(Signal::HUP)?;
    /// assert_eq!(child.wait()?.signal(), Some(Signal::HUP.as_raw()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_signal(&self, signal: Signal) -> io::Result<()> {
        self.handle.send_signal(signal)
    }

    /// Closes the standard input, collects all of standard output and standard error, both at once, and waits for the
    /// end, as [`std::process::Child::wait_with_output`]. Suspends the green thread.
    ///
    /// If the process has started another one that has its output too and runs for longer, this waits for that one, as
    /// in std.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and those of reading from a pipe; what was collected is lost then.
    ///
    /// # Examples
    /// ```
    /// use greenthread::process::{Command, Stdio};
    ///
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let output = child.wait_with_output()?;
    /// assert!(output.status.success());
    /// assert_eq!(output.stdout, b"hello\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "communicate")]
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = drain::both(self.stdout.take(), self.stderr.take())?;
        Ok(Output { status: self.wait()?, stdout, stderr })
    }
}

impl ChildHandle {
    /// The number of the process in the system. It may belong to another process once somebody has waited for this one.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.pid
    }

    /// Ends the process by SIGKILL, see [`Child::kill`]. Does not suspend.
    ///
    /// # Errors
    /// As [`Child::kill`].
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

    /// Sends a signal, see [`Child::send_signal`]. Does not suspend.
    ///
    /// # Errors
    /// As [`Child::send_signal`].
    pub fn send_signal(&self, signal: Signal) -> io::Result<()> {
        match &*self.0.state.lock() {
            ChildState::Running(_) => child::send_signal(self.0.pid, signal.as_raw()),
            ChildState::Ended(_) => Ok(()),
            ChildState::Lost => Err(io::Error::from_raw_os_error(number::ESRCH)),
        }
    }

    /// Waits until the process has ended, see [`Child::wait`]. The standard input belongs to the [`Child`], and is not
    /// closed by this. Suspends the green thread.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn wait(&self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.wait_until(None)? {
                return Ok(status);
            }
        }
    }

    /// The exit status, if the process has ended, see [`Child::try_wait`]. Does not suspend.
    ///
    /// # Errors
    /// As [`Child::wait`].
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

    /// Waits for at most `timeout`, see [`Child::wait_timeout`]. Suspends the green thread.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn wait_timeout(&self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        self.wait_until(deadline_after(timeout))
    }

    /// Waits until a point in time, see [`Child::wait_deadline`]. Suspends the green thread.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn wait_deadline(&self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        self.wait_until(Some(deadline))
    }

    /// Asks the process to end, and ends it if it does not within `grace`, see [`Child::terminate`]. Suspends the green
    /// thread.
    ///
    /// # Errors
    /// As [`Child::terminate`].
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
