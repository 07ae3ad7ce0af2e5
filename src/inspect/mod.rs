//! What the green threads of a running program do: what each waits for, who holds that, and where it is.
//!
//! - [`dump`] looks at all green threads of all runtimes. The [`Dump`] displays as text, in which those that are at the same place are
//!   told once, the largest group first, as Go and the JVM do it; it is a value to be searched, and JSON too. [`dump_to`] writes it.
//! - [`dump_on`] writes one whenever the process gets a signal, [`dump_on_report`] whenever a watchdog reports.
//! - [`leaks`] finds green threads that wait for ever, or for so long that they may, though others go on.
//! - [`cycles`] finds green threads that wait for one another and so for ever, though others go on.
//! - [`profile`] tells where green threads spend their time, those that run and those that wait, for pprof and for flame graphs.
//! - [`assert_no_leaks`] is for tests: it tells which green threads a piece of code has left behind.
//!
//! Nothing is stopped. Each worker says what its own green threads do, 64 at a time, with the others running in between: a green thread
//! that waits is resumed only to look at its own stack, and goes on waiting. That takes a microsecond or two, as a stack that is like one
//! that was seen before is not unwound again (`cargo bench -p greenthread-benches --features inspect --bench inspect`). Where there is
//! something to run, answers take a fifth of a worker's time at most, however many ask. A worker that is held up does not say anything;
//! when that is seen, after a third of a second, what it runs is asked by a signal (`SIGURG`), as the watchdog does, and of its other green
//! threads is told what is known without it: all but where they are.
//!
//! Where the feature is on, a program pays for it also while nobody asks: a look at the clock for each wait, a count for each turn, and
//! the few instructions of the feature `watchdog` around each switch.
//!
//! Debug information (`debug = "line-tables-only"` in the profile) gives files and lines; without it there are the names of functions.
//!
//! # In a browser
//! With the feature `console`, `serve("127.0.0.1:7669")` shows all that as a page: a table of green threads to be sorted, searched and
//! opened, with the chain of who waits for whom; how busy the workers are, as plots that move; groups, leaks, and downloads. It is one
//! page that loads nothing from elsewhere. It refuses addresses that other machines reach, and requests for names that are not this
//! machine's, and no request changes anything.
//!
//! ## Endpoints
//! What the page shows is JSON that other programs may read as well. All are for GET and HEAD. Durations are in seconds. The console's own
//! green threads are left out. One look at the green threads serves all who ask within half a second.
//!
//! | path | what |
//! |---|---|
//! | `/api/pulse` | the process, and of each worker of each runtime: its OS thread (`thread`), how many green threads have started there (`live`), how many are `ready`, after what time it answered (`answered_seconds`: what something that is ready waits for its turn; `null` where it did not within half a second), the processor time of its thread. Costs next to nothing |
//! | `/api/threads` | a part of the table. `search` looks in names, ids, labels, places and functions, `state` is `new`, `delayed`, `ready`, `running` or `waiting`, `sort` is `id`, `name`, `state`, `waits_for`, `waits`, `age`, `resumes`, `stack` or `at`, `order` is `asc` or `desc`, `offset` and `limit` (100, at most 500) say which part |
//! | `/api/threads/ID` | one of them in whole: as in a [`Dump`], with the `chain` of who waits for whom, `circle_at` where that leads back, and who waits for it |
//! | `/api/metrics` | what `metrics::all` says |
//! | `/api/groups` | those that are at the same place, the largest group first |
//! | `/api/leaks` | [`Leaks`]; `older` is the time of [`leaks_older_than`] |
//! | `/api/dump` | a [`Dump`] to be saved; `format` is `text` or `json` |
//! | `/api/profile` | a [`Profile`] of the next `seconds` (5, at most 60), to be saved; `format` is `pprof`, `collapsed` or `waits`. The console's own green threads are in it. Only one is taken at a time, who comes meanwhile gets a 503 |
//! | `/api/stacks` | how many are at each stack, as collapsed stacks, which flame graphs are made of |
//!
//! # In text
//! A part of a dump:
//! ```text
//! 300 green threads wait for a lock held by 'writer' (2), since 362.7ms to 360.8ms: 'green-3' (3), 'green-4' (4), 'green-5' (5), 'green-6' (6), 'green-7' (7) and 295 more
//!     greenthread::sync::mutex::Mutex<T>::lock
//!         at src/sync/mutex.rs:98
//!     shop::book
//!         at src/main.rs:34
//!     shop::main::{{closure}}
//!         at src/main.rs:71
//!     spawned at src/main.rs:70:30
//! ```
//!
//! # Examples
//! ```
//! use greenthread::{Builder, inspect, sync::mpsc, yield_now};
//!
//! greenthread::run(|| {
//!     let (sender, receiver) = mpsc::channel::<u32>();
//!     let reader = Builder::new().name("reader".into()).spawn(move || receiver.recv()).unwrap();
//!     yield_now();
//!     let dump = inspect::dump();
//!     let seen = dump.find(reader.thread()).expect("it has not ended");
//!     println!("{dump}");
//!     # if seen.state == inspect::State::Waiting {
//!     assert_eq!(seen.waits_for, Some("a value from a channel"));
//!     # }
//!     drop(sender);
//! });
//! ```

// Invariant: only a green thread's own worker looks at it, and nothing that is looked at is changed or woken.

mod assert;
mod collapsed;
#[cfg(feature = "console")]
mod console;
mod cycles;
mod dump;
mod frame;
mod leaks;
mod on_signal;
mod pprof;
mod profile;
mod text;
mod thread;

pub use assert::assert_no_leaks;
#[cfg(feature = "console")]
#[cfg_attr(docsrs, doc(cfg(feature = "console")))]
pub use console::{Console, ServeBuilder, serve};
pub use cycles::{Cycle, cycles};
pub use dump::{Dump, Format, Runtime, Worker, dump, dump_to};
pub use frame::Frame;
pub use leaks::{Leaks, LongWaits, leaks, leaks_older_than};
pub use on_signal::{dump_on, dump_on_report};
pub use profile::{Profile, Sample, profile};
pub use thread::{GreenThread, Holder, State};
