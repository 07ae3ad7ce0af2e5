//! The one place that chooses where atomics and locks come from.
//!
//! State machines that are model-checked import from here, so that `--cfg loom` swaps in loom's versions.
#![forbid(unsafe_code)]

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
