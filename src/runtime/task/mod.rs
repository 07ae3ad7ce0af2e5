//! Tasks: what a green thread is to the rest of the runtime. Nearly all the `unsafe` of the runtime is in this folder.
//!
//! Invariant: what other threads may touch is in the header, behind the reference-counted [`TaskRef`]. What lies on the
//! stack, behind [`Started`], is touched only by the hub that started the task, on its OS thread, until the task ends.
//! The hub has a task that can run in one queue only, and a waiting one in none; its roster and its timers lead to the
//! header. It forgets the task when [`switch::resume`] says that it has ended or rests, and takes a [`Resting`] out of
//! its queue once.

mod body;
mod cell;
mod completion;
mod context;
mod debugger;
mod end;
mod error;
pub(crate) mod family;
pub(crate) mod finished;
mod flags;
pub(crate) mod foreign;
mod header;
pub(in crate::runtime) mod here;
mod history;
mod inbox;
mod interrupt;
mod lent;
mod link;
mod live;
pub(crate) mod mailbox;
mod mark;
pub(crate) mod memory;
mod meta;
mod os_thread;
mod owner;
mod park_word;
pub(crate) mod paused;
mod payload;
mod raised;
mod reason;
mod roll;
mod stamp;
mod started;
pub(crate) mod switch;
mod task_ref;
mod thread;
#[cfg(feature = "inspect")]
mod traced;
pub(crate) mod uncaught;
mod waiter;
mod waker;
mod watched;

pub(crate) use body::{Body, EndedAsKilled, MayEnd, Ran};
pub(in crate::runtime) use cell::new_borrowing_task;
pub(crate) use cell::{Joinable, new_task};
pub(crate) use context::Context;
pub use error::JoinError;
pub(crate) use error::{Cause, Expired, Who, is_interruption};
pub(crate) use history::SpawnPlace;
pub(crate) use inbox::Woken;
pub(crate) use interrupt::{Interruption, Limit, any_interruption};
pub(in crate::runtime) use lent::on_worker_stack;
pub(crate) use live::{Live, Ready, ReadyTask, Resting};
pub(crate) use mark::Mark;
pub(crate) use meta::{Heritage, Meta};
pub(crate) use os_thread::{new_os_thread, os_threads, sleep_os_thread};
pub(crate) use owner::{Blocker, HeldBy, Owner};
pub(crate) use park_word::{Token, WaitOutcome};
pub(crate) use raised::any_raised;
pub(crate) use reason::Reason;
pub(crate) use roll::{Entrance, OpenRoll, Roll};
pub(crate) use started::{SleepingTask, Started};
pub(crate) use task_ref::TaskRef;
pub use thread::{Thread, ThreadId, ThreadState};
pub(crate) use waiter::Waiter;
pub(crate) use watched::Watched;
