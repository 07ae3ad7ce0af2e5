//! Green threads: spawn them, join them, let them sleep.
//!
//! The names are those of [`std::thread`], where std has the thing. Everything here that waits suspends only the calling
//! green thread; called from a plain OS thread it blocks that thread, as std would. Methods whose text does not say that
//! they suspend or block return at once.
//!
//! | to | there is |
//! |---|---|
//! | start one | [`spawn`], [`spawn_local`], [`spawn_later`], [`scope()`](scope), [`Builder`] for a name, a stack size and more, [`Runnable`] for a struct that is a green thread |
//! | wait for its end | [`JoinHandle::join`]; for several [`join_all`], [`try_join_all`], [`wait()`](wait), [`as_completed`], [`group()`](group) |
//! | let time pass | [`sleep`], [`Timer`], [`Interval`] |
//! | end it early | [`JoinHandle::kill`], [`timeout()`](timeout), [`Deadline`]; [`shield`] keeps both off |
//! | have values of its own | [`green_local!`](crate::green_local), [`ContextVar`] |
//! | see what there is | [`current`], [`enumerate`], [`JoinHandle::state`] |
//! | run what blocks or computes | [`blocking`] |
//! | run what needs a large or a warm stack | [`on_worker_stack`] |
//!
//! # Examples
//! ```
//! use greenthread::thread;
//! use std::time::Duration;
//!
//! let workers: Vec<_> = (0..3)
//!     .map(|i| {
//!         thread::spawn(move || {
//!             thread::sleep(Duration::from_millis(1)); // the others run meanwhile
//!             i * i
//!         })
//!     })
//!     .collect();
//! let squares: Vec<i32> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
//! assert_eq!(squares, [0, 1, 4]);
//! ```

// Invariant: this folder says what a call means to users, and leaves to `runtime` how green threads are switched and
// woken. No file here has `unsafe` code, and none touches a stack.

mod alarm;
mod blocking;
mod builder;
mod context;
mod current;
mod deadline;
mod enumerate;
mod group;
mod handle;
mod hooks;
mod interval;
mod join_handle;
mod later;
mod local;
mod local_join_handle;
mod making;
mod origin;
mod park;
mod runnable;
mod runtime;
mod scope;
mod sleep;
mod spawn;
mod timeout;
mod timer;
mod uncaught;
mod unwind;
mod wait;
mod watched_handles;
mod worker_stack;

pub(crate) use alarm::Alarm;
pub use blocking::blocking;
pub use builder::Builder;
pub use context::ContextVar;
pub use current::current;
pub use deadline::Deadline;
pub use enumerate::{active_count, enumerate};
pub use group::{GroupError, TaskError, TaskGroup, group};
pub use handle::{Handle, Join};
pub use hooks::add_switch_hook;
pub use interval::{Interval, MissedTicks};
pub use join_handle::JoinHandle;
pub(crate) use join_handle::{is_over, start};
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
    AsCompleted, ReturnWhen, as_completed, as_completed_timeout, join_all, kill_all, try_join_all,
    wait, wait_timeout,
};
pub use worker_stack::on_worker_stack;

pub use std::thread::{available_parallelism, panicking};

pub use crate::runtime::hooks::SwitchHook;
pub use crate::runtime::scope::Scope;
pub use crate::runtime::task::{JoinError, Thread, ThreadId, ThreadState};

/// The outcome of a green thread: its value, or the [`JoinError`] that says why there is none. As
/// [`std::thread::Result`], but the error tells more than std's, and
/// [turns into it](JoinError#impl-From<JoinError>-for-Box<dyn+Any+Send>) where std's is needed.
///
/// # Examples
/// ```
/// fn first_half() -> greenthread::thread::Result<u32> {
///     greenthread::spawn(|| 21).join()
/// }
/// assert_eq!(first_half().unwrap(), 21);
/// ```
pub type Result<T> = std::result::Result<T, JoinError>;
