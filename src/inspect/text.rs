//! A dump as text.
#![forbid(unsafe_code)]

use super::{Dump, GreenThread, Holder, Runtime, State};
use std::collections::HashMap;
use std::fmt;

/// How many green threads of a group are named.
const NAMED: usize = 5;

/// Green threads that are shown together.
struct TextGroup<'a> {
    all: Vec<&'a GreenThread>,
}

fn groups(dump: &Dump) -> Vec<TextGroup<'_>> {
    let mut groups: Vec<TextGroup<'_>> = Vec::new();
    let mut known = HashMap::new();
    for thread in &dump.threads {
        let holder = thread.held_by.as_ref().map(|holder| holder.id);
        let key = (thread.state, thread.waits_for, holder, &thread.backtrace);
        let at = *known.entry(key).or_insert(groups.len());
        if at == groups.len() {
            groups.push(TextGroup { all: Vec::new() });
        }
        groups[at].all.push(thread);
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.all.len()));
    groups
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", HowMany(self.threads.len()))?;
        for runtime in &self.runtimes {
            write!(f, "\n{runtime}")?;
        }
        for group in groups(self) {
            write!(f, "\n\n{group}")?;
        }
        Ok(())
    }
}

struct HowMany(usize);

impl fmt::Display for HowMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 green thread"),
            count => write!(f, "{count} green threads"),
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "runtime '{name}':")?,
            None => f.write_str("a current-thread runtime:")?,
        }
        for (at, worker) in self.workers.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let held = if worker.answered { "" } else { ", held up" };
            let started = worker.started;
            write!(f, "{comma} worker {at} (OS thread {}{held}) has {started}", worker.thread)?;
        }
        Ok(())
    }
}

impl fmt::Display for TextGroup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.all[0];
        write!(f, "{}", HowMany(self.all.len()))?;
        let one = self.all.len() == 1;
        match (first.state, first.waits_for) {
            (State::New, _) => f.write_str(if one { " has" } else { " have" })?,
            _ => f.write_str(match (first.state, one) {
                (State::Delayed | State::Running | State::Ready, true) => " is",
                (State::Delayed | State::Running | State::Ready, false) => " are",
                (_, true) => " waits",
                (_, false) => " wait",
            })?,
        }
        match (first.state, first.waits_for, &first.held_by) {
            (State::New, ..) => f.write_str(" not started")?,
            (State::Delayed, ..) => f.write_str(" to start later")?,
            (State::Ready, ..) => f.write_str(" ready to run")?,
            (State::Running, ..) => f.write_str(" running")?,
            (State::Waiting, Some("the end of another"), Some(Holder { id, name })) => {
                write!(f, " for the end of '{name}' ({id})")?;
            }
            (State::Waiting, what, held_by) => {
                write!(f, " for {}", what.unwrap_or("something"))?;
                if let Some(Holder { id, name }) = held_by {
                    let itself = one && first.id == *id;
                    if itself {
                        f.write_str(" that it holds itself")?;
                    } else {
                        write!(f, " held by '{name}' ({id})")?;
                    }
                }
            }
        }
        let waited: Vec<_> = self.all.iter().filter_map(|thread| thread.waits_since).collect();
        if let (Some(least), Some(most)) = (waited.iter().min(), waited.iter().max()) {
            write!(f, ", since {most:.1?}")?;
            if !one {
                write!(f, " to {least:.1?}")?;
            }
        }
        f.write_str(": ")?;
        for (at, thread) in self.all.iter().take(NAMED).enumerate() {
            write!(f, "{}{thread}", if at == 0 { "" } else { ", " })?;
        }
        if self.all.len() > NAMED {
            write!(f, " and {} more", self.all.len() - NAMED)?;
        }
        for frame in &first.backtrace[..] {
            let frame = frame.to_string().replace('\n', "\n    ");
            write!(f, "\n    {frame}")?;
        }
        match &first.spawned_at {
            Some(place) => write!(f, "\n    spawned at {place}"),
            None => Ok(()),
        }
    }
}
