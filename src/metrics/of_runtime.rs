//! What is told of a runtime.
#![forbid(unsafe_code)]

use super::Worker;
use crate::runtime::scheduler::Scheduler;
use crate::runtime::{Runtime, blocking, runtimes};
use serde::Serialize;

/// The numbers of a runtime; see [`Runtime::metrics`]. They display as a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// The [name](crate::RuntimeBuilder::thread_name) of the runtime; `None` of a current-thread runtime.
    pub name: Option<String>,
    /// Green threads that have been scheduled and have not ended, now.
    pub alive: u64,
    /// Green threads that were scheduled by threads that are none of its workers.
    pub spawned_outside: u64,
    /// Its workers, in the order of their numbers.
    pub workers: Vec<Worker>,
    /// The OS threads for what blocks, which all runtimes of the process share.
    pub blocking: Vec<BlockingPool>,
}

/// The OS threads for one kind of calls that block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BlockingPool {
    /// What they are for: `user` of [`blocking`](crate::blocking()), `names`, `files`, and `starts` and `waits`, of processes and of
    /// calls that wait for others.
    pub name: &'static str,
    /// How many there are.
    pub threads: u64,
    /// How many of them have nothing to do.
    pub idle: u64,
    /// How many calls wait for one.
    pub queued: u64,
}

impl Runtime {
    /// What this runtime has done and has, as its workers count it. Does not suspend, and asks nobody.
    ///
    /// # Examples
    /// ```
    /// let runtime = greenthread::Runtime::new_current_thread()?;
    /// runtime.run(greenthread::yield_now).unwrap();
    /// let metrics = runtime.metrics();
    /// assert_eq!(metrics.alive, 0);
    /// assert_eq!((metrics.workers[0].yielded, metrics.workers[0].ended), (1, 1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "counters")))]
    #[doc(alias("statistics", "stats", "counters"))]
    pub fn metrics(&self) -> Metrics {
        let scheduler = self.scheduler();
        let mut others = runtimes().into_iter();
        let own = others.find(|(_, other)| std::ptr::eq(&raw const **other, &raw const *scheduler));
        Metrics::of(own.and_then(|(name, _)| name), &scheduler)
    }
}

/// Those of all runtimes of the process; of a current-thread runtime while somebody runs it. Does not suspend, and asks nobody.
///
/// # Examples
/// ```
/// use greenthread::{metrics, spawn};
/// spawn(|| ()).join().unwrap();
/// let started: u64 = metrics::all().iter().map(|runtime| runtime.total().started).sum();
/// assert!(started >= 1);
/// ```
#[must_use]
pub fn all() -> Vec<Metrics> {
    runtimes().into_iter().map(|(name, scheduler)| Metrics::of(name, &scheduler)).collect()
}

impl Metrics {
    fn of(name: Option<String>, scheduler: &Scheduler) -> Self {
        let blocking = blocking::counts().map(|(name, threads, idle, queued)| BlockingPool {
            name,
            threads: threads as u64,
            idle: idle as u64,
            queued: queued as u64,
        });
        Self {
            name,
            alive: scheduler.count() as u64,
            spawned_outside: scheduler.spawned_outside(),
            workers: scheduler.metrics(),
            blocking: blocking.collect(),
        }
    }

    /// The numbers of all workers together. Of [`busy`](Worker::busy) it is the sum too: so many workers were not asleep.
    #[must_use]
    pub fn total(&self) -> Worker {
        let mut total = Worker::default();
        self.workers.iter().for_each(|worker| total.add(worker));
        total
    }
}
