//! Code that blocks its OS thread, on pools of OS threads that are there for it.
//!
//! Invariant: a pool's thread runs one job at a time and holds no lock meanwhile; whatever waits for a place in a full
//! pool waits as a green thread of a worker. A job inside a job, of whatever kind, runs at once, where it is, also in a green
//! thread of a runtime that the outer one has made there: so no thread of a pool ever waits for a place in a pool, and no
//! circle of full pools is possible.
#![forbid(unsafe_code)]

mod job;
mod pool;

use crate::runtime::wait::park;
use crate::sys::process::PerProcess;
use pool::Pool;
pub(crate) use pool::idle_threads;
use std::cell::Cell;

/// What a job does. Each kind has threads of its own, so that no kind keeps another waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Kind {
    /// Code of users, which may run for as long as it likes.
    User,
    /// Looking up names.
    Names,
    /// Files on disks.
    Files,
    /// Starting processes. These threads never end, since a process can be told of the end of the thread that started it.
    Starts,
    /// Calls that may wait for somebody else without a limit, such as for a terminal. Each has a thread of its own: otherwise one
    /// could keep the very call waiting that would end its wait.
    Waits,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Names => "names",
            Self::Files => "files",
            Self::Starts => "starts",
            Self::Waits => "waits",
        }
    }
}

thread_local! {
    /// The kind of pool that this OS thread belongs to, if any.
    static OF_A_POOL: Cell<Option<Kind>> = const { Cell::new(None) };
}

/// The most threads for users' code, unless the environment says otherwise.
const USER_THREADS: usize = 256;
/// The most threads for names, and for files.
const OTHER_THREADS: usize = 64;
/// The most threads that start processes: few, as they stay, and as each start takes descriptors for a while.
const START_THREADS: usize = 8;

#[derive(Debug)]
struct Pools([Pool; 5]);

static POOLS: PerProcess<Pools> = PerProcess::new();

fn pool(kind: Kind) -> &'static Pool {
    let make = || {
        let given = std::env::var("GREENTHREAD_BLOCKING_THREADS").ok();
        let user = given.and_then(|text| text.trim().parse().ok()).unwrap_or(USER_THREADS);
        Pools([
            Pool::new(Kind::User, user.max(1)),
            Pool::new(Kind::Names, OTHER_THREADS),
            Pool::new(Kind::Files, OTHER_THREADS),
            Pool::new(Kind::Starts, START_THREADS),
            Pool::new(Kind::Waits, usize::MAX),
        ])
    };
    &POOLS.get(make).0[kind as usize]
}

/// Runs `body` on a thread of the pool and suspends the calling green thread meanwhile. Called on a plain OS thread, or on a thread
/// of a pool, it runs `body` there.
///
/// A kill or a timeout ends the wait: a body that has not begun by then never runs; one that has goes on to its end, and what it
/// returns is dropped.
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

/// Whether [`run`] would run a body on another thread: the caller is a green thread of a worker.
pub(crate) fn would_leave() -> bool {
    park::is_green() && !is_on_a_pool()
}

fn is_on_a_pool() -> bool {
    OF_A_POOL.try_with(Cell::get).is_ok_and(|kind| kind.is_some())
}

/// Whether the calling OS thread belongs to the pool of that kind.
#[cfg(feature = "processes")]
pub(crate) fn is_on(kind: Kind) -> bool {
    OF_A_POOL.try_with(Cell::get) == Ok(Some(kind))
}

/// As [`run`], but on the threads of the pool also if the caller is no green thread. For [`Kind::Starts`] only: its jobs wait for
/// nobody, so threads of other pools may wait for them.
#[cfg(feature = "processes")]
pub(crate) fn run_there<F, T>(kind: Kind, body: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    debug_assert_eq!(kind, Kind::Starts);
    if is_on(kind) { body() } else { pool(kind).run(body) }
}
