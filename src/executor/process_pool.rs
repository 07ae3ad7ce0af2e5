//! An executor of processes, as users see it. What its workers are is in `process_crew.rs`, how one makes a call in `remote.rs`.
#![forbid(unsafe_code)]

use super::core::ExecutorCore;
use super::duty::new_job;
use super::error::{ExecutionError, SubmitError};
use super::executor::{Executor, Runs};
use super::future::Future;
use super::map::{Map, MapUnordered};
use super::process_crew::ProcessCrew;
use super::process_pool_builder::ProcessPoolBuilder;
use super::remote::{Remote, RemoteCalls};
use crate::process::Function;
use crate::util::dropping::collect;
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use std::sync::Arc;

/// Runs functions in a number of other processes, as Python's `multiprocessing.Pool` and `ProcessPoolExecutor`: for
/// tasks that may crash, that leak, or that need memory of their own. For computing on all cores a
/// [`ThreadPool`](super::ThreadPool) is enough, and passes values without copying them.
///
/// The processes are this same program, started again; `main` must begin with [`process::init`](crate::process::init),
/// where they find what to do. They run functions that [`process::function!`](crate::process::function) names.
/// Arguments and results are passed by serde, each of at most [`MAX_MESSAGE`](crate::process::MAX_MESSAGE) bytes.
///
/// A process has one task at a time, and gets the next one when it is done. If a process is killed, crashes or exits,
/// the task that it had fails with its [exit status](ExecutionError::exit_status), and another process is started when
/// the next task comes. [`Future::kill`] ends a task that runs, together with its process. When this process ends, in
/// whatever way, the others do too, within two seconds.
///
/// Arguments and results may contain handles to objects of [`process::shared`](crate::process::shared). An object that
/// is handed over is kept until the result has been decoded here, which happens when it arrives, whether or not anybody
/// asks for it; then it stays as long as its handles. An object that the function has made lives in the process that
/// ran it, and ends with that.
///
/// What nobody waits for goes on after the [`run`](crate::run) that submitted it, as in a [`ThreadPool`](super::ThreadPool), and
/// ends with this process. Callbacks run on green threads of the global runtime.
///
/// # Examples
/// ```
/// # // A test has no `main` of its own, which the pool needs.
/// use greenthread::executor::ProcessPool;
/// use greenthread::process::{self, function};
///
/// fn square(number: u64) -> u64 {
///     number * number
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     process::init();
/// # return Ok(());
///     let pool = ProcessPool::new(2)?;
///     assert_eq!(pool.map(function!(square), 1..=4)?, [1, 4, 9, 16]);
///     let future = pool.apply_async(function!(square), 12)?;
///     assert_eq!(future.result()?, &144);
///     Ok(())
/// }
/// ```
#[doc(alias = "ProcessPoolExecutor")]
#[doc(alias = "multiprocessing")]
#[derive(Debug)]
pub struct ProcessPool {
    core: Arc<ExecutorCore<Arc<ProcessCrew>>>,
}

impl ProcessPool {
    pub(super) fn of(crew: ProcessCrew, workers: usize) -> Self {
        Self { core: ExecutorCore::new(Arc::new(crew), workers) }
    }

    /// A pool of at most `max_workers` processes, which are started as tasks come.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if `max_workers` is 0; [`Unsupported`](io::ErrorKind::Unsupported)
    /// if [`process::init`](crate::process::init) was not called.
    pub fn new(max_workers: usize) -> io::Result<Self> {
        Self::builder().max_workers(max_workers).build()
    }

    /// Settings for a pool with an initializer, with processes that end after a number of tasks, or with as many
    /// processes as there are processors.
    ///
    /// # Examples
    /// One process at a time, and a new one for each task:
    /// ```no_run
    /// use greenthread::executor::ProcessPool;
    /// use greenthread::process;
    ///
    /// fn main() -> std::io::Result<()> {
    ///     process::init();
    ///     let pool = ProcessPool::builder().max_workers(1).max_tasks_per_worker(1).build()?;
    ///     # drop(pool);
    ///     Ok(())
    /// }
    /// ```
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::default()
    }

    /// Calls the function in one of the processes and waits for its value. Suspends a green thread, blocks an OS
    /// thread.
    ///
    /// # Errors
    /// There is no value, or the pool takes no tasks: [`ExecutionError`] tells which.
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::executor::ProcessPool;
    /// use greenthread::process::{self, function};
    ///
    /// fn parse(text: String) -> Option<u32> {
    ///     text.parse().ok()
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let pool = ProcessPool::new(2)?;
    ///     assert_eq!(pool.apply(function!(parse), "17".to_string())?, Some(17));
    ///     Ok(())
    /// }
    /// ```
    pub fn apply<A, R>(&self, function: Function<A, R>, arguments: A) -> Result<R, ExecutionError>
    where
        A: Serialize + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
    {
        self.apply_async(function, arguments)?.into_result()
    }

    /// Has the function called in one of the processes, and does not wait. The same as [`submit`](Executor::submit) of
    /// a [`Remote`].
    ///
    /// # Errors
    /// As [`submit`](Executor::submit). Arguments that cannot be encoded are an error of the future, not of this call.
    ///
    /// # Examples
    /// A task that crashes takes its process along, and nothing else:
    /// ```no_run
    /// use greenthread::executor::ProcessPool;
    /// use greenthread::process::{self, function};
    ///
    /// fn work(number: i32) -> i32 {
    ///     if number < 0 { std::process::abort() } else { number }
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let pool = ProcessPool::new(1)?;
    ///     let (bad, good) = (pool.apply_async(function!(work), -1)?, pool.apply_async(function!(work), 1)?);
    ///     assert!(bad.result().unwrap_err().exit_status().is_some());
    ///     assert_eq!(good.result()?, &1);
    ///     Ok(())
    /// }
    /// ```
    pub fn apply_async<A, R>(
        &self,
        function: Function<A, R>,
        arguments: A,
    ) -> Result<Future<R>, SubmitError>
    where
        A: Serialize + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
    {
        self.start(Remote::new(function, arguments))
    }

    /// Calls the function for each of the items, several at once, and returns the values in the order of the items.
    /// Suspends a green thread, blocks an OS thread.
    ///
    /// # Errors
    /// That of the first item, in their order, that has no value; calls that have not begun are cancelled then.
    ///
    /// # Examples
    /// With several arguments, [`starmap`](Self::starmap):
    /// ```no_run
    /// use greenthread::executor::ProcessPool;
    /// use greenthread::process::{self, function};
    ///
    /// fn power(base: u64, exponent: u32) -> u64 {
    ///     base.pow(exponent)
    /// }
    /// fn square(number: u64) -> u64 {
    ///     power(number, 2)
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let pool = ProcessPool::new(4)?;
    ///     assert_eq!(pool.map(function!(square), 1..=3)?, [1, 4, 9]);
    ///     assert_eq!(pool.starmap(function!(power(base, exponent)), [(2, 3), (3, 2)])?, [8, 9]);
    ///     Ok(())
    /// }
    /// ```
    pub fn map<A, R, I>(&self, function: Function<A, R>, items: I) -> Result<Vec<R>, ExecutionError>
    where
        I: IntoIterator<Item = A>,
        A: Serialize + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
    {
        collect(self.imap(function, items))
    }

    /// The same as [`map`](Self::map), with Python's name for a function of several arguments: each item is a tuple of
    /// them.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn starmap<A, R, I>(
        &self,
        function: Function<A, R>,
        items: I,
    ) -> Result<Vec<R>, ExecutionError>
    where
        I: IntoIterator<Item = A>,
        A: Serialize + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
    {
        self.map(function, items)
    }

    /// As [`map`](Self::map), but gives one result after the other: see [`Map`].
    ///
    /// # Examples
    /// Results as they are needed, of items that never end; [`imap_unordered`](Self::imap_unordered) gives them as
    /// they come:
    /// ```no_run
    /// use greenthread::executor::ProcessPool;
    /// use greenthread::process::{self, function};
    ///
    /// fn square(number: u64) -> u64 {
    ///     number * number
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let pool = ProcessPool::new(2)?;
    ///     for result in pool.imap(function!(square), 1..).take(10) {
    ///         println!("{}", result?);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn imap<A, R, I>(
        &self,
        function: Function<A, R>,
        items: I,
    ) -> Map<'_, Self, RemoteCalls<A, R, I::IntoIter>>
    where
        I: IntoIterator<Item = A>,
        A: Serialize + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
    {
        self.run_all(RemoteCalls::new(function, items.into_iter()))
    }

    /// As [`imap`](Self::imap), but gives the results in the order in which they come.
    pub fn imap_unordered<A, R, I>(
        &self,
        function: Function<A, R>,
        items: I,
    ) -> MapUnordered<'_, Self, RemoteCalls<A, R, I::IntoIter>>
    where
        I: IntoIterator<Item = A>,
        A: Serialize + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
    {
        self.run_all_unordered(RemoteCalls::new(function, items.into_iter()))
    }

    /// Takes no more tasks, and does not wait: [`shutdown(false, false)`](Executor::shutdown).
    pub fn close(&self) {
        self.shutdown(false, false);
    }

    /// Takes no more tasks and waits for those that it has taken: [`shutdown(true, false)`](Executor::shutdown). Suspends a
    /// green thread, blocks an OS thread.
    ///
    /// # Examples
    /// As in Python, [`close`](Self::close) and `join` end a pool when its work is done, and
    /// [`terminate`](Self::terminate) at once:
    /// ```no_run
    /// use greenthread::executor::ProcessPool;
    /// use greenthread::process::{self, function};
    ///
    /// fn hello(name: String) {
    ///     println!("hello {name}, from process {}", std::process::id());
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let pool = ProcessPool::new(2)?;
    ///     for name in ["ann", "bob"] {
    ///         pool.apply_async(function!(hello), name.to_string())?;
    ///     }
    ///     pool.close();
    ///     pool.join();
    ///     Ok(())
    /// }
    /// ```
    pub fn join(&self) {
        self.shutdown(true, false);
    }

    /// Takes no more tasks, cancels those that have not begun, and kills the processes with the tasks that they have.
    /// Does not wait; [`join`](Self::join) does.
    pub fn terminate(&self) {
        self.shutdown(false, true);
        self.core.crew().terminate();
    }

    /// The numbers in the system of the processes that there are at this moment.
    pub fn processes(&self) -> Vec<u32> {
        self.core.crew().ids()
    }
}

impl Executor for ProcessPool {
    fn max_workers(&self) -> usize {
        self.core.limit()
    }

    fn shutdown(&self, wait: bool, cancel_pending: bool) {
        self.core.shutdown(wait, cancel_pending);
    }
}

impl<A, R> Runs<Remote<A, R>> for ProcessPool
where
    A: 'static,
    R: DeserializeOwned + Send + Sync + 'static,
{
    fn start(&self, call: Remote<A, R>) -> Result<Future<R>, SubmitError> {
        self.core.submit(|| new_job(call.expected()))
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        self.core.shutdown(false, false);
    }
}
