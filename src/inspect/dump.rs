//! Looking at all green threads.
#![forbid(unsafe_code)]

use super::frame::Names;
use super::{GreenThread, Holder, State};
use crate::runtime::park;
use crate::runtime::sight::{self, Doing, Holders, RuntimeSight, Sight};
use crate::thread::{Thread, blocking};
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// How long a look waits for a worker that does not answer and of which it is not certain that it is held up.
const PATIENCE: Duration = Duration::from_secs(1);

/// What all green threads did; see [`dump`]. It displays as text.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Dump {
    /// The runtimes.
    pub runtimes: Vec<Runtime>,
    /// The green threads that were started and had not ended, in no particular order. Each is in it once, as it was at
    /// some moment of the look.
    pub threads: Vec<GreenThread>,
}

/// A runtime.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Runtime {
    /// Its [name](crate::RuntimeBuilder::thread_name); `None` of a current-thread runtime.
    pub name: Option<String>,
    /// Its workers, in the order of their numbers.
    pub workers: Vec<Worker>,
}

/// A worker of a runtime.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Worker {
    /// The system's number of its OS thread.
    pub thread: i32,
    /// Whether the worker has said what its green threads do. If not, it was held up, and it is not known where its
    /// green threads are, except the one that ran.
    pub answered: bool,
    /// How many green threads had started there and not ended.
    pub started: usize,
}

/// The format in which [`dump_to`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A text for people.
    Text,
    /// JSON for programs: an object with the fields of [`Dump`].
    Json,
}

/// Looks at all green threads of all runtimes. Suspends a green thread, blocks an OS thread; a kill or a timeout does not end that.
///
/// It waits until each worker has answered, but less than half a second for a worker that a green thread keeps from
/// answering, and at most a second for one that does not answer for another reason. A worker looks at 64 green threads
/// at a time, and runs others in between. A look takes a microsecond or two if another green thread was seen at the
/// same place. To find the names of functions takes a few hundred milliseconds the first time; a caller on a green
/// thread has that done by [`blocking`], so it holds up nobody.
///
/// # Examples
/// ```
/// greenthread::run(|| {
///     let dump = greenthread::inspect::dump();
///     assert!(dump.threads.iter().any(|thread| thread.name.as_deref() == Some("main")));
/// });
/// ```
#[doc(alias("goroutine", "stack", "jstack", "backtrace", "print_stack", "faulthandler"))]
#[must_use]
pub fn dump() -> Dump {
    let seen = sight::look(PATIENCE);
    if park::is_green() { blocking(|| Dump::of(seen)) } else { Dump::of(seen) }
}

/// Like [`dump`], written to `writer`.
///
/// # Errors
/// Those of the writer.
///
/// # Examples
/// ```
/// use greenthread::inspect::{self, Format};
/// let mut json = Vec::new();
/// inspect::dump_to(&mut json, Format::Json)?;
/// assert!(json.starts_with(b"{\"runtimes\":["));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn dump_to(writer: &mut impl Write, format: Format) -> io::Result<()> {
    let dump = dump();
    let text = match format {
        Format::Text => format!("{dump}\n"),
        Format::Json => format!("{}\n", dump.to_json()),
    };
    writer.write_all(text.as_bytes())
}

impl Dump {
    /// As JSON: an object with the fields of this.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("it has text for keys, and no value that could fail")
    }

    /// The entry of a green thread, if it had not ended.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{current, inspect};
    ///
    /// greenthread::run(|| {
    ///     let dump = inspect::dump();
    ///     let own = dump.find(&current()).unwrap();
    ///     assert_eq!(own.name.as_deref(), Some("main"));
    /// });
    /// ```
    #[must_use]
    pub fn find(&self, thread: &Thread) -> Option<&GreenThread> {
        let id = thread.task().id();
        self.threads.iter().find(|other| other.id == id)
    }

    fn of(seen: Vec<RuntimeSight>) -> Self {
        let holders = Holders::among(seen.iter().flat_map(|it| &it.tasks).map(|it| &it.waiting));
        let mut names = Names::default();
        let mut dump = Self { runtimes: Vec::new(), threads: Vec::new() };
        for (at, runtime) in seen.iter().enumerate() {
            let tasks = &runtime.tasks;
            let workers = runtime.workers.iter().enumerate().map(|(at, worker)| Worker {
                thread: worker.thread,
                answered: worker.answered,
                started: tasks.iter().filter(|task| task.worker == Some(at)).count(),
            });
            let name = runtime.name.clone();
            dump.runtimes.push(Runtime { name, workers: workers.collect() });
            let threads = tasks.iter().map(|sight| thread(sight, at, &holders, &mut names));
            dump.threads.extend(threads);
        }
        dump
    }
}

fn thread(sight: &Sight, runtime: usize, holders: &Holders<'_>, names: &mut Names) -> GreenThread {
    let task = sight.task();
    let (state, at_most) = match sight.doing {
        Doing::New => (State::New, None),
        Doing::Delayed => (State::Delayed, None),
        Doing::Ready => (State::Ready, None),
        Doing::Running => (State::Running, None),
        Doing::Waiting(at_most) => (State::Waiting, at_most),
    };
    let waits = state == State::Waiting;
    let holder = holders.of(&sight.waiting).filter(|_| waits);
    let history = task.history();
    let labels = task.heritage().map_or(&[][..], |heritage| &heritage.labels);
    GreenThread {
        id: task.id(),
        name: task.name().map(str::to_string),
        labels: labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        daemon: task.is_daemon(),
        runtime,
        worker: sight.worker,
        state,
        waits_for: waits.then(|| task.reason().text()),
        waits_at_most: at_most,
        held_by: holder.map(|holder| Holder { id: holder.id(), name: holder.to_string() }),
        waits_since: waits.then_some(history.waits_for),
        age: history.age,
        resumes: history.resumes,
        spawned_at: history.place.map(ToString::to_string),
        stack_used: sight.used.map(|(used, _)| used),
        stack_size: sight.used.map(|(_, size)| size),
        backtrace: names.of(&sight.addresses),
        stack_nearly_full: sight.lacks_room,
        forgotten: sight.forgotten,
        wait: sight.wait,
    }
}
