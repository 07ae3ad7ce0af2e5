//! The table of green threads. It is searched and sorted here, and sent in parts, so that a browser never has more than
//! it shows.
#![forbid(unsafe_code)]

use super::http::Request;
use super::looks::ConsoleLook;
use crate::inspect::frame::SOURCES;
use crate::inspect::{Frame, GreenThread, Holder, State};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// The most rows of one answer.
const MOST: usize = 500;

/// What the table shows of a green thread.
#[derive(Debug, Serialize)]
struct Row<'a> {
    id: u64,
    name: Option<&'a str>,
    labels: &'a BTreeMap<String, String>,
    daemon: bool,
    runtime: usize,
    worker: Option<usize>,
    state: State,
    waits_for: Option<&'static str>,
    held_by: Option<&'a Holder>,
    waits_seconds: Option<f64>,
    age_seconds: f64,
    resumes: u64,
    stack_used: Option<usize>,
    spawned_at: Option<&'a str>,
    /// The innermost function of the user's code.
    at: Option<&'a Frame>,
}

/// A part of the table.
#[derive(Debug, Serialize)]
pub(super) struct Rows<'a> {
    /// How many green threads there are.
    total: usize,
    /// How many of them are in each state.
    states: BTreeMap<String, usize>,
    /// How many of them match the search.
    matched: usize,
    offset: usize,
    /// How long the look took.
    look_seconds: f64,
    rows: Vec<Row<'a>>,
}

/// The columns by which a request can sort.
const SORTS: [&str; 9] =
    ["id", "name", "state", "waits_for", "waits", "age", "resumes", "stack", "at"];

/// Whether the function belongs neither to this library nor to std.
fn is_of_user(frame: &Frame) -> bool {
    let is_own = frame.file.as_deref().is_some_and(|file| file.starts_with(SOURCES));
    let name = frame.function.trim_start_matches(['<', '&']);
    !is_own && !name.starts_with("greenthread::") && !frame.is_of_std()
}

/// The innermost function that belongs neither to this library nor to std; if there is none, the innermost of all.
pub(super) fn user_frame(thread: &GreenThread) -> Option<&Frame> {
    let frames = &thread.backtrace;
    frames.iter().find(|frame| is_of_user(frame)).or(frames.first())
}

/// Searches the fields of green threads for a text.
struct Search {
    wanted: String,
    /// What was found in the backtraces so far, as many green threads have the same one.
    in_stacks: HashMap<*const Frame, bool>,
}

impl Search {
    fn has(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.wanted)
    }

    fn finds(&mut self, thread: &GreenThread) -> bool {
        let labels = &mut thread.labels.iter();
        let texts = [thread.waits_for, thread.spawned_at.as_deref()];
        if texts.into_iter().flatten().any(|text| self.has(text))
            || self.has(&thread.called())
            || labels.any(|(key, value)| self.has(&format!("{key}={value}")))
            || thread.held_by.as_ref().is_some_and(|holder| self.has(&holder.name))
            || thread.id.to_string() == self.wanted
        {
            return true;
        }
        let stack = thread.backtrace.as_ptr();
        if let Some(found) = self.in_stacks.get(&stack).filter(|_| !thread.backtrace.is_empty()) {
            return *found;
        }
        let found = thread.backtrace.iter().any(|frame| {
            self.has(&frame.function) || frame.file.as_ref().is_some_and(|file| self.has(file))
        });
        self.in_stacks.insert(stack, found);
        found
    }
}

/// The part for which a request asks by `search`, `state`, `sort`, `order`, `offset` and `limit`. An error says why
/// there is none.
pub(super) fn rows<'a>(look: &'a ConsoleLook, request: &Request) -> Result<Rows<'a>, &'static str> {
    let number = |name, default| match request.parameter(name) {
        None => Ok(default),
        Some(text) => text.parse::<usize>().map_err(|_| "offset and limit are numbers"),
    };
    let (offset, limit) = (number("offset", 0)?, number("limit", 100)?.min(MOST));
    let sort = request.parameter("sort").unwrap_or("id");
    if !SORTS.contains(&sort) {
        return Err("sort is id, name, state, waits_for, waits, age, resumes, stack or at");
    }
    let descending = match request.parameter("order") {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err("order is asc or desc"),
    };
    let wanted = request.parameter("search").unwrap_or("").trim().to_lowercase();
    let mut search = Search { wanted, in_stacks: HashMap::new() };
    let state = request.parameter("state").filter(|state| !state.is_empty());
    let threads = &look.dump.threads;
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for thread in threads {
        *states.entry(thread.state.name().to_string()).or_default() += 1;
    }
    let mut found: Vec<&GreenThread> = threads
        .iter()
        .filter(|thread| state.is_none_or(|state| thread.state.name() == state))
        .filter(|thread| search.wanted.is_empty() || search.finds(thread))
        .collect();
    found.sort_unstable_by_key(|thread| thread.id);
    let function = |thread: &GreenThread| user_frame(thread).map(|it| it.function.clone());
    match sort {
        "name" => found.sort_by_key(|it| (it.name.is_none(), it.name.as_deref())),
        "state" => found.sort_by_key(|it| it.state.name()),
        "waits_for" => found.sort_by_key(|it| it.waits_for),
        "waits" => found.sort_by_key(|it| it.waits_since),
        "age" => found.sort_by_key(|it| it.age),
        "resumes" => found.sort_by_key(|it| it.resumes),
        "stack" => found.sort_by_key(|it| it.stack_used),
        "at" => found.sort_by_cached_key(|it| function(it)),
        _ => {}
    }
    if descending {
        found.reverse();
    }
    let matched = found.len();
    let rows = found.into_iter().skip(offset).take(limit).map(row).collect();
    let look_seconds = look.took.as_secs_f64();
    Ok(Rows { total: threads.len(), states, matched, offset, look_seconds, rows })
}

fn row(thread: &GreenThread) -> Row<'_> {
    Row {
        id: thread.id,
        name: thread.name.as_deref(),
        labels: &thread.labels,
        daemon: thread.daemon,
        runtime: thread.runtime,
        worker: thread.worker,
        state: thread.state,
        waits_for: thread.waits_for,
        held_by: thread.held_by.as_ref(),
        waits_seconds: thread.waits_since.map(|since| since.as_secs_f64()),
        age_seconds: thread.age.as_secs_f64(),
        resumes: thread.resumes,
        stack_used: thread.stack_used,
        spawned_at: thread.spawned_at.as_deref(),
        at: user_frame(thread),
    }
}

/// All about one green thread, and whom it waits for.
#[derive(Debug, Serialize)]
pub(super) struct Details<'a> {
    thread: &'a GreenThread,
    /// The green thread itself, the holder of what it waits for, the holder of what that one waits for, and so on.
    chain: Vec<Row<'a>>,
    /// The place in the chain to which its end leads back: from there on, all of them wait for ever.
    circle_at: Option<usize>,
    /// Some of the green threads that wait for it.
    waited_for_by: Vec<Row<'a>>,
    /// How many wait for it.
    waited_for_by_count: usize,
}

/// How many of the waiting ones are shown.
const WAITERS: usize = 20;
/// The length after which a chain is cut off.
const LINKS: usize = 100;

/// The details of the green thread with that id; `None` if there is no such one.
pub(super) fn details(look: &ConsoleLook, id: u64) -> Option<Details<'_>> {
    let all = &look.dump.threads;
    let of = |id: u64| all.iter().find(|thread| thread.id == id);
    let thread = of(id)?;
    let (mut chain, mut circle_at) = (vec![thread], None);
    while let Some(next) = chain[chain.len() - 1].held_by.as_ref().and_then(|it| of(it.id)) {
        circle_at = chain.iter().position(|known| known.id == next.id);
        if circle_at.is_some() || chain.len() >= LINKS {
            break;
        }
        chain.push(next);
    }
    let waits = |other: &&GreenThread| other.held_by.as_ref().is_some_and(|it| it.id == id);
    let waiters: Vec<_> = all.iter().filter(waits).collect();
    Some(Details {
        thread,
        chain: chain.into_iter().map(row).collect(),
        circle_at,
        waited_for_by_count: waiters.len(),
        waited_for_by: waiters.into_iter().take(WAITERS).map(row).collect(),
    })
}
