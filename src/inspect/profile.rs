//! Where the time goes: the time of green threads that run, and of those that wait.
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

/// How often a profile looks at what runs. The number is chosen so that it is not in step with what happens a hundred
/// times in a second.
const EVERY: Duration = Duration::from_nanos(1_000_000_000 / 99);
/// How often a profile looks at what waits.
const DUMP_EVERY: Duration = Duration::from_secs(1);

/// Where green threads have spent their time; see [`profile`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// How long the profile took.
    pub duration: Duration,
    /// One sample for each green thread and place, the longest first.
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
    /// Where in the code it was spawned, if known; see `labels`.
    pub spawned_at: Option<String>,
    /// What it waited for, in words; `None` if it ran.
    pub waits_for: Option<&'static str>,
    /// The functions that it was in, innermost first.
    pub backtrace: Arc<[Frame]>,
    /// How many times it was seen there.
    pub count: u64,
    /// How long it was there, as far as the looks can tell.
    pub time: Duration,
}

/// What distinguishes samples.
type SampleKey = (String, Option<&'static str>, Arc<[Frame]>);

#[derive(Default)]
struct SampleCounts {
    found: HashMap<SampleKey, (u64, Duration)>,
    /// Labels and place of each green thread, by its name.
    known: HashMap<String, (BTreeMap<String, String>, Option<String>)>,
    names: Names,
}

impl SampleCounts {
    fn add(&mut self, key: SampleKey, time: Duration) {
        let (count, all) = self.found.entry(key).or_default();
        *count += 1;
        *all += time;
    }

    /// Adds `time` to what runs now.
    fn at_running(&mut self, time: Duration) {
        for (name, addresses) in sight::running() {
            let backtrace = self.names.of(&addresses);
            self.add((name, None, backtrace), time);
        }
    }

    /// Adds `time` to what waits now, or less if it has begun to wait since the last look.
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

/// Finds out where green threads of all runtimes spend their time during `duration`. 99 times in a second it looks at
/// those that run, by a signal as the watchdog does, and once in a second at all others, as [`dump`](super::dump())
/// does. Suspends a green thread, blocks an OS thread.
///
/// A green thread that runs is shown whether it computes or keeps its worker in a system call: both keep the others
/// from running.
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
    /// The samples of green threads that ran.
    pub fn running(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.waits_for.is_none())
    }

    /// The samples of green threads that waited.
    pub fn waiting(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.waits_for.is_some())
    }

    /// Writes the profile as [pprof](https://github.com/google/pprof) reads it, not compressed. Its values are the
    /// count, the time spent running (`cpu`) and the time spent waiting (`wait`); its labels are `thread`,
    /// `spawned_at`, `waits_for` and those of the green threads.
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

    /// Writes the samples that ran, for flame graphs. Each place is one line: the name, the functions from the
    /// outermost on, and microseconds.
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

    /// Writes the samples that waited, as [`write_collapsed`](Self::write_collapsed) does; the innermost part is what
    /// they waited for.
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
