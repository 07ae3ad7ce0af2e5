//! Small building blocks that know nothing of green threads.
//!
//! Invariant: nothing here reads global state or makes a system call.

pub(crate) mod circles;
pub(crate) mod decimal;
pub(crate) mod dropping;
pub(crate) mod handover;
pub(crate) mod holey_vec;
pub(crate) mod lazy_id;
pub(crate) mod lock;
#[cfg(loom)]
mod modelled;
pub(crate) mod moment;
pub(crate) mod rc_cell;
pub(crate) mod ring;
pub(crate) mod slab;
pub(crate) mod static_pool;
pub(crate) mod sync;
pub(crate) mod type_mark;
pub(crate) mod values;
