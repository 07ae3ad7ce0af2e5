//! Settings of a runtime.
#![forbid(unsafe_code)]

use super::global;
use super::instance::Runtime;
use crate::stack::StackSize;
use std::io;
use std::time::Duration;

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
    watchdog: Option<Duration>,
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
            watchdog: None,
        }
    }

    /// Sets how many OS threads run green threads; unless it is called, as many as the process may use processors.
    ///
    /// # Examples
    /// One worker: green threads take turns, and never run at the same time.
    /// ```
    /// use greenthread::{Runtime, spawn};
    ///
    /// let runtime = Runtime::builder().workers(1).build()?;
    /// let parts = runtime.run(|| {
    ///     let parts = [1, 2, 3].map(|part| spawn(move || (part, std::thread::current().id())));
    ///     parts.map(|part| part.join().unwrap())
    /// });
    /// let parts = parts.unwrap();
    /// assert!(parts.iter().all(|part| part.1 == parts[0].1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "worker_threads")]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = Some(count);
        self
    }

    /// Usable bytes of each green thread's stack, rounded up to whole pages and to at least 32 KiB. Unless set, 180 KiB; 4 MiB
    /// where the library is built with debug assertions, as frames are many times larger in programs that are not optimized.
    /// A stack takes memory only as far as it has been used.
    ///
    /// # Examples
    /// For recursion that goes deep in all of them; for one of them there is
    /// [`Builder::stack_size`](crate::Builder::stack_size):
    /// ```
    /// fn depth(n: u32) -> u32 {
    ///     let room = [n; 256]; // a kilobyte for each level
    ///     if n == 0 { 0 } else { 1 + depth(std::hint::black_box(&room)[0] - 1) }
    /// }
    /// let runtime = greenthread::Runtime::builder().workers(1).stack_size(16 << 20).build()?;
    /// assert_eq!(runtime.run(|| depth(1000)).unwrap(), 1000);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "thread_stack_size")]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Sets the names of the workers' OS threads, as debuggers show them: this text, a dash and a number. Unless it is called,
    /// the text is `greenthread`.
    ///
    /// # Examples
    /// ```
    /// use greenthread::Runtime;
    ///
    /// let runtime = Runtime::builder().workers(1).thread_name("crawler").build()?;
    /// let name = runtime.run(|| std::thread::current().name().map(str::to_owned));
    /// assert_eq!(name.unwrap().as_deref(), Some("crawler-0"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// Sets after how long the watchdog reports; `None` for no watchdog.
    pub(super) fn watched_for(mut self, most: Option<Duration>) -> Self {
        self.watchdog = most;
        self
    }

    /// Starts the global runtime with these settings. Otherwise it starts by itself, with settings of its own, at the first
    /// [`spawn`](crate::spawn); so call this early in `main`. As rayon's `ThreadPoolBuilder::build_global`.
    ///
    /// # Errors
    /// `AlreadyExists` if the global runtime has started; and those of [`build`](Self::build).
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
        global::start_global(self)
    }

    fn checked_stack_size(&self) -> io::Result<StackSize> {
        self.stack_size.map_or_else(|| Ok(StackSize::default()), StackSize::new)
    }

    /// Starts a runtime with worker threads.
    ///
    /// # Errors
    /// - `InvalidInput` if there are to be no workers or more than 1024, if the stack size is zero or more than 1 TiB, or if the
    ///   name of the threads has a NUL byte.
    /// - The error of the system call that failed: each worker needs an OS thread and three descriptors.
    ///
    /// # Examples
    /// ```
    /// use greenthread::Runtime;
    ///
    /// let runtime = Runtime::builder().workers(2).build()?;
    /// assert_eq!(runtime.spawn(|| "on one of the two").join().unwrap(), "on one of the two");
    /// assert!(Runtime::builder().workers(0).build().is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
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
        runtime.watched(self.watchdog)
    }

    /// Makes a runtime that runs on the thread that calls [`Runtime::run`] or [`Runtime::run_local`].
    ///
    /// # Errors
    /// `InvalidInput` if the stack size is zero or more than 1 TiB, or if a number of workers other than one is set; with the
    /// feature `watchdog`, also the system's error if its thread cannot be started.
    ///
    /// # Examples
    /// ```
    /// let runtime = greenthread::Runtime::builder().stack_size(1 << 20).build_current_thread()?;
    /// assert_eq!(runtime.run_local(|| 1 + 1).unwrap(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn build_current_thread(self) -> io::Result<Runtime> {
        if self.workers.is_some_and(|workers| workers != 1) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a current-thread runtime has one worker: the thread that runs it",
            ));
        }
        let runtime = Runtime::on_current_thread(self.checked_stack_size()?);
        runtime.watched(self.watchdog)
    }
}
