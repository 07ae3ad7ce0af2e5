//! Waiting: parkers and waiters, lists of waiters, readiness of descriptors, futures, scopes.
//!
//! Invariant: everything that blocks goes through [`park`], and a waker whose wait is over does nothing.

mod family;
mod finished;
pub(crate) mod hooks;
mod interruption;
pub(crate) mod outgoing;
pub(crate) mod park;
#[cfg(feature = "monkey")]
pub(crate) mod patched;
pub(crate) mod reactor;
pub(crate) mod scope;
mod sleeper;
pub(crate) mod wait_list;
pub(crate) mod waker;
pub(crate) mod worker_stack;
mod yielding;
