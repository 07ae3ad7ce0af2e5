//! The twin with the feature `watchdog`: reports green threads that hold up their worker for long.
//!
//! A thread of its own looks now and then whether a worker still runs what it ran before. The hub counts its resumes
//! for that, which is all that it costs there. A signal asks a green thread where it is (`sys/look.rs`), and the
//! watchdog's thread turns the addresses into names.
#![forbid(unsafe_code)]

use super::super::lookout;
use crate::runtime::hub::shared::HubShared;
use crate::runtime::task::Watched;
use crate::runtime::wait::park;
use crate::sys::clock;
use crate::sys::look::{self, StackSeen};
use crate::sys::process::{self, PerProcess};
use crate::sys::{report, thread};
use crate::util::lock::Mutex;
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many times it looks within the time that a green thread may take.
const LOOKS: u32 = 4;
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(1);

/// How many watchdogs there are in all runtimes. A forked child has none of its parent's.
fn count() -> &'static AtomicUsize {
    static COUNT: PerProcess<AtomicUsize> = PerProcess::new();
    COUNT.get(AtomicUsize::default)
}

/// How many OS threads are watchdogs.
pub(crate) fn threads() -> usize {
    count().load(Ordering::SeqCst)
}

/// How long a green thread may hold up a worker of the global runtime, if the environment says so.
pub(crate) fn given() -> Option<Duration> {
    lookout::given().filter(|most| !most.is_zero())
}

/// A thread that watches hubs until this is dropped.
#[derive(Debug)]
pub(crate) struct Watchdog {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    generation: u32,
}

impl Watchdog {
    pub(crate) fn start(hubs: Vec<&'static HubShared>, most: Duration) -> io::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = counted("gt-watchdog", move || watch(&hubs, most, &seen))?;
        Ok(Self { over, thread: Some(thread), generation: process::generation() })
    }
}

/// Starts an OS thread that is counted as one that only watches.
fn counted(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    count().fetch_add(1, Ordering::SeqCst);
    let body = move || {
        body();
        count().fetch_sub(1, Ordering::SeqCst);
    };
    thread::start(name, None, body).inspect_err(|_| {
        count().fetch_sub(1, Ordering::SeqCst);
    })
}

/// Waits until all that has been seen is reported, unless that would keep other green threads waiting.
impl Drop for Watchdog {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let Some(thread) = self.thread.take() else { return };
        if self.generation != process::generation() {
            // The thread belongs to the parent process.
            std::mem::forget(thread);
            return;
        }
        thread.thread().unpark();
        if !park::is_green() {
            let _ = thread.join();
        }
    }
}

/// What a hub was seen to run, and since when.
#[derive(Clone, Copy)]
struct Since {
    count: u64,
    at: Instant,
    reported: bool,
}

fn watch(hubs: &[&'static HubShared], most: Duration, over: &AtomicBool) {
    let mut since: Vec<Option<Since>> = vec![None; hubs.len()];
    let every = (most / LOOKS).max(LOOK_AT_LEAST_EVERY);
    // To find the names of addresses takes long at first, and must not keep the watchdog from seeing others.
    let mut tellers = Vec::new();
    while !over.load(Ordering::SeqCst) {
        std::thread::park_timeout(every);
        for (hub, since) in hubs.iter().zip(&mut since) {
            let now = clock::now();
            match (hub.watched.now(), &mut *since) {
                (None, since) => *since = None,
                (Some(count), Some(before)) if before.count == count => {
                    let held = now - before.at;
                    if held >= most && !before.reported {
                        before.reported = true;
                        let subject = std::ptr::from_ref(&hub.watched).cast();
                        let seen = look::at(hub.watched.thread(), subject, Watched::describe);
                        tellers.extend(counted("gt-report", move || tell(seen.as_ref(), held)));
                    }
                }
                (Some(count), since) => *since = Some(Since { count, at: now, reported: false }),
            }
        }
        tellers.retain(|teller: &JoinHandle<()>| !teller.is_finished());
    }
    for teller in tellers {
        let _ = teller.join();
    }
}

/// What the hub runs and where that is, if it runs anything and its OS thread answers.
#[allow(dead_code, reason = "reports alone ask")]
pub(in crate::runtime) fn look_at(hub: &'static HubShared) -> Option<StackSeen> {
    hub.watched.now()?;
    look::at(hub.watched.thread(), std::ptr::from_ref(&hub.watched).cast(), Watched::describe)
}

fn tell(seen: Option<&StackSeen>, held: Duration) {
    let (name, place) = match seen {
        Some(seen) => (seen.name.as_str(), lines(seen)),
        None => ("<unknown>", "  it does not say where it is".to_string()),
    };
    report(format_args!(
        "green thread '{name}' has kept its worker from the others for {held:.1?}; it is at\n{place}"
    ));
    AFTER.lock().iter_mut().for_each(|after| after());
}

/// The functions that are called after each report, by the thread that has made it.
static AFTER: Mutex<Vec<Box<dyn FnMut() + Send>>> = Mutex::new(Vec::new());

/// Has `after` called whenever a watchdog has made a report. It must not panic.
#[allow(dead_code, reason = "reports alone ask")]
pub(crate) fn after_each_report(after: Box<dyn FnMut() + Send>) {
    AFTER.lock().push(after);
}

fn lines(seen: &StackSeen) -> String {
    let mut text = String::new();
    for (at, &address) in seen.addresses.iter().enumerate() {
        // A return address is behind the call, so it is one too far; the first address is that of the green thread
        // itself.
        let address = if at == 0 { address } else { address - 1 };
        let mut known = false;
        backtrace::resolve(address as *mut _, |symbol| {
            known = true;
            let _ = write!(text, "  {at:2}: ");
            let _ = match symbol.name() {
                Some(name) => writeln!(text, "{name:#}"),
                None => writeln!(text, "{address:#x}"),
            };
            if let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) {
                let _ = writeln!(text, "        at {}:{line}", file.display());
            }
        });
        if !known {
            let _ = writeln!(text, "  {at:2}: {address:#x}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}
