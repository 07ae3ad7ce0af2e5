//! An executor of green threads.
#![forbid(unsafe_code)]

use super::core::ExecutorCore;
use super::crew::Crew;
use super::duty::new_job;
use super::error::SubmitError;
use super::executor::{Call, Executor, Runs};
use super::future::Future;
use crate::thread::Builder;
use std::io;
use std::sync::Arc;

/// Runs each task on a green thread: for tasks that wait. As Python's `Executor`, with greenlets of gevent for its
/// threads.
///
/// Without a limit all tasks run at once: none waits for another one to end. With a limit, that many green threads
/// share the tasks, which begin in the order in which they came. The green threads belong to the runtime of whoever
/// submits, or to the global one.
///
/// A green thread that has ended a task takes the next one that has not begun, so that short tasks cost less than a
/// [`spawn`](crate::spawn) each. Without a limit, only [`current`](crate::current) shows that: tasks share a green
/// thread only if both would inherit the same from their submitters, and a task never finds
/// [values](crate::green_local) of another one.
///
/// Dropping the executor is a [`shutdown`](Executor::shutdown) that neither waits nor cancels.
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor, gather};
/// let executor = GreenExecutor::new();
/// let futures = (1..=3).map(|n| executor.submit(move || n * 10)).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(gather(futures)?, [10, 20, 30]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "asyncio")]
#[doc(alias = "TaskGroup")]
#[derive(Debug)]
pub struct GreenExecutor {
    core: Arc<ExecutorCore<GreenThreads>>,
}

/// Green threads, which end when there is no task for them.
#[derive(Debug)]
struct GreenThreads {
    name: Option<String>,
    stack_size: Option<usize>,
}

impl Crew for GreenThreads {
    type Seat = ();
    const GREEN: bool = true;
    const STAYS: bool = false;

    fn spawn(&self, number: usize, life: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut builder = Builder::new();
        if let Some(name) = &self.name {
            builder = builder.name(format!("{name}_{number}"));
        }
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        builder.spawn(life).map(drop)
    }

    fn begin(&self, _: usize) -> Result<(), String> {
        Ok(())
    }
}

/// Settings for a [`GreenExecutor`]; made by [`GreenExecutor::builder`].
///
/// # Examples
/// ```
/// use greenthread::executor::{Executor, GreenExecutor};
/// let executor = GreenExecutor::builder().max_workers(2).name("fetch").build()?;
/// let name = executor.submit(|| greenthread::current().name().map(str::to_owned))?;
/// assert_eq!(name.result()?.as_deref(), Some("fetch_0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "settings do nothing until `build`"]
pub struct GreenExecutorBuilder {
    max_workers: Option<usize>,
    name: Option<String>,
    stack_size: Option<usize>,
}

impl GreenExecutor {
    /// An executor without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self { core: ExecutorCore::new(GreenThreads { name: None, stack_size: None }, usize::MAX) }
    }

    /// Settings for an executor with a limit, or with names for its green threads.
    pub fn builder() -> GreenExecutorBuilder {
        GreenExecutorBuilder::default()
    }
}

impl Default for GreenExecutor {
    fn default() -> Self {
        Self::new()
    }
}

impl GreenExecutorBuilder {
    /// How many tasks run at once at most; there is no limit unless set.
    ///
    /// # Examples
    /// At most two at once, as a server asks of its clients:
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    ///
    /// let polite = GreenExecutor::builder().max_workers(2).build()?;
    /// let pages: Vec<_> = polite.map(|n: u32| n * n, 0..5).flatten().collect();
    /// assert_eq!((pages, polite.max_workers()), (vec![0, 1, 4, 9, 16], 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// What the names of the green threads begin with; `_` and a number follow. Unless set they have no names.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The stack size of each green thread in bytes, see [`Builder::stack_size`](crate::Builder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Makes the executor. It has no green threads yet.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a limit of 0, and for a name with a null byte.
    ///
    /// # Examples
    /// ```
    /// use greenthread::executor::{Executor, GreenExecutor};
    ///
    /// let executor = GreenExecutor::builder().max_workers(4).stack_size(1 << 20).build()?;
    /// assert_eq!(executor.submit(|| 6 * 7)?.result()?, &42);
    /// assert!(GreenExecutor::builder().max_workers(0).build().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build(self) -> io::Result<GreenExecutor> {
        let limit = check_workers(self.max_workers.unwrap_or(usize::MAX))?;
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        let crew = GreenThreads { name: self.name, stack_size: self.stack_size };
        Ok(GreenExecutor { core: ExecutorCore::new(crew, limit) })
    }
}

/// Checks that there is at least one worker.
///
/// # Errors
/// `InvalidInput` if there is none.
pub(super) fn check_workers(workers: usize) -> io::Result<usize> {
    if workers == 0 {
        let text = "an executor needs at least one worker: without one no task would ever run";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(workers)
}

/// Checks that a thread can have this name.
///
/// # Errors
/// `InvalidInput` for a null byte.
pub(super) fn check_name(name: &str) -> io::Result<()> {
    if name.contains('\0') {
        let text = "the name of a thread must not contain null bytes";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

impl Executor for GreenExecutor {
    fn max_workers(&self) -> usize {
        self.core.limit()
    }

    fn shutdown(&self, wait: bool, cancel_pending: bool) {
        self.core.shutdown(wait, cancel_pending);
    }
}

impl<C: Call> Runs<C> for GreenExecutor {
    fn start(&self, call: C) -> Result<Future<C::Output>, SubmitError> {
        self.core.submit(|| new_job(call))
    }
}

impl Drop for GreenExecutor {
    fn drop(&mut self) {
        self.core.shutdown(false, false);
    }
}
