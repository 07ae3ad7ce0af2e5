//! An executor of OS threads.
#![forbid(unsafe_code)]

use super::core::ExecutorCore;
use super::crew::Crew;
use super::duty::new_job;
use super::error::{SubmitError, panic_text};
use super::executor::{Call, Executor, Runs};
use super::future::Future;
use super::green::{check_name, check_workers};
use crate::sys::thread;
use crate::thread::available_parallelism;
use crate::util::dropping::{Held, drop_quietly, seen_in};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Runs tasks on a number of OS threads: for tasks that compute, on all cores, or that call what blocks. As Python's
/// `ThreadPoolExecutor`.
///
/// Threads are started as tasks come, and stay until the pool is shut down. Tasks begin in the order in which they
/// came. Inside a task the caller is an OS thread: a call that waits blocks that thread. For single calls,
/// [`blocking`](crate::blocking) needs no pool.
///
/// Dropping the pool is a [`shutdown`](Executor::shutdown) that neither waits nor cancels. When `main` returns, tasks
/// that still run end with the process: if that matters, wait for them first.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, ThreadPool};
/// let pool = ThreadPool::new(4)?;
/// let sums: Vec<_> = (0..4u64).map(|part| pool.submit(move || (0..1000).map(|n| n * 4 + part).sum::<u64>())).collect();
/// let mut total = 0;
/// for sum in sums {
///     total += *sum?.result()?;
/// }
/// assert_eq!(total, 3999 * 4000 / 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "ThreadPoolExecutor")]
#[doc(alias = "rayon")]
#[doc(alias = "spawn_blocking")]
#[derive(Debug)]
pub struct ThreadPool {
    core: Arc<ExecutorCore<OsThreads>>,
}

/// What each thread calls before its first task; the error is the reason why it failed.
type ThreadInitializer = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// OS threads, which stay until the pool is shut down.
struct OsThreads {
    name: String,
    stack_size: Option<usize>,
    initializer: Option<Held<ThreadInitializer>>,
}

impl Crew for OsThreads {
    type Seat = ();
    const GREEN: bool = false;
    const STAYS: bool = true;

    fn spawn(&self, number: usize, life: impl FnOnce() + Send + 'static) -> io::Result<()> {
        thread::start(&format!("{}_{number}", self.name), self.stack_size, life).map(drop)
    }

    fn begin(&self, _: usize) -> Result<(), String> {
        let Some(initializer) = &self.initializer else { return Ok(()) };
        match catch_unwind(AssertUnwindSafe(|| (**initializer)())) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(format!("an initializer failed: {reason}")),
            Err(payload) => {
                let reason = format!("an initializer panicked: {}", panic_text(&*payload));
                drop_quietly(payload);
                Err(reason)
            }
        }
    }
}

/// Settings for a [`ThreadPool`]; made by [`ThreadPool::builder`].
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, ThreadPool};
/// let pool = ThreadPool::builder().max_workers(2).name("hash").stack_size(1 << 20).build()?;
/// let name = pool.submit(|| std::thread::current().name().map(str::to_owned))?;
/// assert_eq!(name.result()?.as_deref(), Some("hash_0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use = "settings do nothing until `build`"]
pub struct ThreadPoolBuilder {
    max_workers: Option<usize>,
    name: Option<String>,
    stack_size: Option<usize>,
    initializer: Option<Held<ThreadInitializer>>,
}

impl ThreadPool {
    /// A pool of at most `max_workers` threads. It has no threads yet.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `max_workers` is 0.
    ///
    /// # Examples
    /// Work for all processors, while green threads go on elsewhere:
    /// ```
    /// use greenthread::executor::{Executor, ThreadPool};
    ///
    /// let pool = ThreadPool::new(2)?;
    /// let sums: Vec<u64> = pool.map(|part| (part * 1000..(part + 1) * 1000).sum(), 0..4).flatten().collect();
    /// assert_eq!(sums.iter().sum::<u64>(), 3999 * 4000 / 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(max_workers: usize) -> io::Result<Self> {
        Self::builder().max_workers(max_workers).build()
    }

    /// Settings for a pool with named threads, an initializer, or as many threads as there are processors.
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::default()
    }
}

impl ThreadPoolBuilder {
    /// How many threads there are at most. Unless set, as many as the process may use processors.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// What the names of the threads begin with; `_` and a number follow. `ThreadPool` unless set. As Python's
    /// `thread_name_prefix`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The stack size of each thread in bytes, as [`std::thread::Builder::stack_size`].
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// What each thread calls before its first task. If it fails, by an error or a panic, the pool is *broken*: tasks
    /// that have not begun fail with that reason, and no more are taken.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, SubmitError, ThreadPool};
    /// let pool = ThreadPool::builder().max_workers(2).initializer(|| "x".parse::<u8>().map(drop)).build()?;
    /// let error = pool.submit(|| ())?.result().unwrap_err();
    /// assert!(error.is_broken());
    /// assert_eq!(error.to_string(), "the executor is broken: an initializer failed: invalid digit found in string");
    /// assert!(matches!(pool.submit(|| ()), Err(SubmitError::Broken(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initializer<F, E>(mut self, initializer: F) -> Self
    where
        F: Fn() -> Result<(), E> + Send + Sync + 'static,
        E: fmt::Display,
    {
        self.initializer = Some(Held::new(Box::new(move || {
            initializer().map_err(|error| seen_in(error, E::to_string))
        })));
        self
    }

    /// Makes the pool. It has no threads yet.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a limit of 0, and for a name with a null byte.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, ThreadPool};
    ///
    /// let pool = ThreadPool::builder().max_workers(1).name("hash").build()?;
    /// let name = pool.submit(|| std::thread::current().name().map(str::to_owned))?;
    /// assert_eq!(name.result()?.as_deref(), Some("hash_0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> io::Result<ThreadPool> {
        let workers = match self.max_workers {
            Some(workers) => check_workers(workers)?,
            None => available_parallelism().map_or(1, usize::from),
        };
        let name = self.name.unwrap_or_else(|| "ThreadPool".into());
        check_name(&name)?;
        let (stack_size, initializer) = (self.stack_size, self.initializer);
        Ok(ThreadPool {
            core: ExecutorCore::new(OsThreads { name, stack_size, initializer }, workers),
        })
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPoolBuilder")
            .field("max_workers", &self.max_workers)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Executor for ThreadPool {
    fn max_workers(&self) -> usize {
        self.core.limit()
    }

    fn shutdown(&self, wait: bool, cancel_pending: bool) {
        self.core.shutdown(wait, cancel_pending);
    }
}

impl<C: Call> Runs<C> for ThreadPool {
    fn start(&self, call: C) -> Result<Future<C::Output>, SubmitError> {
        self.core.submit(|| new_job(call))
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.core.shutdown(false, false);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::fault;

    /// If there is another thread already, that takes the task.
    #[test]
    fn a_thread_that_cannot_be_had_is_an_error_of_the_submit() {
        let pool = ThreadPool::new(2).unwrap();
        fault::fail(fault::Syscall::ThreadSpawn, 0, 1, libc::EAGAIN);
        let Err(SubmitError::Io(error)) = pool.submit(|| 1) else { panic!("it was taken") };
        let text = "cannot start the OS thread `ThreadPool_0`: ";
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(error.to_string().starts_with(text), "{error}");
        assert_eq!(pool.submit(|| 2).unwrap().result().unwrap(), &2);
        pool.shutdown(true, false);
    }
}
