//! Which request gets which answer.
#![forbid(unsafe_code)]

use super::http::{Request, Response};
use super::looks::LatestLook;
use super::rows::{details, rows, user_frame};
use super::serve::NAME;
use crate::inspect::frame::SOURCES;
use crate::inspect::{
    Frame, GreenThread, Holder, Profile, State, collapsed, leaks_older_than, profile,
};
use crate::metrics::{self, Metrics, Worker};
use crate::runtime::pulse;
use crate::sync::Semaphore;
use crate::sys::secret::secret;
use crate::sys::{clock, limits, process};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

const PAGE: &str = include_str!("page.html");
/// The page has this in place of the nonce, by which a browser knows the page's own script and style.
const NONCE: &str = "@NONCE@";
/// How long the console waits for a worker that does not answer.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many seconds a profile takes if the request does not say it; and how long it may take.
const PROFILE_SECONDS: f64 = 5.0;
const LONGEST_PROFILE: Duration = Duration::from_secs(60);

/// What is kept between requests.
#[derive(Debug)]
pub(super) struct Answers {
    looks: LatestLook,
    begun: Instant,
    /// Held while a profile is taken: two at once would see each other.
    profiling: Semaphore,
}

/// Green threads that are shown together.
#[derive(Debug, Serialize)]
struct AnswerGroup<'a> {
    count: usize,
    state: State,
    waits_for: Option<&'static str>,
    held_by: Option<&'a Holder>,
    longest_seconds: Option<f64>,
    spawned_at: Option<&'a str>,
    at: Option<&'a Frame>,
    backtrace: &'a [Frame],
    /// The ids of the first few.
    ids: Vec<u64>,
}

impl<'a> AnswerGroup<'a> {
    fn of(all: Vec<&'a GreenThread>) -> Self {
        let (first, count) = (all[0], all.len());
        let longest = all.iter().filter_map(|thread| thread.waits_since).max();
        let mut ids: Vec<u64> = all.iter().map(|thread| thread.id).collect();
        ids.sort_unstable();
        ids.truncate(NAMED);
        // Only what all of them have in common: if they were spawned at several places, none is shown.
        let place = first.spawned_at.as_deref();
        let same = all.iter().all(|thread| thread.spawned_at.as_deref() == place);
        AnswerGroup {
            count,
            state: first.state,
            waits_for: first.waits_for,
            held_by: first.held_by.as_ref(),
            longest_seconds: longest.map(|longest| longest.as_secs_f64()),
            spawned_at: place.filter(|_| same),
            at: user_frame(first),
            backtrace: &first.backtrace,
            ids,
        }
    }
}

/// How many groups are shown, and how many ids of each.
const GROUPS: usize = 200;
const NAMED: usize = 20;

fn bad(why: &str) -> Response {
    Response::refusal("400 Bad Request", why)
}

fn to_json(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value);
    Response::json(text.expect("it has text for keys, and no value that could fail"))
}

impl Answers {
    pub(super) fn new() -> Self {
        Self { looks: LatestLook::default(), begun: clock::now(), profiling: Semaphore::new(1) }
    }

    pub(super) fn to(&self, request: &Request) -> Response {
        match request.path.as_str() {
            "/" | "/index.html" => page(),
            "/api/pulse" => self.pulse(),
            "/api/threads" => rows(&self.looks.get(), request).map_or_else(bad, |it| to_json(&it)),
            "/api/metrics" => to_json(&shown_metrics()),
            "/api/groups" => self.groups(),
            "/api/leaks" => leaks(request),
            "/api/dump" => self.dump(request),
            "/api/stacks" => self.stacks(),
            "/api/profile" => self.profile(request),
            path => match path.strip_prefix("/api/threads/") {
                Some(id) => self.thread(id),
                None => Response::refusal("404 Not Found", "There is nothing of that name."),
            },
        }
    }

    fn thread(&self, id: &str) -> Response {
        let Ok(id) = id.parse() else { return bad("an id is a number") };
        match details(&self.looks.get(), id) {
            Some(details) => to_json(&details),
            None => Response::refusal("404 Not Found", "It has ended."),
        }
    }

    fn pulse(&self) -> Response {
        let own = |it: &pulse::RuntimePulse| it.name.as_deref() == Some(NAME);
        let counted = shown_metrics();
        let counted: HashMap<i32, &Worker> = counted
            .iter()
            .flat_map(|runtime| &runtime.workers)
            .map(|worker| (worker.thread, worker))
            .collect();
        let runtimes = pulse::feel(PATIENCE).into_iter().filter(|it| !own(it)).map(|runtime| {
            let workers = runtime.workers.iter().map(|worker| {
                json!({
                    "thread": worker.thread,
                    "live": worker.live,
                    "turns": worker.turns,
                    "answered_seconds": worker.answered.map(|(after, _)| after.as_secs_f64()),
                    "ready": worker.answered.map(|(_, ready)| ready),
                    "processor_seconds": processor_time(worker.thread),
                    "resumed": counted.get(&worker.thread).map(|worker| worker.resumed),
                    "queued": counted.get(&worker.thread).map(|worker| worker.queued),
                })
            });
            json!({ "name": runtime.name, "workers": workers.collect::<Value>() })
        });
        let runtimes = runtimes.collect::<Value>();
        let program = process::program().ok();
        let program = program.as_deref().and_then(|path| path.file_name()?.to_str());
        to_json(&json!({
            "program": program,
            "process": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "sources": SOURCES,
            "seconds": clock::since(self.begun).as_secs_f64(),
            "resident_bytes": limits::resident(),
            "runtimes": runtimes,
        }))
    }

    fn groups(&self) -> Response {
        type Key<'a> = (State, Option<&'static str>, Option<u64>, &'a [Frame]);
        let look = self.looks.get();
        let mut groups: HashMap<Key<'_>, Vec<&GreenThread>> = HashMap::new();
        for thread in &look.dump.threads {
            let holder = thread.held_by.as_ref().map(|holder| holder.id);
            let key = (thread.state, thread.waits_for, holder, &thread.backtrace[..]);
            groups.entry(key).or_default().push(thread);
        }
        let mut groups: Vec<_> = groups.into_values().map(AnswerGroup::of).collect();
        groups.sort_unstable_by_key(|group| (std::cmp::Reverse(group.count), group.ids[0]));
        let count = groups.len();
        groups.truncate(GROUPS);
        to_json(&json!({ "total": look.dump.threads.len(), "count": count, "groups": groups }))
    }

    fn dump(&self, request: &Request) -> Response {
        let look = self.looks.get();
        let (response, name) = match request.parameter("format") {
            None | Some("text") => {
                (Response::new("text/plain; charset=utf-8", format!("{}\n", look.dump)), "txt")
            }
            Some("json") => (Response::json(look.dump.to_json()), "json"),
            Some(_) => return bad("format is text or json"),
        };
        saved_as(response, name)
    }

    fn profile(&self, request: &Request) -> Response {
        type Write = fn(&Profile, &mut Vec<u8>) -> io::Result<()>;
        let (write, kind, name): (Write, _, _) = match request.parameter("format") {
            None | Some("pprof") => (Profile::write_pprof, "application/octet-stream", "pb"),
            Some("collapsed") => (Profile::write_collapsed, "text/plain; charset=utf-8", "folded"),
            Some("waits") => {
                (Profile::write_collapsed_waits, "text/plain; charset=utf-8", "waits.folded")
            }
            Some(_) => return bad("format is pprof, collapsed or waits"),
        };
        let duration = seconds(request, "seconds", PROFILE_SECONDS);
        let Some(duration) = duration.filter(|duration| *duration <= LONGEST_PROFILE) else {
            return bad("seconds is a number, at most 60");
        };
        let Some(_alone) = self.profiling.try_acquire() else {
            return Response::refusal("503 Service Unavailable", "Another profile is being taken.");
        };
        let mut file = Vec::new();
        match write(&profile(duration), &mut file) {
            Ok(()) => saved_as(Response::new(kind, file), name),
            Err(error) => Response::refusal("500 Internal Server Error", &error.to_string()),
        }
    }

    /// The text of which flame graphs are made: a line for each stack, outermost function first, with the number of
    /// green threads that have it.
    fn stacks(&self) -> Response {
        let look = self.looks.get();
        let mut counts: HashMap<String, usize> = HashMap::new();
        for thread in &look.dump.threads {
            let stack = collapsed::stack(None, &thread.backtrace, thread.waits_for);
            *counts.entry(stack).or_default() += 1;
        }
        let mut lines: Vec<_> =
            counts.into_iter().map(|(line, count)| format!("{line} {count}\n")).collect();
        lines.sort_unstable();
        saved_as(Response::new("text/plain; charset=utf-8", lines.concat()), "folded")
    }
}

/// Has a browser save the answer in a file with this ending.
fn saved_as(response: Response, ending: &str) -> Response {
    let name = format!("attachment; filename=\"greenthreads-{}.{ending}\"", std::process::id());
    response.with_header("Content-Disposition", &name)
}

/// A parameter that is a number of seconds.
fn seconds(request: &Request, name: &str, unless_said: f64) -> Option<Duration> {
    let said = request.parameter(name).map_or(Ok(unless_said), str::parse);
    said.ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// The counts of all runtimes except the console's own.
fn shown_metrics() -> Vec<Metrics> {
    metrics::all().into_iter().filter(|it| it.name.as_deref() != Some(NAME)).collect()
}

/// The page. A browser runs no script and applies no style in it but its own.
fn page() -> Response {
    let Ok(nonce) = secret::<16>() else {
        return Response::refusal("500 Internal Server Error", "the system has no random numbers");
    };
    let nonce: String = nonce.iter().map(|byte| format!("{byte:02x}")).collect();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Response::new("text/html; charset=utf-8", PAGE.replace(NONCE, &nonce))
        .with_header("Content-Security-Policy", &policy)
        .with_header("X-Frame-Options", "DENY")
}

fn leaks(request: &Request) -> Response {
    match seconds(request, "older", 60.0) {
        Some(older) => Response::json(leaks_older_than(older).to_json()),
        None => bad("older is a number of seconds"),
    }
}

/// How long an OS thread has run, if the system tells that.
fn processor_time(thread: i32) -> Option<f64> {
    process::time_of_thread(thread).map(|time| time.as_secs_f64())
}
