//! Which green threads there are.
#![forbid(unsafe_code)]

use super::Thread;
use crate::runtime::current;
use crate::runtime::global_if_started;
use crate::runtime::scheduler::Scheduler;
use std::sync::Arc;

/// The green threads that have been spawned and have not ended: those of the caller's runtime, among them the caller; or, from a
/// plain OS thread, those of the global runtime. They are in no particular order. Does not suspend. As Python's
/// `threading.enumerate`.
///
/// A green thread that is [paused](crate::Builder::start_paused) has not been started and is not among them; one that
/// [starts later](crate::thread::spawn_later) is.
///
/// Whoever lives from the beginning to the end of this call is among them, once. What is spawned or ends meanwhile may be or not: where
/// each green thread spawns the next one before it ends, there may be a call that sees none of them. To wait for all, use a
/// [`scope`](crate::scope), a [`group`](crate::thread::group()) or a [`Group`](crate::pool::Group). (Python's list is of one moment.)
///
/// # Examples
/// ```
/// use greenthread::{Builder, Runtime, thread};
/// let runtime = Runtime::new_current_thread()?;
/// let names = runtime.run(|| {
///     let worker = Builder::new().name("worker".into()).spawn(thread::park).unwrap();
///     let names: Vec<_> = thread::enumerate().iter().map(|t| t.name().unwrap().to_string()).collect();
///     worker.thread().unpark();
///     names
/// });
/// assert_eq!(names.unwrap(), ["main", "worker"]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("threads", "all_tasks", "list"))]
pub fn enumerate() -> Vec<Thread> {
    let listed = callers().map(|scheduler| scheduler.tasks());
    listed.unwrap_or_default().into_iter().map(Thread::new).collect()
}

/// How many green threads [`enumerate`] would return; as Python's `threading.active_count`. Does not suspend.
///
/// # Examples
/// ```
/// greenthread::run(|| {
///     let before = greenthread::thread::active_count();
///     let sleeper = greenthread::spawn(greenthread::thread::park);
///     assert!(greenthread::thread::active_count() > before);
///     sleeper.thread().unpark();
/// });
/// ```
#[doc(alias("NumGoroutine", "num_alive_tasks"))]
#[must_use]
pub fn active_count() -> usize {
    callers().map_or(0, |scheduler| scheduler.count())
}

/// The scheduler about whose green threads the caller asks.
fn callers() -> Option<Arc<Scheduler>> {
    let own = current::with_hub(|hub| Arc::clone(&hub.scheduler));
    own.or_else(|| global_if_started().map(|runtime| runtime.scheduler()))
}
