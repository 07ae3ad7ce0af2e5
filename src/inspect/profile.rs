//! Where the time goes: of green threads that run, and of those that wait.
#![forbid(unsafe_code)]

use super::frame::{Frame, Names};
use super::{State, collapsed, dump, pprof};
use crate::runtime::park;
use crate::runtime::sight;
use crate::sys::clock;
use crate::thread::{blocking, sleep};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked what runs: not in step with what happens a hundred times in a second.
const EVERY: Duration = Duration::from_nanos(1_000_000_000 / 99);
/// How often it is looked who waits.
const DUMP_EVERY: Duration = Duration::from_secs(1);

/// Where green threads have spent their time; see [`profile`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// How long it was looked.
    pub duration: Duration,
    /// One for each green thread and place, the longest first.
    pub samples: Vec<Sample>,
}

/// The time that green threads of one name have spent at one place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// The name of the green thread, or one made of its id.
    pub thread: String,
    /// Its [labels](crate::Builder::label), if it was alive at one of the looks at all green threads, once in a second.
    pub labels: BTreeMap<String, String>,
    /// Where in the code it was spawned; as for the labels.
    pub spawned_at: Option<String>,
    /// What it waited for, in words; `None` of one that ran.
    pub waits_for: Option<&'static str>,
    /// Where it was, innermost first.
    pub backtrace: Arc<[Frame]>,
    /// How many times it was seen there.
    pub count: u64,
    /// For how long it was there, as far as that can be told from the looks.
    pub time: Duration,
}

/// What tells samples apart.
type SampleKey = (String, Option<&'static str>, Arc<[Frame]>);

#[derive(Default)]
struct SampleCounts {
    found: HashMap<SampleKey, (u64, Duration)>,
    /// By the name: labels and place.
    known: HashMap<String, (BTreeMap<String, String>, Option<String>)>,
    names: Names,
}

impl SampleCounts {
    fn add(&mut self, key: SampleKey, time: Duration) {
        let (count, all) = self.found.entry(key).or_default();
        *count += 1;
        *all += time;
    }

    /// What runs now has run for `time`.
    fn at_running(&mut self, time: Duration) {
        for (name, addresses) in sight::running() {
            let backtrace = self.names.of(&addresses);
            self.add((name, None, backtrace), time);
        }
    }

    /// What waits now has waited for `time`, unless it has begun to since.
    fn at_waiting(&mut self, time: Duration) {
        for thread in dump().threads {
            let name = thread.called().into_owned();
            if thread.state == State::Waiting {
                let waited = thread.waits_since.map_or(time, |since| since.min(time));
                let key = (name.clone(), thread.waits_for, thread.backtrace);
                self.add(key, waited);
            }
            self.known.entry(name).or_insert((thread.labels, thread.spawned_at));
        }
    }
}

/// Looks for so long where green threads of all runtimes spend their time: 99 times in a second at those that run, which are asked by
/// a signal as by the watchdog, and once in a second at all others, as [`dump`](super::dump()) does. Suspends a green thread, blocks an OS
/// thread.
///
/// One that runs is told of whether it computes or keeps its worker in a system call: both keep the others from running.
///
/// # Examples
/// ```
/// use greenthread::inspect;
/// use std::time::Duration;
///
/// let profile = inspect::profile(Duration::from_millis(50));
/// let mut file = Vec::new();
/// profile.write_pprof(&mut file)?;
/// assert!(!file.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("pprof", "flamegraph", "py-spy"))]
#[must_use]
pub fn profile(duration: Duration) -> Profile {
    if park::is_green() { blocking(move || look(duration)) } else { look(duration) }
}

fn look(duration: Duration) -> Profile {
    let begun = clock::now();
    let mut looks = SampleCounts::default();
    let (mut last, mut last_dump) = (begun, begun);
    while last - begun < duration {
        sleep(EVERY.min(duration));
        let now = clock::now();
        looks.at_running((now - last).min(2 * EVERY));
        last = now;
        if now - last_dump >= DUMP_EVERY || now - begun >= duration {
            looks.at_waiting(now - last_dump);
            last_dump = now;
        }
    }
    let SampleCounts { found, known, .. } = looks;
    let mut samples: Vec<_> = found
        .into_iter()
        .map(|((thread, waits_for, backtrace), (count, time))| {
            let (labels, spawned_at) = known.get(&thread).cloned().unwrap_or_default();
            Sample { thread, labels, spawned_at, waits_for, backtrace, count, time }
        })
        .collect();
    samples.sort_by_key(|sample| std::cmp::Reverse(sample.time));
    Profile { duration: clock::since(begun), samples }
}

impl Profile {
    /// Those of green threads that ran.
    pub fn running(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.waits_for.is_none())
    }

    /// Those of green threads that waited.
    pub fn waiting(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.waits_for.is_some())
    }

    /// Writes it as [pprof](https://github.com/google/pprof) reads it, not compressed: counts, time that was run (`cpu`) and time that was
    /// waited (`wait`), with the labels `thread`, `spawned_at`, `waits_for` and those of the green threads.
    ///
    /// # Errors
    /// Those of the writer.
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::inspect;
    /// use std::{fs::File, time::Duration};
    ///
    /// let profile = inspect::profile(Duration::from_secs(10));
    /// profile.write_pprof(&mut File::create("greenthread.pb")?)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_pprof(&self, writer: &mut impl Write) -> io::Result<()> {
        writer.write_all(&pprof::encode(self))
    }

    /// Writes of those that ran, for flame graphs, one line for each place: the name, the functions from the outermost on, and
    /// microseconds.
    ///
    /// # Errors
    /// Those of the writer.
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::inspect;
    /// use std::{fs::File, time::Duration};
    ///
    /// let profile = inspect::profile(Duration::from_secs(10));
    /// profile.write_collapsed(&mut File::create("running.txt")?)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_collapsed(&self, writer: &mut impl Write) -> io::Result<()> {
        writer.write_all(collapsed::text(self.running()).as_bytes())
    }

    /// As [`write_collapsed`](Self::write_collapsed), of those that waited; the innermost is what for.
    ///
    /// # Errors
    /// Those of the writer.
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::inspect;
    /// use std::{fs::File, time::Duration};
    ///
    /// let profile = inspect::profile(Duration::from_secs(10));
    /// profile.write_collapsed_waits(&mut File::create("waiting.txt")?)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_collapsed_waits(&self, writer: &mut impl Write) -> io::Result<()> {
        writer.write_all(collapsed::text(self.waiting()).as_bytes())
    }
}
