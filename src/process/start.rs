//! A function that runs in a process of its own.
#![forbid(unsafe_code)]

use super::shared::UnderWay;
use super::worker::{self, Options, WorkerProcess};
use super::{CallError, ChildHandle, ExitStatus, Function};
use crate::runtime::outside::Expectation;
use crate::signal::Signal;
use crate::thread::{self, JoinHandle};
use crate::util::dropping::Held;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A function that runs in another process, as Python's `multiprocessing.Process`.
///
/// That process is this same program, started again: it has nothing of this one's memory except the arguments, which
/// serde encodes. `main` must begin with [`process::init`](super::init()), where the other process finds what to do.
/// Its result comes back the same way: a handle of [`shared`](super::shared) in it keeps its object until the result has
/// arrived here, whether it is joined or not. It shares this process's standard output and standard error; its standard input
/// is empty.
///
/// Dropping it lets the process go on; it is waited for in the background. When this process ends, the others run on,
/// except those that were made [`daemon`](ProcessBuilder::daemon)s.
///
/// For many calls there is [`ProcessPool`](crate::executor::ProcessPool); for what processes use together,
/// [`shared`](super::shared).
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
#[doc(alias = "multiprocessing")]
#[doc(alias = "fork")]
pub struct Process<R> {
    name: String,
    daemon: bool,
    child: ChildHandle,
    result: JoinHandle<Result<R, CallError>>,
}

/// How a [`Process`] is started: made by [`Process::builder`].
///
/// # Examples
/// ```no_run
/// use greenthread::process::{self, Process};
/// use std::time::Duration;
///
/// fn work() {
///     std::thread::sleep(Duration::from_secs(1000));
/// }
///
/// fn main() -> std::io::Result<()> {
///     process::init();
///     let process = Process::builder().name("worker").daemon(true).start(process::function!(work()), ())?;
///     assert!(process.is_alive() && !process.join_timeout(Duration::from_millis(10)));
///     process.terminate()?;
///     while !process.join_timeout(Duration::from_secs(1)) {}
///     assert_eq!(process.exitcode(), Some(-15));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it does nothing until `start`"]
pub struct ProcessBuilder {
    name: Option<String>,
    daemon: bool,
}

impl ProcessBuilder {
    /// Sets the name of the process, which people see in reports. Unless set it is `Process-1` and so on, as Python's.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether the process is ended, by force, when this one ends, however that comes about; not unless set.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.daemon = daemon;
        self
    }

    /// Starts the process. Suspends the green thread until it is started.
    ///
    /// # Errors
    /// - [`Unsupported`](io::ErrorKind::Unsupported) if [`init`](super::init()) was not called.
    /// - [`CallError::Arguments`] or [`CallError::TooLarge`], which [`get_ref`](io::Error::get_ref) returns, if the
    ///   arguments cannot be encoded or have more than [`MAX_MESSAGE`](super::MAX_MESSAGE) bytes.
    /// - Those of [`Command::spawn`](super::Command::spawn), such as too many processes or open files.
    /// - Those of [`Builder::spawn`](crate::Builder::spawn), as a green thread waits for the result.
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::process::{self, ProcessBuilder, Process};
    ///
    /// fn serve(port: u16) {
    ///     println!("process {} serves port {port}", std::process::id());
    /// }
    ///
    /// fn main() -> std::io::Result<()> {
    ///     process::init();
    ///     // It ends when this process does.
    ///     let server: Process<()> =
    ///         Process::<()>::builder().name("server").daemon(true).start(process::function!(serve), 8000)?;
    ///     assert_eq!(server.name(), "server");
    ///     Ok(())
    /// }
    /// ```
    pub fn start<A, R>(self, function: Function<A, R>, arguments: A) -> io::Result<Process<R>>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        A: 'static,
    {
        static STARTED: AtomicUsize = AtomicUsize::new(1);
        let given = Held::new(arguments);
        let (arguments, under_way) = UnderWay::noted(|| worker::encode(&*given));
        drop(given);
        let arguments = arguments?;
        let default = || format!("Process-{}", STARTED.fetch_add(1, Ordering::Relaxed));
        let name = self.name.unwrap_or_else(default);
        let options = Options { name: name.clone(), dies_with_parent: self.daemon, once: true };
        let worker = WorkerProcess::start(&options)?;
        let child = worker.child().clone();
        let green = thread::Builder::new().name(name.clone()).daemon(true);
        // Those who wait for this do so in another runtime.
        let end = Expectation::new();
        let result = green.spawn_apart(move || {
            let _end = end;
            // This process may end before the other one has decoded them, unless that one ends with it.
            let result = worker.call_then(function, &arguments, || {
                if !options.dies_with_parent {
                    under_way.leave();
                }
            });
            drop((arguments, under_way));
            let result = Held::new(result.and_then(|bytes| worker::decode(&bytes)));
            // The connection stays open until the process has ended, as a daemon takes the end of the connection for
            // that of its parent.
            let _ = worker.child().wait();
            result.into_inner()
        })?;
        Ok(Process { name, daemon: self.daemon, child, result })
    }
}

impl Process<()> {
    /// Settings for a process that has a name, or that ends with this one. The function may return anything.
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder::default()
    }
}

impl<R> Process<R> {
    /// Starts a process that calls `function`, with a default name. Suspends the green thread until it is started.
    ///
    /// # Errors
    /// As [`ProcessBuilder::start`].
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::process::{self, Process, function};
    ///
    /// fn add(left: u32, right: u32) -> u32 {
    ///     left + right
    /// }
    ///
    /// fn main() -> std::io::Result<()> {
    ///     process::init();
    ///     let sum = Process::start(function!(add(left, right)), (1, 2))?;
    ///     assert_eq!(sum.join()?, 3);
    ///     Ok(())
    /// }
    /// ```
    pub fn start<A>(function: Function<A, R>, arguments: A) -> io::Result<Self>
    where
        A: Serialize + 'static,
        R: DeserializeOwned + Send + 'static,
    {
        ProcessBuilder::default().start(function, arguments)
    }

    /// The name of the process.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the process in the system.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process ends with this one.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.daemon
    }

    /// Whether the process has not ended yet. Does not suspend.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How the process ended, as Python's `exitcode`: 0 if the function returned, 101 if it panicked, the number that
    /// it gave to [`exit`](super::exit), or the negative number of the signal that ended it. `None` while it runs. Does
    /// not suspend.
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::process::{self, Process, function};
    ///
    /// fn fail() {
    ///     process::exit(3);
    /// }
    ///
    /// fn main() -> std::io::Result<()> {
    ///     process::init();
    ///     let process = Process::start(function!(fail()), ())?;
    ///     while process.is_alive() {
    ///         greenthread::sleep(std::time::Duration::from_millis(10));
    ///     }
    ///     assert_eq!(process.exitcode(), Some(3));
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn exitcode(&self) -> Option<i32> {
        let status: ExitStatus = self.child.try_wait().ok()??;
        status.code().or_else(|| status.signal().map(|signal| -signal))
    }

    /// Waits until the process has ended, for at most `timeout`; `false` if it still runs then. Suspends the green
    /// thread. It may be called several times, and by several threads at once.
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::process::{self, Process, function};
    /// use std::time::Duration;
    ///
    /// fn compute() -> u64 {
    ///     (1..1_000_000).sum()
    /// }
    ///
    /// fn main() -> std::io::Result<()> {
    ///     process::init();
    ///     let process = Process::start(function!(compute()), ())?;
    ///     while !process.join_timeout(Duration::from_secs(1)) {
    ///         println!("{} still computes", process.pid());
    ///     }
    ///     println!("{}", process.join()?);
    ///     Ok(())
    /// }
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        // An error means that somebody else has waited for it.
        !matches!(self.child.wait_timeout(timeout), Ok(None))
    }

    /// Waits until the process has ended, and returns what the function returned. Suspends the green thread.
    ///
    /// # Errors
    /// There is no value: see [`CallError`]. The function panicked, the process ended before its result, or the result
    /// could not be passed on.
    ///
    /// # Examples
    /// Nothing that the function does can hurt this process:
    /// ```no_run
    /// use greenthread::process::{self, Process, function};
    ///
    /// fn crash() {
    ///     std::process::abort();
    /// }
    ///
    /// fn main() -> std::io::Result<()> {
    ///     process::init();
    ///     let process = Process::start(function!(crash()), ())?;
    ///     println!("it is gone: {}", process.join().unwrap_err());
    ///     Ok(())
    /// }
    /// ```
    pub fn join(self) -> Result<R, CallError> {
        self.result.join().unwrap_or_else(|_| {
            let text = "the green thread that waited for the process was killed";
            Err(CallError::Io(io::Error::other(text)))
        })
    }

    /// Asks the process to end, by SIGTERM, which ends it unless the function has arranged otherwise. Does not wait,
    /// and does not suspend.
    ///
    /// # Errors
    /// As [`Child::send_signal`](super::Child::send_signal). A process that has ended is no error.
    pub fn terminate(&self) -> io::Result<()> {
        self.child.send_signal(Signal::TERM)
    }

    /// Ends the process, by SIGKILL. Does not wait, and does not suspend.
    ///
    /// # Errors
    /// As [`Child::kill`](super::Child::kill). A process that has ended is no error.
    pub fn kill(&self) -> io::Result<()> {
        self.child.kill()
    }

    /// A handle to the process, by which others can wait for its end.
    ///
    /// # Examples
    /// A process that is ended from elsewhere if it takes too long:
    /// ```no_run
    /// use greenthread::process::{self, Process, function};
    /// use std::time::Duration;
    ///
    /// fn compute() -> u64 {
    ///     (1..1_000_000_000).sum()
    /// }
    ///
    /// fn main() -> std::io::Result<()> {
    ///     process::init();
    ///     let process = Process::start(function!(compute()), ())?;
    ///     let handle = process.handle();
    ///     greenthread::spawn(move || match handle.wait_timeout(Duration::from_secs(10))? {
    ///         Some(status) => Ok(status),
    ///         None => handle.terminate(Duration::from_secs(1)),
    ///     });
    ///     println!("{:?}", process.join());
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
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
