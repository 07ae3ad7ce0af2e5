//! Green threads: spawn them, join them, let them sleep.
//!
//! The names are those of [`std::thread`]. Everything here that waits suspends only the calling green thread; called from
//! a plain OS thread it blocks that thread, as std would.
//!
//! Invariant: nothing here touches a stack or an atomic; it is the runtime's face.

mod blocking;
mod builder;
mod context;
mod current;
mod deadline;
mod enumerate;
mod group;
mod interval;
mod join_handle;
mod later;
mod local;
mod local_join_handle;
mod origin;
mod park;
mod runnable;
mod scope;
mod sleep;
mod spawn;
mod timeout;
mod timer;
mod uncaught;
mod unwind;
mod wait;

pub use blocking::blocking;
pub use builder::Builder;
pub use context::ContextVar;
pub(crate) use context::pass_on;
pub use current::current;
pub use deadline::Deadline;
pub use enumerate::{active_count, enumerate};
pub use group::{GroupError, TaskError, TaskGroup, group};
pub use interval::{Interval, MissedTicks};
pub use join_handle::JoinHandle;
pub(crate) use join_handle::start;
pub use later::{spawn_at, spawn_later};
pub use local::{AccessError, LocalKey};
pub use local_join_handle::{LocalJoinHandle, spawn_local};
pub(crate) use origin::{Origin, origin};
use park::park_until;
pub use park::{park, park_timeout};
pub use runnable::Runnable;
pub use scope::{ScopedJoinHandle, ScopedLocalJoinHandle, scope};
pub use sleep::{sleep, sleep_until, yield_now};
pub use spawn::{run, spawn};
pub use timeout::{Elapsed, shield, timeout, timeout_at};
pub use timer::Timer;
pub use uncaught::{set_uncaught_hook, take_uncaught_hook};
pub use unwind::catch_unwind;
pub use wait::{
    AsCompleted, Handle, Join, ReturnWhen, as_completed, as_completed_timeout, join_all, kill_all,
    try_join_all, wait, wait_timeout,
};

pub use std::thread::{available_parallelism, panicking};

pub use crate::runtime::task::{JoinError, Scope, Thread, ThreadId, ThreadState};

/// What joining a green thread gives, as [`std::thread::Result`]; the error tells more than std's, and
/// [turns into it](JoinError#impl-From<JoinError>-for-Box<dyn+Any+Send>).
pub type Result<T> = std::result::Result<T, JoinError>;
