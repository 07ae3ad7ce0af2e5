//! A function that runs in a process of its own.
#![forbid(unsafe_code)]

use super::worker::{self, Options, Worker};
use super::{CallError, ChildHandle, ExitStatus, Function};
use crate::signal::Signal;
use crate::thread::{self, JoinHandle};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A function that runs in another process, as Python's `multiprocessing.Process`.
///
/// That process is this same program, started again: it has nothing of this one's memory but the arguments, which serde
/// encodes. `main` must begin with [`process::init`](super::init()), where the other process finds what to do. Its result
/// comes back the same way. Standard output and standard error are this process's, standard input is empty.
///
/// Dropping it lets the process go on; it is waited for in the background. At the end of this process the others run on,
/// those aside that were made [`daemon`](ProcessBuilder::daemon).
///
/// # Examples
/// ```no_run
/// use greenthread::process::{self, Process};
///
/// fn square(number: u64) -> u64 {
///     number * number
/// }
///
/// fn main() -> std::io::Result<()> {
///     process::init();
///     let process = Process::start(process::function!(square), 12)?;
///     println!("process {} has been started", process.pid());
///     assert_eq!(process.join()?, 144);
///     Ok(())
/// }
/// ```
pub struct Process<R> {
    name: String,
    daemon: bool,
    child: ChildHandle,
    result: JoinHandle<Result<R, CallError>>,
}

/// How a [`Process`] is started: made by [`Process::builder`].
#[derive(Clone, Debug, Default)]
pub struct ProcessBuilder {
    name: Option<String>,
    daemon: bool,
}

impl ProcessBuilder {
    /// Its name, for people. `Process-1` and so on unless said otherwise, as Python's.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether the process ends with this one, by force, however that ends.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.daemon = daemon;
        self
    }

    /// Starts the process. Suspends while the system does.
    ///
    /// # Errors
    /// [`init`](super::init()) was not called, the arguments cannot be encoded or are too long, or what the system said.
    pub fn start<A, R>(self, function: Function<A, R>, arguments: A) -> io::Result<Process<R>>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        A: 'static,
    {
        static STARTED: AtomicUsize = AtomicUsize::new(1);
        let arguments = worker::encode(&arguments)?;
        let default = || format!("Process-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let name = self.name.unwrap_or_else(default);
        let options = Options { name: name.clone(), dies_with_parent: self.daemon, once: true };
        let worker = Worker::start(&options)?;
        let child = worker.child().clone();
        let result = thread::Builder::new().name(name.clone()).daemon(true).spawn(move || {
            let result = worker.call(function, &arguments);
            drop(arguments);
            let result = result.and_then(|bytes| worker::decode(&bytes));
            // The connection stays until the process has ended: for a daemon, its end is the parent's.
            let _ = worker.child().wait();
            result
        })?;
        Ok(Process { name, daemon: self.daemon, child, result })
    }
}

impl<R> Process<R> {
    /// Starts a process that calls `function`, with a default name. Suspends while the system does.
    ///
    /// # Errors
    /// As [`ProcessBuilder::start`].
    pub fn start<A>(function: Function<A, R>, arguments: A) -> io::Result<Self>
    where
        A: Serialize + 'static,
        R: DeserializeOwned + Send + 'static,
    {
        ProcessBuilder::default().start(function, arguments)
    }

    /// For a process with a name, or one that ends with this one.
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder::default()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number in the system.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it ends with this process.
    pub fn is_daemon(&self) -> bool {
        self.daemon
    }

    /// Whether it has not ended yet.
    pub fn is_alive(&self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended, as Python's `exitcode`: 0 where the function returned, 101 where it panicked, what it gave to
    /// [`exit`](super::exit), or the negative number of the signal that ended it. `None` while it runs.
    pub fn exitcode(&self) -> Option<i32> {
        let status: ExitStatus = self.child.try_wait().ok()??;
        status.code().or_else(|| status.signal().map(|signal| -signal))
    }

    /// Waits until the process has ended, for at most `timeout`; `false` if it runs on. Suspends. Any number of times, by any
    /// number of threads.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        // An error is that somebody else has waited for it.
        !matches!(self.child.wait_timeout(timeout), Ok(None))
    }

    /// Waits until the process has ended, and returns what the function returned. Suspends.
    ///
    /// # Errors
    /// It panicked, the process was ended before, or its result could not be passed on.
    pub fn join(self) -> Result<R, CallError> {
        self.result.join().unwrap_or_else(|_| {
            let text = "the runtime that the process was started in has ended";
            Err(CallError::Io(io::Error::other(text)))
        })
    }

    /// Asks it to end, by SIGTERM, which does so unless the function has arranged otherwise. Does not wait.
    ///
    /// # Errors
    /// What the system said.
    pub fn terminate(&self) -> io::Result<()> {
        self.child.send_signal(Signal::TERM)
    }

    /// Ends it, by SIGKILL. Does not wait.
    ///
    /// # Errors
    /// What the system said.
    pub fn kill(&self) -> io::Result<()> {
        self.child.kill()
    }

    /// For waiting for its end by others, with all that [`ChildHandle`] can do.
    pub fn handle(&self) -> ChildHandle {
        self.child.clone()
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Process");
        debug.field("name", &self.name).field("pid", &self.pid()).field("daemon", &self.daemon);
        debug.field("exitcode", &self.exitcode()).finish_non_exhaustive()
    }
}
