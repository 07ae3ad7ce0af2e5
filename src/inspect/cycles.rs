//! Green threads that wait for one another.
#![forbid(unsafe_code)]

use super::{Dump, GreenThread, dump};
use crate::util::circles::circles;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Green threads of which each waits for what the next one has, and the last one for what the first one has. They wait
/// for ever unless one of them is killed. See [`cycles`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Cycle {
    /// Each waits for the next one. A single green thread waits for what it holds itself.
    pub threads: Vec<GreenThread>,
    /// The green threads that wait for one of these, or for one that does.
    pub behind: Vec<GreenThread>,
}

/// Finds green threads that wait for one another in a circle without a time limit, though others go on. Suspends a green thread, blocks
/// an OS thread, as [`dump`] does.
///
/// It knows who holds a [`Mutex`](crate::sync::Mutex), a [`ReentrantMutex`](crate::sync::ReentrantMutex), an
/// [`RwLock`](crate::sync::RwLock) that is locked for writing, or an initialization, and who is joined. It does not
/// know who will send to a channel or give a permit back. Each circle has been seen twice, with the same waits, so it
/// did not only seem so for a moment.
///
/// # Examples
/// ```
/// use greenthread::{inspect, sync::Mutex, yield_now};
/// use std::sync::Arc;
///
/// let runtime = greenthread::Runtime::new_current_thread()?;
/// runtime.run(|| {
///     let (a, b) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
///     let takes = |first: &Arc<Mutex<()>>, second: &Arc<Mutex<()>>| {
///         let (first, second) = (Arc::clone(first), Arc::clone(second));
///         greenthread::spawn(move || {
///             let _first = first.lock();
///             yield_now();
///             let _second = second.lock();
///         })
///     };
///     let (one, other) = (takes(&a, &b), takes(&b, &a));
///     while inspect::cycles().is_empty() {
///         yield_now();
///     }
///     assert_eq!(inspect::cycles()[0].threads.len(), 2);
///     one.kill();
///     other.join().unwrap();
/// }).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("deadlock", "leak", "goroutineleak"))]
#[must_use]
pub fn cycles() -> Vec<Cycle> {
    let first = dump();
    if first.has_circles() { first.cycles_in(&dump()) } else { Vec::new() }
}

impl Dump {
    pub(super) fn has_circles(&self) -> bool {
        !self.circles().is_empty()
    }

    /// The circles that were there before and still are, with what `later` says of them.
    pub(super) fn cycles_in(&self, later: &Self) -> Vec<Cycle> {
        let seen: HashSet<Vec<(u64, u64)>> = self.circles().into_iter().collect();
        let still = later.circles().into_iter().filter(|circle| seen.contains(circle));
        still.map(|circle| later.cycle(&circle)).collect()
    }

    /// For each green thread the place of the one for which it waits without a time limit, if there is one.
    fn next(&self) -> Vec<Option<usize>> {
        let threads = self.threads.iter();
        let places: HashMap<u64, usize> = threads.enumerate().map(|(at, it)| (it.id, at)).collect();
        let next = |thread: &GreenThread| {
            let holder = thread.held_by.as_ref().filter(|_| thread.waits_at_most.is_none())?;
            places.get(&holder.id).copied()
        };
        self.threads.iter().map(next).collect()
    }

    /// The circles as lists of ids and numbers of waits, each beginning with the least.
    fn circles(&self) -> Vec<Vec<(u64, u64)>> {
        let waits = |at: &usize| (self.threads[*at].id, self.threads[*at].wait);
        let circles = circles(&self.next()).into_iter().map(|circle| {
            let mut circle: Vec<_> = circle.iter().map(waits).collect();
            let least = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap_or(0);
            circle.rotate_left(least);
            circle
        });
        circles.collect()
    }

    fn cycle(&self, circle: &[(u64, u64)]) -> Cycle {
        let of = |id: u64| self.threads.iter().position(|thread| thread.id == id);
        let members: Vec<usize> = circle.iter().filter_map(|(id, _)| of(*id)).collect();
        let behind = self.behind(&members);
        let clone = |all: &[usize]| all.iter().map(|at| self.threads[*at].clone()).collect();
        Cycle { threads: clone(&members), behind: clone(&behind) }
    }

    /// The places of the green threads that wait for one of these, or for one that does.
    pub(super) fn behind(&self, those: &[usize]) -> Vec<usize> {
        let next = self.next();
        let mut stuck: HashSet<usize> = those.iter().copied().collect();
        loop {
            let waits = |at: &usize| next[*at].is_some_and(|holder| stuck.contains(&holder));
            let more: Vec<_> =
                (0..next.len()).filter(|at| !stuck.contains(at)).filter(waits).collect();
            if more.is_empty() {
                break;
            }
            stuck.extend(more);
        }
        let mut behind: Vec<_> = stuck.into_iter().filter(|at| !those.contains(at)).collect();
        behind.sort_unstable();
        behind
    }
}

/// A line for each green thread: what it waits for, and where it is.
impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, thread) in self.threads.iter().enumerate() {
            let line = if at == 0 { "" } else { "\n" };
            let what = thread.waits_for.unwrap_or("something");
            write!(f, "{line}{thread} waits for {what}")?;
            match &thread.held_by {
                Some(holder) if holder.id != thread.id => {
                    write!(f, " of '{}' ({})", holder.name, holder.id)?;
                }
                _ => f.write_str(" that it holds itself")?,
            }
            for frame in &thread.backtrace[..] {
                let frame = frame.to_string().replace('\n', "\n    ");
                write!(f, "\n    {frame}")?;
            }
        }
        match self.behind.len() {
            0 => Ok(()),
            count => write!(f, "\nbehind them wait {count} more"),
        }
    }
}
