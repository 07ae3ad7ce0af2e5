//! Stackful coroutines and green threads: straight-line blocking code, thousands of threads, all cores.
//!
//! A green thread has a stack of its own and is used as an OS thread is: [`spawn`] it, let it block, [`join`] it. What
//! blocks suspends that green thread only; a few worker threads run all of them.
//!
//! ```
//! use greenthread::net::{TcpListener, TcpStream};
//! use std::io::{self, Read, Write};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! greenthread::spawn(move || {
//!     for stream in listener.incoming().flatten() {
//!         // A green thread for each connection.
//!         greenthread::spawn(move || io::copy(&mut &stream, &mut &stream));
//!     }
//! });
//! let mut stream = TcpStream::connect(address)?;
//! stream.write_all(b"echo")?;
//! let mut reply = [0; 4];
//! stream.read_exact(&mut reply)?;
//! assert_eq!(&reply, b"echo");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Where to look
//! - [`guide`]: a first hour, and tables for those who come from std's threads, Python, gevent, Go or tokio.
//! - [`thread`]: green threads, with the names of [`std::thread`]; the root re-exports what is used most.
//! - [`net`] and [`os::unix::net`]: sockets, with the names of [`std::net`].
//! - [`io`]: standard input and output, pipes, waiting for any descriptor; the rest of [`std::io`].
//! - [`fs`]: files, with the names of [`std::fs`].
//! - [`process`]: programs that are started, with the names of [`std::process`]; [`signal`]: signals.
//! - [`server`]: servers: bounded, counted, stopped with grace.
//! - [`Runtime`]: the workers. Most programs need none of their own: a global one starts by itself.
//! - [`pool`]: bounded numbers of green threads; [`executor`]: tasks with futures, on green threads and OS threads.
//! - [`generator`] and [`greenlet`]: iterators with a stack, and direct switching; they need no runtime.
//! - [`architecture`]: how it is built; [`soundness`]: what keeps it sound, and its known limits.
//!
//! # What to know
//! - A green thread that has started never changes its OS thread. So [`spawn`] is a safe function that asks for `Send` as
//!   std's does, and whatever a green thread holds while it waits stays valid.
//! - Green threads of one worker share its thread-locals, and a lock or channel of std's blocks the worker.
//! - One that computes for long keeps the others of its worker waiting: [`yield_now`] lets them run, and [`blocking`] runs
//!   it elsewhere.
//! - Linux on x86_64 and aarch64.
//!
//! [`join`]: JoinHandle::join
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "greenthread supports Linux only so far: it relies on epoll and on Linux's memory advice"
);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!(
    "greenthread supports x86_64 and aarch64 only so far: corosensei's switch is tested there"
);

#[doc = include_str!("GUIDE.md")]
pub mod guide {}

#[doc = include_str!("ARCHITECTURE.md")]
pub mod architecture {}

#[doc = include_str!("SOUNDNESS.md")]
pub mod soundness {}

mod coroutine;
pub mod executor;
pub mod fs;
pub mod future;
pub mod generator;
pub mod greenlet;
pub mod io;
#[cfg(feature = "monkey")]
#[cfg_attr(docsrs, doc(cfg(feature = "monkey")))]
pub mod monkey;
pub mod net;
pub mod os;
pub mod pool;
pub mod process;
pub mod queue;
mod runtime;
pub mod server;
pub mod signal;
mod stack;
pub mod sync;
mod sys;
pub mod thread;
mod util;

pub use runtime::{Runtime, RuntimeBuilder, Stragglers};
pub use thread::{
    Builder, Elapsed, JoinError, JoinHandle, blocking, catch_unwind, current, join_all, kill_all,
    run, scope, shield, sleep, spawn, timeout, try_join_all, yield_now,
};

/// The README's example is a test like the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
