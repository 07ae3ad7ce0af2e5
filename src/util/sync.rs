//! The one place that chooses where atomics and locks come from.
//!
//! State machines that are model-checked import from here, so that `--cfg loom` swaps in loom's versions.
#![forbid(unsafe_code)]

#[cfg(not(loom))]
pub(crate) use super::lock::{Condvar, Mutex};
#[cfg(loom)]
pub(crate) use super::modelled::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Condvar, Mutex, mutated,
    yield_now,
};
#[cfg(loom)]
pub(crate) use loom::{
    sync::atomic::{Ordering, fence},
    thread_local,
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    },
    thread::yield_now,
    thread_local,
};

/// Whether to put in a fault, to see that the models find it: see `.ci/loom`.
#[cfg(not(loom))]
pub(crate) const fn mutated(_fault: &str) -> bool {
    false
}
