//! What a dump has of one green thread.
#![forbid(unsafe_code)]

use super::Frame;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a green thread did when it was looked at.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct GreenThread {
    /// Its [id](crate::thread::Thread::id).
    pub id: u64,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Its [labels](crate::Builder::label).
    pub labels: BTreeMap<String, String>,
    /// Whether it is a [daemon](crate::Builder::daemon).
    pub daemon: bool,
    /// The place of its runtime in [`Dump::runtimes`](super::Dump::runtimes).
    pub runtime: usize,
    /// The number of its worker, if it has started.
    pub worker: Option<usize>,
    /// What it did.
    pub state: State,
    /// What it waited for, in words.
    pub waits_for: Option<&'static str>,
    /// How long it will wait at most, if that is certain. In JSON, in seconds.
    #[serde(rename = "waits_seconds_at_most", serialize_with = "seconds")]
    pub waits_at_most: Option<Duration>,
    /// Who has what it waits for, if that is known.
    pub held_by: Option<Holder>,
    /// How long it had waited. In JSON, in seconds.
    #[serde(rename = "waits_seconds", serialize_with = "seconds")]
    pub waits_since: Option<Duration>,
    /// How long ago it was made. In JSON, in seconds.
    #[serde(rename = "age_seconds", serialize_with = "seconds_of")]
    pub age: Duration,
    /// How many times it had been resumed: started, woken, or given another turn.
    pub resumes: u64,
    /// Where in the code it was spawned: file, line and column. `None` for a `main`, and for what this library has made
    /// without keeping a place.
    pub spawned_at: Option<String>,
    /// How many bytes of its stack were in use.
    pub stack_used: Option<usize>,
    /// How many bytes its stack has.
    pub stack_size: Option<usize>,
    /// Whether less than 12 KiB of its stack were left, which is too little to look where it was.
    pub stack_nearly_full: bool,
    /// Where it was, innermost first: from the function of this library that it called to the first function of its
    /// body. Empty if it had not started, if its stack was nearly full, or if its worker did not answer; but even then
    /// the one that ran has it.
    #[serde(serialize_with = "frames")]
    pub backtrace: Arc<[Frame]>,
    /// Whether it waits for an [`unpark`](crate::thread::Thread::unpark) and nobody has a handle of it.
    #[serde(skip)]
    pub(super) forgotten: bool,
    /// The number of its wait; each wait has another one.
    #[serde(skip)]
    pub(super) wait: u64,
}

/// What a green thread did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It has not started.
    New,
    /// It is to [start later](crate::thread::spawn_later).
    Delayed,
    /// It could run, and waited for its turn.
    Ready,
    /// It ran, and kept its worker from answering.
    Running,
    /// It waited.
    Waiting,
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Delayed => "delayed",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
        }
    }
}

impl Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Who has what a green thread waits for: the holder of a lock, or the green thread that is joined.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Holder {
    /// The [id](crate::thread::Thread::id) of the holder.
    pub id: u64,
    /// Its name, or one made of its id.
    pub name: String,
}

fn seconds<S: serde::Serializer>(at_most: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    at_most.map(|at_most| at_most.as_secs_f64()).serialize(to)
}

fn frames<S: serde::Serializer>(frames: &Arc<[Frame]>, to: S) -> Result<S::Ok, S::Error> {
    frames[..].serialize(to)
}

pub(super) fn seconds_of<S: serde::Serializer>(
    duration: &Duration,
    to: S,
) -> Result<S::Ok, S::Error> {
    duration.as_secs_f64().serialize(to)
}

impl GreenThread {
    /// Its name, or one made of its id.
    pub(super) fn called(&self) -> Cow<'_, str> {
        match &self.name {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("green-{}", self.id)),
        }
    }

    /// Whether a function of this name, or one whose path ends with it, is on its stack.
    ///
    /// # Examples
    /// ```
    /// use greenthread::{inspect, thread, yield_now};
    ///
    /// fn serve() {
    ///     thread::park();
    /// }
    ///
    /// let runtime = greenthread::Runtime::new_current_thread()?;
    /// runtime.run(|| {
    ///     let server = greenthread::spawn(serve);
    ///     yield_now();
    ///     let dump = inspect::dump();
    ///     assert!(dump.find(server.thread()).unwrap().is_in("serve"));
    ///     server.thread().unpark();
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_in(&self, function: &str) -> bool {
        self.backtrace.iter().any(|frame| {
            let before = frame.function.strip_suffix(function);
            before.is_some_and(|before| before.is_empty() || before.ends_with("::"))
        })
    }
}

/// Its name, or one made of its id, and its id.
impl fmt::Display for GreenThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' ({})", self.called(), self.id)
    }
}
