//! Stackful coroutines and green threads: straight-line blocking code, thousands of threads, all cores.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "greenthread supports Linux only so far: it relies on epoll and on Linux's memory advice"
);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "greenthread supports x86_64 and aarch64 only so far: corosensei's switch is tested there"
);

mod coroutine;
mod io;
pub mod net;
mod os;
pub mod queue;
mod runtime;
mod stack;
pub mod sync;
mod sys;
pub mod thread;
mod util;

pub use runtime::{Runtime, RuntimeBuilder};
pub use thread::{Builder, JoinError, JoinHandle, current, run, sleep, spawn, yield_now};
