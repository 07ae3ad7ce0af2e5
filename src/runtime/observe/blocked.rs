//! Which green threads of a hub wait, who has what each waits for, and how reports say so.
#![forbid(unsafe_code)]

use super::holders::{Holders, KnownWait};
use crate::runtime::hub::local::Hub;
use crate::runtime::task::{Live, Reason, TaskRef};
use std::collections::HashMap;
use std::fmt::Write;

/// A green thread that waits.
#[derive(Debug)]
pub(super) struct Blocked {
    pub(super) waiting: KnownWait,
    pub(super) reason: Reason,
}

impl Blocked {
    pub(super) fn task(&self) -> &TaskRef {
        &self.waiting.task
    }
}

/// Those among them who may have what the others wait for.
pub(super) fn holders(blocked: &[Blocked]) -> Holders<'_> {
    Holders::among(blocked.iter().map(|one| &one.waiting))
}

/// Whether any green thread of the hub waits for something that another thread is to do.
pub(super) fn has_blocked(hub: &Hub) -> bool {
    let waits = |live: Live| live.with(TaskRef::reason) != Reason::Task;
    hub.lane().roster.borrow().iter().any(waits)
}

pub(super) fn blocked(hub: &Hub) -> Vec<Blocked> {
    let one =
        |live: Live| Blocked { waiting: KnownWait::of(live), reason: live.with(TaskRef::reason) };
    let all: Vec<_> = hub.lane().roster.borrow().iter().map(one).collect();
    all.into_iter().filter(|one| one.reason != Reason::Task).collect()
}

/// A line for each of them. Those that wait for the same thing, which the same thread has, and have no names, share a
/// line.
pub(super) fn describe(blocked: &[Blocked], most: usize) -> String {
    let holders = holders(blocked);
    let mut lines: Vec<(String, Vec<&Blocked>)> = Vec::new();
    let mut known = HashMap::new();
    for one in blocked {
        let holder = holders.of(&one.waiting);
        let waits = match (holder, one.reason) {
            (Some(task), Reason::Join) => format!("the end of {}", Name(task)),
            (Some(task), reason) if task == one.task() => {
                format!("{} that it holds itself", reason.text())
            }
            (Some(task), reason) => format!("{} held by {}", reason.text(), Name(task)),
            (None, reason) if one.waiting.is_held_elsewhere() => {
                format!("{} held elsewhere, by an OS thread say", reason.text())
            }
            (None, reason) => reason.text().to_string(),
        };
        let key = (one.task().name().map(str::to_string), waits.clone());
        let at = *known.entry(key).or_insert(lines.len());
        if at == lines.len() {
            lines.push((waits, Vec::new()));
        }
        lines[at].1.push(one);
    }
    let mut text = String::new();
    for (waits, all) in lines.iter().take(most) {
        let first = Name(all[0].task());
        let _ = match all.len() {
            1 => writeln!(text, "  {first} waits for {waits}"),
            count => writeln!(text, "  {first} and {} more like it wait for {waits}", count - 1),
        };
    }
    if let Some(rest) = lines.get(most..)
        && !rest.is_empty()
    {
        let more: usize = rest.iter().map(|(_, all)| all.len()).sum();
        let _ = writeln!(text, "  and {more} more");
    }
    text.truncate(text.trim_end().len());
    text
}

struct Name<'a>(&'a TaskRef);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.0.is_green() { "green thread" } else { "OS thread" };
        write!(f, "{kind} '{}' ({})", self.0, self.0.id())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::runtime::Runtime;
    use crate::runtime::hub::current;
    use crate::runtime::task::Reason;
    use crate::sync::{Arc, Mutex, Once, ReentrantMutex, RwLock};
    use crate::{JoinHandle, sleep, thread, yield_now};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    /// What every green thread of the hub waits for, and the name of who has that.
    fn waits() -> Vec<(String, Reason, Option<String>)> {
        let name = |task: &crate::runtime::task::TaskRef| task.name().unwrap_or("?").to_string();
        current::with_hub(|hub| {
            let blocked = super::blocked(hub);
            let holders = super::holders(&blocked);
            let wait = |at: usize| {
                let one = &blocked[at];
                (name(one.task()), one.reason, holders.of(&one.waiting).map(name))
            };
            let mut waits: Vec<_> =
                (0..blocked.len()).map(wait).filter(|wait| wait.0 != "main").collect();
            waits.sort_by(|a, b| a.0.cmp(&b.0));
            waits
        })
        .unwrap()
    }

    fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        let handle = thread::Builder::new().name(name.to_string()).spawn(body).unwrap();
        yield_now();
        handle
    }

    /// `hold` takes the lock and waits; `wait` waits for the lock.
    fn holder_of(
        reason: Reason,
        hold: impl FnOnce() + Send + 'static,
        wait: impl FnOnce() + Send + 'static,
    ) {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(move || {
                let a = spawn("a", hold);
                let b = spawn("b", wait);
                assert_eq!(waits()[1], ("b".into(), reason, Some("a".into())));
                a.thread().unpark();
                b.join().unwrap();
                assert!(waits().iter().all(|wait| wait.2.is_none()), "nobody waits any more");
            })
            .unwrap();
    }

    #[test]
    fn the_holder_of_each_lock_is_known() {
        let mutex = Arc::new(Mutex::new(()));
        let other = Arc::clone(&mutex);
        let hold = move || {
            let _guard = mutex.lock().unwrap();
            thread::park();
        };
        holder_of(Reason::Lock, hold, move || drop(other.lock()));

        let reentrant = Arc::new(ReentrantMutex::new(()));
        let other = Arc::clone(&reentrant);
        let hold = move || {
            let _guard = reentrant.lock();
            let _again = reentrant.lock();
            thread::park();
        };
        holder_of(Reason::Lock, hold, move || drop(other.lock()));

        for read in [false, true] {
            let lock = Arc::new(RwLock::new(()));
            let other = Arc::clone(&lock);
            let hold = move || {
                let _guard = lock.write().unwrap();
                thread::park();
            };
            holder_of(Reason::Lock, hold, move || {
                if read {
                    drop(other.read());
                } else {
                    drop(other.write());
                }
            });
        }

        let once = Arc::new(Once::new());
        let other = Arc::clone(&once);
        let hold = move || once.call_once(thread::park);
        holder_of(Reason::Once, hold, move || other.call_once(|| ()));
    }

    #[test]
    fn whom_a_join_waits_for_is_known_and_readers_are_not() {
        Runtime::new_current_thread()
            .unwrap()
            .run_local(|| {
                let sleeper = spawn("sleeper", || sleep(Duration::from_secs(3600)));
                let lock = Arc::new(RwLock::new(()));
                let other = Arc::clone(&lock);
                let done = Arc::new(AtomicBool::new(false));
                let seen = Arc::clone(&done);
                let reader = lock.read().unwrap();
                let writer = spawn("writer", move || drop(other.write()));
                let joiner = spawn("joiner", move || {
                    let sleeper = sleeper.join_timeout(Duration::from_millis(1)).unwrap_err();
                    seen.store(true, Ordering::Relaxed);
                    thread::park();
                    sleeper.kill();
                });
                let expected = [
                    ("joiner".into(), Reason::Join, Some("sleeper".into())),
                    ("sleeper".into(), Reason::Sleep, None),
                    ("writer".into(), Reason::Lock, None),
                ];
                assert_eq!(waits(), expected);
                while !done.load(Ordering::Relaxed) {
                    yield_now();
                }
                assert_eq!(waits()[0], ("joiner".into(), Reason::Park, None));
                drop(reader);
                writer.join().unwrap();
                joiner.thread().unpark();
                joiner.join().unwrap();
            })
            .unwrap();
    }
}
