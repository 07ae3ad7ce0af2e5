//! An executor of processes.
#![forbid(unsafe_code)]

use super::core::ExecutorCore;
use super::crew::{Crew, NotReady};
use super::duty::new_job;
use super::error::{ExecutionError, SubmitError};
use super::executor::{Executor, Runs};
use super::future::Future;
use super::green::check_workers;
use super::map::{Map, MapUnordered};
use super::remote::{Remote, Seat};
use crate::process::shared::UnderWay;
use crate::process::worker::{self, WorkerProcess};
use crate::process::{CallError, ChildHandle, Function};
use crate::thread::{Builder, available_parallelism};
use crate::util::dropping::{Held, collect};
use crate::util::lock::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::iter;
use std::sync::Arc;

/// Calls the initializer's function in a process that has just been started.
type ProcessInitializer = Box<dyn Fn(&WorkerProcess) -> Result<(), CallError> + Send + Sync>;

/// What the workers of a pool have in common.
pub(super) struct ProcessCrew {
    pub(super) name: String,
    pub(super) initializer: Option<ProcessInitializer>,
    pub(super) max_tasks: Option<usize>,
    processes: Mutex<Processes>,
}

#[derive(Debug, Default)]
struct Processes {
    /// The processes by the numbers of their workers.
    living: HashMap<usize, ChildHandle>,
    terminated: bool,
}

impl ProcessCrew {
    /// Adds a new process. If all are being ended, it is ended too.
    pub(super) fn enter(&self, number: usize, child: &ChildHandle) {
        let mut processes = self.processes.lock();
        processes.living.insert(number, child.clone());
        if processes.terminated {
            let _ = child.kill();
        }
    }

    pub(super) fn leave(&self, number: usize) {
        self.processes.lock().living.remove(&number);
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.processes.lock().terminated
    }

    fn terminate(&self) {
        let mut processes = self.processes.lock();
        processes.terminated = true;
        for child in processes.living.values() {
            // An error means that it has ended by itself.
            let _ = child.kill();
        }
    }
}

impl Crew for Arc<ProcessCrew> {
    type Seat = Seat;
    const GREEN: bool = true;
    const STAYS: bool = true;

    /// For each process there is a green thread that talks to it.
    fn spawn(&self, number: usize, life: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let name = format!("{}-{}", self.name, number + 1);
        // It does not belong to a `run`: several may use the pool, and none of them should wait for it, nor end what
        // others have submitted.
        Builder::new().name(name).daemon(true).spawn_apart(life).map(drop)
    }

    fn begin(&self, number: usize) -> Result<Seat, String> {
        Ok(Seat::new(self, number))
    }

    fn is_ready(seat: &Seat) -> bool {
        seat.is_ready()
    }

    fn prepare(&self, seat: &mut Seat) -> Result<(), NotReady> {
        seat.prepare()
    }
}

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

/// Settings for a [`ProcessPool`]; made by [`ProcessPool::builder`].
///
/// # Examples
/// ```no_run
/// use greenthread::executor::ProcessPool;
/// use greenthread::process::{self, function};
///
/// fn prepare(folder: String) {
///     std::env::set_current_dir(folder).unwrap();
/// }
///
/// fn main() -> std::io::Result<()> {
///     process::init();
///     let pool = ProcessPool::builder()
///         .max_workers(4)
///         .name("parser")
///         .initializer(function!(prepare), "/tmp".to_string())
///         .max_tasks_per_worker(100)
///         .build()?;
///     # drop(pool);
///     Ok(())
/// }
/// ```
#[derive(Default)]
#[must_use = "settings do nothing until `build`"]
pub struct ProcessPoolBuilder {
    max_workers: Option<usize>,
    name: Option<String>,
    initializer: Option<Result<ProcessInitializer, CallError>>,
    max_tasks_per_worker: Option<usize>,
}

impl ProcessPool {
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
        self.run_all(RemoteCalls { function, items: items.into_iter() })
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
        self.run_all_unordered(RemoteCalls { function, items: items.into_iter() })
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
        self.core.crew().processes.lock().living.values().map(ChildHandle::id).collect()
    }
}

/// The calls of a function for the items of an iterator; what [`ProcessPool::imap`] makes of its arguments.
pub struct RemoteCalls<A, R, I> {
    function: Function<A, R>,
    items: I,
}

impl<A, R, I> fmt::Debug for RemoteCalls<A, R, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteCalls").field("function", &self.function).finish_non_exhaustive()
    }
}

impl<A: Serialize, R, I: Iterator<Item = A>> Iterator for RemoteCalls<A, R, I> {
    type Item = Remote<A, R>;

    fn next(&mut self) -> Option<Self::Item> {
        self.items.next().map(|item| Remote::new(self.function, item))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<A: Serialize, R, I: iter::FusedIterator<Item = A>> iter::FusedIterator
    for RemoteCalls<A, R, I>
{
}

impl ProcessPoolBuilder {
    /// How many processes there are at most. Unless set, as many as this process may use processors.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// What the names of the processes begin with; `-` and a number follow. `ProcessPool` unless set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What each process calls before its first task. If it fails, by a panic or because the process ends, the pool is
    /// *broken*: tasks that have not begun fail with that reason, and no more are taken.
    pub fn initializer<A>(mut self, function: Function<A, ()>, arguments: A) -> Self
    where
        A: Serialize + 'static,
    {
        let given = Held::new(arguments);
        let (arguments, handles) = UnderWay::noted(|| worker::encode(&*given));
        drop(given);
        self.initializer = Some(arguments.and_then(|arguments| {
            // Each process decodes them.
            let handles = handles.lasting()?;
            let call = move |process: &WorkerProcess| {
                let _kept = &handles;
                process.call(function, &arguments).map(drop)
            };
            Ok(Box::new(call) as ProcessInitializer)
        }));
        self
    }

    /// After how many tasks a process ends and another one takes its place: for functions that leak. As Python's
    /// `maxtasksperchild`. There is no limit unless set.
    #[doc(alias = "maxtasksperchild")]
    pub fn max_tasks_per_worker(mut self, tasks: usize) -> Self {
        self.max_tasks_per_worker = Some(tasks);
        self
    }

    /// Makes the pool. It has no processes yet.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a limit of 0 processes or 0 tasks, for a name with a null
    /// byte, and for arguments of the initializer that cannot be encoded; [`Unsupported`](io::ErrorKind::Unsupported)
    /// if [`process::init`](crate::process::init) was not called.
    pub fn build(self) -> io::Result<ProcessPool> {
        let invalid = |text| io::Error::new(io::ErrorKind::InvalidInput, text);
        let workers = match self.max_workers {
            Some(workers) => check_workers(workers)?,
            None => available_parallelism().map_or(1, usize::from),
        };
        if self.max_tasks_per_worker == Some(0) {
            return Err(invalid(
                "a process that ends after no task at all never runs any".to_string(),
            ));
        }
        let name = self.name.unwrap_or_else(|| "ProcessPool".into());
        if name.contains('\0') {
            return Err(invalid("the name of a process must not contain null bytes".to_string()));
        }
        worker::check()?;
        let initializer =
            self.initializer.transpose().map_err(|error| invalid(error.to_string()))?;
        let crew = ProcessCrew {
            name,
            initializer,
            max_tasks: self.max_tasks_per_worker,
            processes: Mutex::default(),
        };
        Ok(ProcessPool { core: ExecutorCore::new(Arc::new(crew), workers) })
    }
}

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessPoolBuilder")
            .field("max_workers", &self.max_workers)
            .field("name", &self.name)
            .field("max_tasks_per_worker", &self.max_tasks_per_worker)
            .finish_non_exhaustive()
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
