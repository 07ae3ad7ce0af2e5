//! Settings for a pool of processes.
//!
//! Invariant: what is wrong with the settings, the arguments of an initializer included, is an error of `build`, and never one of a
//! process that is started later.
#![forbid(unsafe_code)]

use super::green::check_workers;
use super::process_crew::{ProcessCrew, ProcessInitializer};
use super::process_pool::ProcessPool;
use crate::process::shared::UnderWay;
use crate::process::worker::{self, WorkerProcess};
use crate::process::{CallError, Function};
use crate::thread::available_parallelism;
use crate::util::dropping::Held;
use serde::Serialize;
use std::fmt;
use std::io;

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
        let crew = ProcessCrew::new(name, initializer, self.max_tasks_per_worker);
        Ok(ProcessPool::of(crew, workers))
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
