//! Executors: hand in tasks, get futures.
//!
//! One trait, [`Executor`], and types that run the tasks:
//!
//! | | runs tasks on | for tasks that |
//! |---|---|---|
//! | [`GreenExecutor`] | green threads | wait: for sockets, locks, other tasks |
//! | [`ThreadPool`] | OS threads | compute, or call what blocks |
//! | `ProcessPool`, with the feature `processes` | other processes | may crash, leak, or need memory of their own |
//!
//! They are as in Python's `concurrent.futures`: [`submit`](Executor::submit) gives a [`Future`], whose outcome can be
//! asked for, waited for with a limit, cancelled, and given callbacks; [`map`](Executor::map) gives results in order;
//! [`wait`] and [`as_completed`] deal with several futures; [`gather`] is asyncio's. All of it may be called from green
//! threads, which it suspends, and from OS threads, which it blocks. A single green thread needs no executor:
//! [`spawn`](crate::spawn) it. To limit how many run at once without futures, see [`pool`](crate::pool).
//!
//! A task that waits for another task of the same executor needs a worker for that one too: if the number of workers
//! has a limit, tasks that all do so may wait for ever.
//!
//! ```
//! use greenthread::executor::{Executor, ThreadPool, as_completed};
//! let pool = ThreadPool::new(2)?;
//! let futures = ["a", "bb", "ccc"].map(|word| pool.submit(move || word.len()).unwrap());
//! let total: usize = as_completed(&futures).map(|future| *future.result().unwrap()).sum();
//! assert_eq!(total, 6);
//! pool.shutdown(true, false);
//! # Ok::<(), std::io::Error>(())
//! ```

// Invariant: each task that was taken has exactly one outcome, whatever happens to its worker and its executor: the
// duty to end it is a value, and the destructor of that fulfils it.

mod core;
mod crew;
mod duty;
mod error;
#[expect(clippy::module_inception, reason = "the trait has the name of the module")]
mod executor;
mod future;
mod green;
mod map;
#[cfg(feature = "processes")]
mod process_crew;
#[cfg(feature = "processes")]
mod process_pool;
#[cfg(feature = "processes")]
mod process_pool_builder;
#[cfg(feature = "processes")]
mod remote;
mod shared;
mod thread_pool;
mod wait;
mod worker;

pub use crate::thread::ReturnWhen;
pub use error::{ExecutionError, SubmitError};
pub use executor::{Apply, Call, Executor, Runs};
pub use future::Future;
pub use green::{GreenExecutor, GreenExecutorBuilder};
pub use map::{Calls, Map, MapUnordered};
#[cfg(feature = "processes")]
pub use process_pool::ProcessPool;
#[cfg(feature = "processes")]
pub use process_pool_builder::ProcessPoolBuilder;
#[cfg(feature = "processes")]
pub use remote::{Remote, RemoteCalls};
pub use thread_pool::{ThreadPool, ThreadPoolBuilder};
pub use wait::{
    AsCompleted, GatherError, Waited, as_completed, as_completed_timeout, gather, gather_all,
    try_gather, wait, wait_timeout,
};
