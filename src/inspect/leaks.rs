//! Green threads that wait for ever though others go on.
#![forbid(unsafe_code)]

use super::{Cycle, Dump, Frame, GreenThread, dump};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Waits that last longer than this are shown by [`leaks`].
const LONG: Duration = Duration::from_secs(60);

/// The green threads that wait for ever, or may; see [`leaks`]. It displays as text.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Leaks {
    /// Certain: the green threads that wait for one another in a circle, and those that wait for one of them, as
    /// [`cycles`](super::cycles()) finds them.
    pub cycles: Vec<Cycle>,
    /// Certain: the green threads in [`park`](crate::thread::park) of which nobody has a handle, neither a
    /// [`JoinHandle`](crate::JoinHandle) nor a [`Thread`](crate::thread::Thread). Only a caller that finds them by
    /// [`enumerate`](crate::thread::enumerate) can still wake them.
    pub forgotten: Vec<GreenThread>,
    /// Certain: the green threads that wait for the end of a forgotten one or for what it holds, or for one that does.
    pub behind_forgotten: Vec<GreenThread>,
    /// Suspicious only: the green threads that have waited for long without a time limit, grouped by where they were
    /// spawned, where they are and what they wait for; the largest group first. Those of the fields above are left out,
    /// and so are workers of executors that have no task.
    pub long_waits: Vec<LongWaits>,
}

/// Green threads that have waited at the same place for long, without a time limit.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LongWaits {
    /// How many there are.
    pub count: usize,
    /// Where in the code they were spawned, as [`GreenThread::spawned_at`].
    pub spawned_at: Option<String>,
    /// What they wait for, in words.
    pub waits_for: Option<&'static str>,
    /// How long the one that began first has waited. In JSON, in seconds.
    #[serde(rename = "longest_seconds", serialize_with = "super::thread::seconds_of")]
    pub longest: Duration,
    /// How long the one that began last has waited. In JSON, in seconds.
    #[serde(rename = "shortest_seconds", serialize_with = "super::thread::seconds_of")]
    pub shortest: Duration,
    /// The one that has waited longest.
    pub example: GreenThread,
    /// Their ids and the numbers of their waits.
    #[serde(skip)]
    waits: HashSet<(u64, u64)>,
}

/// Finds green threads that wait for ever, or for so long that they may, though others go on. Suspends a green thread,
/// blocks an OS thread, as [`dump`] does. As Go's profile `goroutineleak`, but without a garbage collector, so it says
/// how certain it is.
///
/// - **[Cycles](Leaks::cycles)** and **[forgotten ones](Leaks::forgotten)** never go on by themselves. What is shown
///   there is certain. There may be more of them: it is not known who will send to a channel, set an event or give a
///   permit back, nor where in memory a handle lies.
/// - **[Long waits](Leaks::long_waits)** have lasted for more than a minute ([`leaks_older_than`] takes another time).
///   A listener to which nobody connects is among them too, once. A leak is a group that only grows:
///   [`Leaks::grown_since`] finds such groups by a second look.
///
/// # Examples
/// ```
/// use greenthread::{inspect, thread, yield_now};
///
/// fn forgets() {
///     thread::spawn(thread::park);
/// }
///
/// let runtime = greenthread::Runtime::new_current_thread()?;
/// runtime.run(|| {
///     forgets();
///     yield_now();
///     let leaks = inspect::leaks();
///     assert_eq!(leaks.forgotten.len(), 1);
///     println!("{leaks}");
///     # thread::enumerate().iter().for_each(|it| it.unpark());
/// }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("goroutineleak", "deadlock", "goleak"))]
#[must_use]
pub fn leaks() -> Leaks {
    leaks_older_than(LONG)
}

/// Like [`leaks`], but the [long waits](Leaks::long_waits) are those that have lasted longer than `age`.
#[must_use]
pub fn leaks_older_than(age: Duration) -> Leaks {
    let first = dump();
    // What looks like a circle has to be seen twice.
    if first.has_circles() {
        let second = dump();
        return second.leaks(first.cycles_in(&second), age);
    }
    first.leaks(Vec::new(), age)
}

/// Reasons of waits that hold up nobody.
const IDLE: [&str; 1] = ["a task to run"];

impl Dump {
    fn leaks(&self, cycles: Vec<Cycle>, age: Duration) -> Leaks {
        let places = 0..self.threads.len();
        let forgotten: Vec<usize> = places.filter(|at| self.threads[*at].forgotten).collect();
        let behind = self.behind(&forgotten);
        let clone = |all: &[usize]| all.iter().map(|at| self.threads[*at].clone()).collect();
        let in_cycles = cycles.iter().flat_map(|cycle| cycle.threads.iter().chain(&cycle.behind));
        let mut told: HashSet<u64> = in_cycles.map(|thread| thread.id).collect();
        told.extend(forgotten.iter().chain(&behind).map(|at| self.threads[*at].id));
        Leaks {
            cycles,
            forgotten: clone(&forgotten),
            behind_forgotten: clone(&behind),
            long_waits: self.long_waits(age, &told),
        }
    }

    fn long_waits(&self, age: Duration, told: &HashSet<u64>) -> Vec<LongWaits> {
        type Key<'a> = (Option<&'a str>, Option<&'static str>, &'a Arc<[Frame]>);
        let mut groups: HashMap<Key<'_>, Vec<(Duration, &GreenThread)>> = HashMap::new();
        for thread in &self.threads {
            let Some(waited) = thread.waits_since.filter(|waited| *waited > age) else { continue };
            let idle = thread.waits_for.is_some_and(|what| IDLE.contains(&what));
            if thread.waits_at_most.is_some() || idle || told.contains(&thread.id) {
                continue;
            }
            let key = (thread.spawned_at.as_deref(), thread.waits_for, &thread.backtrace);
            groups.entry(key).or_default().push((waited, thread));
        }
        let group = |mut all: Vec<(Duration, &GreenThread)>| {
            all.sort_by_key(|(waited, _)| std::cmp::Reverse(*waited));
            let ((longest, example), (shortest, _)) = (all[0], all[all.len() - 1]);
            LongWaits {
                count: all.len(),
                spawned_at: example.spawned_at.clone(),
                waits_for: example.waits_for,
                longest,
                shortest,
                example: example.clone(),
                waits: all.iter().map(|(_, thread)| (thread.id, thread.wait)).collect(),
            }
        };
        let mut groups: Vec<LongWaits> = groups.into_values().map(group).collect();
        groups.sort_by_key(|group| (std::cmp::Reverse(group.count), group.example.id));
        groups
    }
}

impl LongWaits {
    fn is_as(&self, other: &Self) -> bool {
        self.spawned_at == other.spawned_at
            && self.waits_for == other.waits_for
            && self.example.backtrace == other.example.backtrace
    }
}

impl Leaks {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cycles.is_empty() && self.forgotten.is_empty() && self.long_waits.is_empty()
    }

    /// The groups of [long waits](Self::long_waits) that have grown since an earlier look, while none of the green
    /// threads that waited then has gone on; each with the number that it had then. Groups that were not there then are
    /// left out.
    ///
    /// # Examples
    /// ```no_run
    /// use greenthread::{inspect, sleep};
    /// use std::time::Duration;
    ///
    /// let earlier = inspect::leaks();
    /// sleep(Duration::from_secs(600));
    /// for (group, before) in inspect::leaks().grown_since(&earlier) {
    ///     println!("{before} have become {}: {group}", group.count);
    /// }
    /// ```
    #[must_use]
    pub fn grown_since<'a>(&'a self, earlier: &Leaks) -> Vec<(&'a LongWaits, usize)> {
        let grown = |group: &'a LongWaits| {
            let before = earlier.long_waits.iter().find(|before| before.is_as(group))?;
            let grows = group.count > before.count && before.waits.is_subset(&group.waits);
            grows.then_some((group, before.count))
        };
        self.long_waits.iter().filter_map(grown).collect()
    }

    /// As JSON: an object with the fields of this.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("it has text for keys, and no value that could fail")
    }
}

fn write_place(f: &mut fmt::Formatter<'_>, thread: &GreenThread) -> fmt::Result {
    for frame in &thread.backtrace[..] {
        write!(f, "\n    {}", frame.to_string().replace('\n', "\n    "))?;
    }
    match &thread.spawned_at {
        Some(place) => write!(f, "\n    spawned at {place}"),
        None => Ok(()),
    }
}

/// A line of text: how many, since when, for what; and where the one is that has waited longest.
impl fmt::Display for LongWaits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, what) = (self.count, self.waits_for.unwrap_or("something"));
        let (s, verb) = if count == 1 { ("", "has") } else { ("s", "have") };
        write!(f, "{count} green thread{s} {verb} waited for {what} for {:.1?}", self.longest)?;
        if count > 1 {
            write!(f, " to {:.1?}", self.shortest)?;
        }
        write!(f, ", the first of them {}", self.example)?;
        write_place(f, &self.example)
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nobody waits for ever as far as is known, and none has for long");
        }
        let mut parts = Vec::new();
        parts.extend(self.cycles.iter().map(|cycle| format!("a circle:\n{cycle}")));
        for thread in &self.forgotten {
            struct Forgotten<'a>(&'a GreenThread);
            impl fmt::Display for Forgotten<'_> {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{} is parked, and nobody has a handle to unpark it", self.0)?;
                    write_place(f, self.0)
                }
            }
            parts.push(Forgotten(thread).to_string());
        }
        if !self.behind_forgotten.is_empty() {
            let names = self.behind_forgotten.iter().map(ToString::to_string).collect::<Vec<_>>();
            parts.push(format!("behind those wait {}", names.join(", ")));
        }
        parts.extend(self.long_waits.iter().map(ToString::to_string));
        f.write_str(&parts.join("\n\n"))
    }
}
