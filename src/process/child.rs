//! A started process with its pipes, as its owner has it. How anybody waits for a process is in `child_handle.rs`.
#![forbid(unsafe_code)]

use super::child_handle::ChildHandle;
use super::drain;
use super::{ChildStderr, ChildStdin, ChildStdout};
use crate::signal::Signal;
use std::io;
use std::process::{ExitStatus, Output};
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

impl From<std::process::Child> for Child {
    fn from(mut child: std::process::Child) -> Self {
        Self {
            stdin: child.stdin.take().map(ChildStdin::from),
            stdout: child.stdout.take().map(ChildStdout::from),
            stderr: child.stderr.take().map(ChildStderr::from),
            handle: ChildHandle::of(child.into()),
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
