//! Stacks: arenas of address space, guards below each stack, a cache of warm stacks for each OS thread.
//!
//! Invariant: a [`Stack`] is the only owner of its memory, stays on the OS thread that acquired it, and ends in a
//! guard that faults; a stack that may still hold live frames is never given back.

mod arena;
pub(crate) mod budget;
mod hot;
mod of_thread;
pub(crate) mod overflow;
mod pool;
mod size;
#[expect(clippy::module_inception, reason = "a file is named after its type")]
mod stack;

#[cfg(feature = "counters")]
pub(crate) use of_thread::counts;
pub(crate) use of_thread::{has_surplus, trim};
#[cfg(feature = "inspect")]
pub(crate) use size::GUARD;
pub(crate) use size::StackSize;
pub(crate) use stack::Stack;
