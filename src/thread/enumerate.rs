//! Which green threads there are.
#![forbid(unsafe_code)]

use super::Thread;
use crate::runtime::task::current;
use crate::runtime::{global_if_started, roll_call, scheduler};
use std::sync::Arc;

/// The green threads that have started and not ended, of the caller's runtime, and so with the caller; from a plain OS thread,
/// those of the global runtime. In no particular order. As Python's `threading.enumerate`.
///
/// Each worker is asked and answers between two of its green threads: suspends a green thread, blocks an OS thread until then.
/// A worker that is held up for longer than a second, by one that computes or calls what blocks, is gone without: its green
/// threads are missing. So this is for reports; [`active_count`] does not wait.
///
/// # Examples
/// ```
/// use greenthread::{Builder, Runtime, thread, yield_now};
/// let runtime = Runtime::new_current_thread()?;
/// let names = runtime.run(|| {
///     let worker = Builder::new().name("worker".into()).spawn(thread::park).unwrap();
///     yield_now();
///     let names: Vec<_> = thread::enumerate().iter().map(|t| t.name().unwrap().to_string()).collect();
///     worker.thread().unpark();
///     names
/// });
/// assert_eq!(names.unwrap(), ["main", "worker"]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn enumerate() -> Vec<Thread> {
    let asked = callers().map(|scheduler| roll_call::call(&scheduler));
    asked.unwrap_or_default().into_iter().map(Thread::new).collect()
}

/// How many green threads [`enumerate`] would return, without waiting for anybody; as Python's `threading.active_count`. Where
/// others start and end meanwhile, what it was lately.
pub fn active_count() -> usize {
    callers().map_or(0, |scheduler| scheduler.hubs().iter().map(|hub| hub.live()).sum())
}

fn callers() -> Option<Arc<scheduler::Scheduler>> {
    let own = current::with_hub(|hub| Arc::clone(&hub.scheduler));
    own.or_else(|| Some(global_if_started()?.scheduler()))
}
