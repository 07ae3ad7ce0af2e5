//! Green threads and stackful coroutines: straight-line blocking code, a million threads, all processors.
//!
//! A green thread has a stack of its own and is used as an OS thread is: [`spawn`] it, let it block, [`join`] it. Where an
//! OS thread would block, a green thread is suspended, and the others of its worker run; a few worker threads run all of them.
//! So there is no `async` and no `await`, any function may wait however deep it is called, and locks, sockets and files have
//! the names and signatures that they have in std: the port of a program is its `use` lines.
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
//! Use it for many connections with a conversation each, for code that calls back into code, and for generators. Where there are
//! few threads, or they compute rather than wait, use those of std; where most of the libraries that you need are `async`, an
//! async runtime. [`guide`] is the first hour, with tables for those who come from std's threads, Python, gevent, Go or tokio.
//!
//! # Where to look
//! | for | see |
//! |---|---|
//! | a first hour, and what is called what elsewhere | [`guide`] |
//! | green threads: start, join, kill, scopes, groups, values of their own | [`thread`]; the root re-exports what is used most |
//! | time: sleeps, limits, timers, ticks | [`sleep`], [`timeout`], [`thread::Deadline`], [`thread::Timer`], [`thread::Interval`] |
//! | locks, semaphores, events, barriers, values made once | [`sync`] |
//! | channels, and waiting for the first of several things | [`sync::mpsc`], [`sync::mpmc`], [`select!`] |
//! | queues that know when their work is done | [`queue`] |
//! | sockets | [`net`], [`os::unix::net`] |
//! | files | [`fs`] |
//! | standard input and output, pipes, waiting for any descriptor | [`io`] |
//! | programs that are started, signals | [`process`], [`signal`] |
//! | servers: bounded, counted, stopped with grace | [`server`] |
//! | so many green threads at once | [`pool`] |
//! | tasks with futures that can be asked, cancelled, given callbacks; on green threads, OS threads, processes | [`executor`] |
//! | code that computes or blocks | [`blocking`] |
//! | futures and `async` crates, from here and from there | [`future`] |
//! | unmodified code that blocks | [`monkey`], a feature |
//! | workers of one's own, or none: everything on this thread | [`Runtime`] |
//! | iterators with a stack, and direct switching, without any runtime | [`generator`], [`greenlet`] |
//! | what there is and how it fares | [`thread::enumerate`], [`JoinHandle::state`], [`Runtime::shutdown`] |
//! | who waits for what, who holds that, and where everyone is | [`inspect`], a feature |
//! | how much of everything has happened | [`metrics`], a feature |
//! | spans and contexts of traces that follow green threads | the [features](#features) `tracing` and `opentelemetry` |
//! | a program that hangs, leaks or slows down; gdb | [`guide::debugging`] |
//! | what keeps it sound, and how it is built | [`guide::soundness`], [`guide::architecture`] |
//!
//! # What to know
//! - A green thread that has started never changes its OS thread. So [`spawn`] is a safe function that asks for `Send` as
//!   std's does, and whatever a green thread holds while it waits stays valid.
//! - Green threads of one worker share its thread-locals ([`green_local!`] makes values of their own), and waiting for a lock or
//!   channel of std's blocks the worker.
//! - A green thread that computes for long keeps the others of its worker waiting: [`yield_now`] lets them run, and [`blocking`]
//!   runs code elsewhere.
//! - Everything may be called from plain OS threads too, `main` among them; there it blocks the thread, as std would.
//! - A panic ends its green thread only, and is what [`join`] returns. With `panic = "abort"` there are no kills and no timeouts.
//!
//! # Features
//! None is on unless it is asked for: `cargo add greenthread --features monkey,tokio`.
//!
//! | feature | adds |
//! |---|---|
//! | `monkey` | `monkey::patch_all`: blocking calls of std, other crates and C libraries suspend only their green thread; for programs, not for libraries |
//! | `processes` | functions that run in other processes of the same program, `process::Process` and `executor::ProcessPool` |
//! | `watchdog` | `RuntimeBuilder::watchdog`: names a green thread that keeps its worker from the others, and where it is |
//! | `console` | `inspect::serve`: a page that shows it live, in a browser. Includes `inspect` and `counters` |
//! | `inspect` | `inspect::dump`: every green thread with its backtrace, what it waits for and who holds that; circles of waits, leaks, tests for these. Includes `watchdog` |
//! | `counters` | `Runtime::metrics` and `metrics::all`: what each worker counts of its green threads, and how long these wait for their turn |
//! | `metrics` | `metrics::Publisher`: the same through the crate `metrics`, for Prometheus and others; includes `counters` |
//! | `tracing` | `tracing::follow_green_threads`: spans of the crate `tracing` belong to the green thread that has entered them |
//! | `opentelemetry` | `opentelemetry::attach`: contexts of the crate `opentelemetry` belong to the green thread that has attached them |
//! | `io-uring` | short writes of several green threads go to the system in one call, where it has io_uring |
//! | `futures-io`, `tokio-io` | [`future::AsyncIo`] has the traits of these crates |
//! | `hyper` | what hyper asks of a runtime: connections, timers, an executor |
//! | `tokio` | a tokio runtime beside, for futures that need the context of one; includes `tokio-io` |
//!
//! # Environment variables
//! | variable | sets | unless set |
//! |---|---|---|
//! | `GREENTHREAD_WORKERS` | the number of workers of the global runtime | as many as there are processors |
//! | `GREENTHREAD_BLOCKING_THREADS` | the most OS threads of [`blocking`] | 256 |
//! | `GREENTHREAD_WATCHDOG_MS` | after how many milliseconds a held-up worker is reported ([`Runtime`](Runtime#held-up)); 0 is never | 5000 |
//! | `GREENTHREAD_DEADLOCK_MS` | after how many milliseconds without any movement a deadlock is reported ([`Runtime::run`]), and about how long green threads wait for one another in a circle before that is, whatever the others do; 0 is never | 5000 |
//! | `GREENTHREAD_GUARD` | with `mprotect`, that stacks have guards as older kernels need them | the lightest guards that the kernel has |
//!
//! What cannot be read is told of on standard error and is as if it were not set; a wrong number of workers is an error of what would
//! start them.
//!
//! # Crates that are part of the interface
//! `futures-core` 0.3 ([`stream`](future::stream) and what channels give); with features also `futures-io` 0.3, `tokio` 1,
//! `hyper` 1, and `serde` 1 (what `processes` passes on, and what `inspect` tells). A new major version of one of them is one of
//! this crate. No other dependency is to be seen from outside.
//!
//! # Platforms, and Rust versions
//! Linux on x86_64 and aarch64. All tests run with glibc; `monkey` needs it. Rust 1.89 or newer; raising that is a minor
//! version.
//!
//! [`join`]: JoinHandle::join
#![cfg_attr(feature = "inspect", doc = "[`inspect`]: mod@inspect")]
#![cfg_attr(not(feature = "inspect"), doc = "[`inspect`]: #features")]
#![cfg_attr(feature = "counters", doc = "[`metrics`]: mod@metrics")]
#![cfg_attr(not(feature = "counters"), doc = "[`metrics`]: #features")]
#![cfg_attr(feature = "monkey", doc = "[`monkey`]: mod@monkey")]
#![cfg_attr(not(feature = "monkey"), doc = "[`monkey`]: #features")]
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
#[doc = ""]
#[cfg_attr(feature = "inspect", doc = "[`inspect::dump`]: crate::inspect::dump")]
#[cfg_attr(not(feature = "inspect"), doc = "[`inspect::dump`]: ../index.html#features")]
#[cfg_attr(feature = "monkey", doc = "[`monkey::patch_all`]: crate::monkey::patch_all")]
#[cfg_attr(not(feature = "monkey"), doc = "[`monkey::patch_all`]: ../index.html#features")]
pub mod guide {
    #[doc = include_str!("DEBUGGING.md")]
    pub mod debugging {}

    #[doc = include_str!("SOUNDNESS.md")]
    pub mod soundness {}

    #[doc = include_str!("ARCHITECTURE.md")]
    pub mod architecture {}
}

mod coroutine;
pub mod executor;
pub mod fs;
pub mod future;
pub mod generator;
pub mod greenlet;
#[cfg(feature = "inspect")]
#[cfg_attr(docsrs, doc(cfg(feature = "inspect")))]
pub mod inspect;
pub mod io;
#[cfg(feature = "counters")]
#[cfg_attr(docsrs, doc(cfg(feature = "counters")))]
pub mod metrics;
#[cfg(feature = "monkey")]
#[cfg_attr(docsrs, doc(cfg(feature = "monkey")))]
pub mod monkey;
pub mod net;
#[cfg(feature = "opentelemetry")]
#[cfg_attr(docsrs, doc(cfg(feature = "opentelemetry")))]
pub mod opentelemetry;
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
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub mod tracing;
mod util;

pub use runtime::{Runtime, RuntimeBuilder, Stragglers};
#[doc(inline)]
pub use thread::{
    Builder, Elapsed, JoinError, JoinHandle, blocking, catch_unwind, current, join_all, kill_all,
    run, scope, shield, sleep, spawn, timeout, try_join_all, yield_now,
};

/// The README's example is a test like the others.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
