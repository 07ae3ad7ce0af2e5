//! The pools of the process, one for each kind of job.
#![forbid(unsafe_code)]

use super::kind::Kind;
use super::pool::{JobPool, OF_A_POOL};
use crate::runtime::wait::park;
use crate::sys::process::PerProcess;
use crate::sys::setting;
use std::cell::Cell;

/// How many threads there are for users' code at most, unless the environment says otherwise.
const USER_THREADS: usize = 256;
/// How many threads there are for names, and for files, at most.
pub(super) const OTHER_THREADS: usize = 64;
/// How many threads start processes at most. They are few, as they never end, and as each start uses descriptors for a
/// while.
const START_THREADS: usize = 8;

#[derive(Debug)]
struct JobPools([JobPool; 5]);

static POOLS: PerProcess<JobPools> = PerProcess::new();

fn pool(kind: Kind) -> &'static JobPool {
    let make = || {
        let user = setting::number("GREENTHREAD_BLOCKING_THREADS").unwrap_or(USER_THREADS);
        JobPools([
            JobPool::new(Kind::User, user.max(1)),
            JobPool::new(Kind::Names, OTHER_THREADS),
            JobPool::new(Kind::Files, OTHER_THREADS),
            JobPool::new(Kind::Starts, START_THREADS),
            JobPool::new(Kind::Waits, usize::MAX),
        ])
    };
    &POOLS.get(make).0[kind as usize]
}

/// For each kind of job: the name of its pool, how many threads that has, how many of them have nothing to do, and how
/// many jobs wait for one.
#[allow(dead_code, reason = "metrics alone ask")]
pub(crate) fn counts() -> impl Iterator<Item = (&'static str, usize, usize, usize)> {
    [Kind::User, Kind::Names, Kind::Files, Kind::Starts, Kind::Waits].into_iter().map(|kind| {
        let (threads, idle, queued) = pool(kind).counts();
        (kind.name(), threads, idle, queued)
    })
}

/// Runs `body` on a thread of the pool and suspends the calling green thread meanwhile. On a plain OS thread, or a
/// thread of a pool, it runs `body` on the spot.
///
/// A kill or a timeout ends the wait. Then a body that has not begun never runs; one that has begun goes on to its end,
/// and what it returns is dropped.
///
/// # Panics
/// If `body` panics, with the same payload.
pub(crate) fn run<F, T>(kind: Kind, body: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if would_leave() { pool(kind).run(body) } else { body() }
}

/// Whether [`run`] would run a body on another thread, as the caller is a green thread of a worker.
pub(crate) fn would_leave() -> bool {
    park::is_green() && !is_on_a_pool()
}

fn is_on_a_pool() -> bool {
    OF_A_POOL.try_with(Cell::get).is_ok_and(|kind| kind.is_some())
}

/// Whether the calling OS thread belongs to the pool of that kind.
#[allow(dead_code, reason = "what runs in other processes alone asks")]
pub(crate) fn is_on(kind: Kind) -> bool {
    OF_A_POOL.try_with(Cell::get) == Ok(Some(kind))
}

/// Like [`run`], but uses a thread of the pool even if the caller is no green thread. It is for [`Kind::Starts`] only:
/// those jobs wait for nobody, so threads of other pools may wait for them.
#[allow(dead_code, reason = "what runs in other processes alone uses it")]
pub(crate) fn run_there<F, T>(kind: Kind, body: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    debug_assert_eq!(kind, Kind::Starts);
    if is_on(kind) { body() } else { pool(kind).run(body) }
}
