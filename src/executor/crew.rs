//! What an executor has to know of its workers, whatever kind of workers these are.
#![forbid(unsafe_code)]

use std::io;

/// The kind of workers of an executor.
pub(super) trait Crew: Send + Sync + Sized + 'static {
    /// What each worker has for itself.
    type Seat: 'static;

    /// Whether the workers are green threads; otherwise they are OS threads.
    const GREEN: bool;

    /// Whether workers without a task stay until the executor is shut down.
    const STAYS: bool;

    /// Has a new worker run `life`.
    fn spawn(&self, number: usize, life: impl FnOnce() + Send + 'static) -> io::Result<()>;

    /// What a worker does before its first task. An error is the reason why it cannot run tasks, and breaks the
    /// executor.
    fn begin(&self, number: usize) -> Result<Self::Seat, String>;

    /// Whether a worker can take a task at once. If not, it [prepares](Self::prepare) itself first.
    fn is_ready(_: &Self::Seat) -> bool {
        true
    }

    /// What a worker that is not ready does when a task waits.
    fn prepare(&self, _: &mut Self::Seat) -> Result<(), NotReady> {
        Ok(())
    }
}

/// Why a worker cannot take a task. Workers in this process always can.
#[allow(dead_code, reason = "pools of processes alone have these")]
pub(super) enum NotReady {
    /// No worker can take a task: the executor is broken.
    Broken(String),
    /// This worker cannot now, but may later.
    Io(io::Error),
}
