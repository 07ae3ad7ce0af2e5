//! Stack switching: corosensei behind a small interface.
//!
//! Invariant: a coroutine runs on the OS thread that made it, is resumed only while it is suspended, and its stack is
//! given back only when no live frame can be on it.
//!
//! ```text
//!             stack top (64-byte aligned)
//!   +--------------------------------+
//!   | the rest of `Control` (80 B)   |  owner, description, the stack itself
//!   +--------------------------------+
//!   | hot part of `Control` (48 B)   |  saved stack pointer, yielder        } one cache
//!   | corosensei's parent link (16 B)|  where `suspend` goes back to        } line
//!   +--------------------------------+  <- corosensei's stack base
//!   | the body, then its frames      |
//!   |   ...                          |
//!   +--------------------------------+
//!   | guard                          |
//!   +--------------------------------+  <- limit
//! ```
//!
//! A switch is corosensei's `resume` and `suspend` and touches that one line and the suspended frames. Values pass
//! outside: an argument of more than eight bytes would go through memory inside the switch and cost more.

mod closing;
mod control;
mod label;
mod local;
mod overflow;
mod owned;
mod port;
mod region;
mod resuming;
mod root;
mod running;
mod scope;
mod slot;
mod storage;
mod switching;
#[cfg(test)]
pub(crate) mod testing;
mod this;
mod trace;
mod unwinds;

pub(crate) use closing::{any_closing, is_closed, note_calm, note_panic};
pub(crate) use control::{Control, Description};
pub(crate) use label::Label;
pub(crate) use local::{
    close_local, identity, identity_outside_regions, local, local_outside_regions, set_local,
};
pub(crate) use overflow::{ensure_overflow_report, install_overflow_report};
pub(crate) use owned::{Coroutine, NotSuspended, Progress};
pub(crate) use port::{Port, PortMut, Suspender};
pub(crate) use region::{enter_no_switch_region, in_no_switch_region, try_enter_no_switch_region};
#[cfg(test)]
pub(crate) use resuming::suspend;
pub(crate) use resuming::{prefetch_resume, prefetch_stack};
pub(crate) use root::{Root, set_aside};
#[cfg(test)]
pub(crate) use running::current;
pub(crate) use running::in_green_thread;
pub(crate) use running::may_destroy_locals;
pub(crate) use scope::scope;
pub(crate) use slot::Slot;
pub(crate) use storage::{ROUNDS, close_storage, destroy_storage, has_storage, with_storage};
pub(crate) use this::{Refused, This};
#[cfg(feature = "inspect")]
pub(crate) use trace::{Trace, Tracer};
pub(crate) use unwinds::{any_unwinds, in_panic_hook, own_unwinds, unwinds, unwinds_and_beginning};
