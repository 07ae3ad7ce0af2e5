//! Settings of a runtime.
#![forbid(unsafe_code)]

use super::instance::{self, Runtime};
use crate::stack::StackSize;
use std::io;

/// The most workers a runtime may have.
const MAX_WORKERS: usize = 1024;

/// Settings for a [`Runtime`]; made by [`Runtime::builder`].
///
/// # Examples
/// ```
/// let runtime = greenthread::Runtime::builder()
///     .workers(2)
///     .stack_size(256 * 1024)
///     .thread_name("app")
///     .build()?;
/// assert_eq!(runtime.run(|| 6 * 7).unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing until `build`"]
pub struct RuntimeBuilder {
    workers: Option<usize>,
    stack_size: Option<usize>,
    thread_name: String,
    #[cfg(feature = "watchdog")]
    watchdog: Option<std::time::Duration>,
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl RuntimeBuilder {
    pub(super) fn new() -> Self {
        Self {
            workers: None,
            stack_size: None,
            thread_name: "greenthread".to_string(),
            #[cfg(feature = "watchdog")]
            watchdog: None,
        }
    }

    /// How many OS threads run green threads; as many as the process may use processors unless set.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self
    }

    /// Usable bytes of each green thread's stack, rounded up to whole pages and to at least 32 KiB; 180 KiB unless set.
    /// A stack takes memory only as far as it has been used.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// What the workers' OS threads are called: this, a dash and a number.
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// Reports to standard error, once for each time, a green thread that keeps its worker from the others for longer than
    /// `most`: it computes, or calls something that blocks the OS thread. The report names it and tells where it is.
    ///
    /// An OS thread of the runtime's own looks at the workers four times in `most`, and at least a millisecond apart; where
    /// the green thread is, is found out by a signal (`SIGURG`) to the worker, which interrupts a system call that it may be
    /// in as signals do. Names and lines need debug information (`debug = "line-tables-only"`).
    #[cfg(feature = "watchdog")]
    #[cfg_attr(docsrs, doc(cfg(feature = "watchdog")))]
    pub fn watchdog(mut self, most: std::time::Duration) -> Self {
        self.watchdog = Some(most);
        self
    }

    /// Starts the global runtime, which otherwise starts by itself at the first [`spawn`](crate::spawn), with these settings
    /// instead of its own. To be called early in `main`, as rayon's `ThreadPoolBuilder::build_global`.
    ///
    /// # Errors
    /// `AlreadyExists` where it has started; otherwise as [`build`](Self::build).
    ///
    /// # Examples
    /// ```
    /// use greenthread::{Runtime, spawn};
    /// Runtime::builder().workers(1).thread_name("app").build_global()?;
    /// let name = spawn(|| std::thread::current().name().map(str::to_string)).join().unwrap();
    /// assert_eq!(name.as_deref(), Some("app-0"));
    /// assert!(Runtime::builder().build_global().is_err(), "there is one");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn build_global(self) -> io::Result<()> {
        instance::start_global(self)
    }

    fn checked_stack_size(&self) -> io::Result<StackSize> {
        self.stack_size.map_or_else(|| Ok(StackSize::default()), StackSize::new)
    }

    /// Starts a runtime with worker threads.
    ///
    /// # Errors
    /// `InvalidInput` for zero workers or more than 1024, for a stack size of zero or beyond 1 TiB, and for a thread
    /// name with a NUL byte; otherwise what the system said when a thread or a descriptor could not be had.
    pub fn build(self) -> io::Result<Runtime> {
        let workers = match self.workers {
            Some(workers) => workers,
            None => std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS),
        };
        if workers == 0 || workers > MAX_WORKERS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a runtime of {workers} workers: it takes 1 to {MAX_WORKERS}"),
            ));
        }
        if self.thread_name.contains('\0') {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a NUL byte in the name of a runtime's threads",
            ));
        }
        let runtime = Runtime::start(workers, self.checked_stack_size()?, &self.thread_name)?;
        #[cfg(feature = "watchdog")]
        let runtime = runtime.watched(self.watchdog)?;
        Ok(runtime)
    }

    /// Makes a runtime that runs on the thread that calls [`Runtime::run`] or [`Runtime::run_local`].
    ///
    /// # Errors
    /// `InvalidInput` for a bad stack size and for any number of workers but one.
    pub fn build_current_thread(self) -> io::Result<Runtime> {
        if self.workers.is_some_and(|workers| workers != 1) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a current-thread runtime has one worker: the thread that runs it",
            ));
        }
        let runtime = Runtime::on_current_thread(self.checked_stack_size()?);
        #[cfg(feature = "watchdog")]
        let runtime = runtime.watched(self.watchdog)?;
        Ok(runtime)
    }
}
