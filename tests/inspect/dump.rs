//! What a dump says.

use crate::{end, on_each};
use greenthread::generator::{Generator, Yielder};
use greenthread::inspect::{self, Dump, Format, GreenThread, State, dump};
use greenthread::signal::Signal;
use greenthread::sync::{Condvar, Event, Mutex, RwLock, Semaphore, mpsc};
use greenthread::{Builder, JoinHandle, Runtime, future, sleep, thread, yield_now};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn named(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name.into()).spawn(body).unwrap()
}

/// A dump in which each of these waits, on a worker that answered: one that the system does not run for a while counts as held up.
fn dump_when_all_wait(all: &[&JoinHandle<()>]) -> Dump {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let dump = dump();
        let waits = |handle: &&JoinHandle<()>| {
            let seen = dump.find(handle.thread()).filter(|it| it.state == State::Waiting);
            seen.is_some_and(|it| it.stack_nearly_full || !it.backtrace.is_empty())
        };
        if all.iter().all(waits) {
            return dump;
        }
        assert!(Instant::now() < limit, "{dump}");
        yield_now();
    }
}

#[inline(never)]
fn waits_here(wait: impl FnOnce()) {
    wait();
    std::hint::black_box(());
}

fn waits(what: &str, body: impl FnOnce() + Send + 'static) -> GreenThread {
    let handle = named("waits", move || waits_here(body));
    let dump = dump_when_all_wait(&[&handle]);
    let seen = dump.find(handle.thread()).unwrap().clone();
    assert_eq!(seen.waits_for, Some(what));
    assert_eq!(seen.name.as_deref(), Some("waits"));
    let here = seen.backtrace.iter().any(|it| it.function.contains("waits_here"));
    assert!(here && seen.worker.is_some() && !seen.stack_nearly_full, "{seen:?}");
    let (used, size) = (seen.stack_used.unwrap(), seen.stack_size.unwrap());
    assert!(0 < used && used < size, "{used} of {size}");
    let first = seen.backtrace[0].file.as_deref().unwrap_or_default();
    assert!(!first.contains("/src/runtime/") && !first.contains("/coroutine/"), "{seen:#?}");
    end([handle]);
    seen
}

#[test]
fn each_kind_of_wait_has_its_words_and_its_place() {
    on_each(|| {
        waits("an unpark", thread::park);
        waits("an event", || Event::new().wait());
        waits("a permit of a semaphore", || drop(Semaphore::new(0).acquire()));
        let (_sender, receiver) = mpsc::channel::<u8>();
        waits("a value from a channel", move || _ = receiver.recv());
        waits("a future", || future::block_on(std::future::pending()));
        waits("a condition variable", || {
            let mutex = Mutex::new(());
            drop(Condvar::new().wait(mutex.lock().unwrap()));
        });
        let sleeper = waits("the end of a sleep", || sleep(Duration::from_secs(1000)));
        assert!(sleeper.waits_at_most.unwrap() > Duration::from_secs(900));
    });
}

#[test]
fn the_holder_of_a_lock_and_who_is_joined_are_named() {
    on_each(|| {
        let (mutex, lock) = (Arc::new(Mutex::new(())), Arc::new(RwLock::new(())));
        let (own_mutex, own_lock) = (Arc::clone(&mutex), Arc::clone(&lock));
        let holder = named("holder", move || {
            let _both = (own_mutex.lock(), own_lock.write());
            thread::park();
        });
        dump_when_all_wait(&[&holder]);
        let id = dump().find(holder.thread()).unwrap().id;
        let held_by = |seen: GreenThread| seen.held_by.map(|it| (it.id, it.name));
        let by_holder = Some((id, "holder".to_string()));
        // A lock's holder is told by its stack, which another worker's green threads have too.
        assert_eq!(held_by(waits("a lock", move || drop(mutex.lock()))), by_holder);
        assert_eq!(held_by(waits("a lock", move || drop(lock.read()))), by_holder);
        let joins = waits("the end of another", move || holder.join().unwrap());
        assert_eq!(held_by(joins), by_holder);
    });
}

#[test]
fn what_has_not_started_and_what_starts_later_is_there() {
    on_each(|| {
        let later = thread::spawn_later(Duration::from_secs(1000), || ());
        let seen = dump().find(later.thread()).unwrap().clone();
        assert!(seen.state == State::Delayed && seen.backtrace.is_empty(), "{seen:?}");
        end([later]);
    });
}

#[test]
fn age_turns_and_the_place_of_the_spawn_are_told() {
    on_each(|| {
        let line = line!() + 1;
        let handle = greenthread::spawn(|| {
            (0..10).for_each(|_| yield_now());
            thread::park();
        });
        // It parks only when it has had all of its turns.
        let dump = dump_when_all_wait(&[&handle]);
        let seen = dump.find(handle.thread()).unwrap();
        assert_eq!(seen.resumes, 11);
        assert!(seen.waits_since.unwrap() <= seen.age);
        let place = seen.spawned_at.as_deref().unwrap();
        assert!(place.starts_with(&format!("{}:{line}:", file!())), "{place}");
        end([handle]);
    });
}

#[test]
fn equal_ones_are_told_once_and_the_largest_group_first() {
    on_each(|| {
        let sleepers: Vec<_> =
            (0..300).map(|_| greenthread::spawn(|| waits_here(thread::park))).collect();
        let mut dump = dump_when_all_wait(&sleepers.iter().collect::<Vec<_>>());
        dump.threads.retain(|it| {
            sleepers.iter().any(|own| own.thread().id().to_string() == it.id.to_string())
        });
        let text = dump.to_string();
        assert!(text.starts_with("300 green threads\n"), "{text}");
        assert_eq!(
            text.matches("300 green threads wait for an unpark, since ").count(),
            1,
            "{text}"
        );
        assert!(text.contains(" and 295 more\n") && text.contains("spawned at tests/"), "{text}");
        assert_eq!(text.matches("waits_here").count(), 1, "{text}");
        end(sleepers);
    });
}

#[inline(never)]
fn waits_on_the_left(wait: impl FnOnce()) {
    wait();
    std::hint::black_box("left");
}

#[inline(never)]
fn waits_on_the_right(wait: impl FnOnce()) {
    wait();
    std::hint::black_box("right");
}

/// Their stacks are equally long, and there are so many that nearly all are known again and not unwound.
#[test]
fn those_at_other_places_with_equally_long_stacks_are_not_taken_for_one_another() {
    on_each(|| {
        let bodies: [fn(); 2] =
            [|| waits_on_the_left(thread::park), || waits_on_the_right(thread::park)];
        let all: Vec<_> = (0..60).map(|at| greenthread::spawn(bodies[at % 2])).collect();
        let dump = dump_when_all_wait(&all.iter().collect::<Vec<_>>());
        let mut lengths = Vec::new();
        for (at, handle) in all.iter().enumerate() {
            let seen = dump.find(handle.thread()).unwrap();
            let is_in = |name: &str| seen.backtrace.iter().any(|it| it.function.contains(name));
            let sides = (is_in("waits_on_the_left"), is_in("waits_on_the_right"));
            assert_eq!(sides, (at % 2 == 0, at % 2 == 1), "{at}: {seen:#?}");
            lengths.push(seen.stack_used);
        }
        lengths.sort_unstable();
        lengths.dedup();
        assert_eq!(lengths.len(), 1, "they were to be equally long");
        end(all);
    });
}

#[test]
fn json_has_what_the_text_has() {
    on_each(|| {
        let quoted = Builder::new()
            .name("quo\"ted\n".into())
            .label("request", "a\\b")
            .spawn(thread::park)
            .unwrap();
        dump_when_all_wait(&[&quoted]);
        let mut json = Vec::new();
        inspect::dump_to(&mut json, Format::Json).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let threads = value["threads"].as_array().unwrap();
        let seen = threads.iter().find(|it| it["name"] == "quo\"ted\n").unwrap();
        assert_eq!(seen["labels"]["request"], "a\\b");
        assert_eq!(seen["state"], "waiting");
        assert_eq!(seen["waits_for"], "an unpark");
        assert!(!seen["backtrace"].as_array().unwrap().is_empty());
        assert!(value["runtimes"].as_array().is_some_and(|all| !all.is_empty()));
        let mut text = Vec::new();
        inspect::dump_to(&mut text, Format::Text).unwrap();
        assert!(String::from_utf8(text).unwrap().contains("for an unpark, since "));
        end([quoted]);
    });
}

#[inline(never)]
fn computes_until(over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        std::hint::spin_loop();
    }
    std::hint::black_box(());
}

#[test]
fn who_keeps_a_worker_is_seen_and_so_are_those_behind() {
    let runtime = Runtime::builder().workers(1).thread_name("held").build().unwrap();
    let behind = runtime.spawn(thread::park);
    while dump().find(behind.thread()).is_none_or(|it| it.state != State::Waiting) {
        std::thread::yield_now();
    }
    let over = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&over);
    let hog = runtime.spawn(move || computes_until(&own));
    let new = runtime.spawn(|| ());
    let dump = loop {
        let dump = dump();
        if dump.find(hog.thread()).unwrap().state == State::Running {
            break dump;
        }
    };
    let seen = dump.find(hog.thread()).unwrap();
    assert!(
        seen.is_in("computes_until")
            || seen.backtrace.iter().any(|it| it.function.contains("spin_loop")),
        "{seen:#?}"
    );
    assert_eq!(dump.find(new.thread()).unwrap().state, State::New);
    let waits = dump.find(behind.thread()).unwrap();
    assert_eq!((waits.state, waits.waits_for), (State::Waiting, Some("an unpark")));
    let own = dump.runtimes.iter().find(|it| it.name.as_deref() == Some("held")).unwrap();
    assert!(!own.workers[0].answered && own.workers[0].started == 2, "{own:?}");
    assert!(dump.to_string().contains("held up"));
    over.store(true, Ordering::SeqCst);
    hog.join().unwrap();
    new.join().unwrap();
    assert!(dump_when_all_wait(&[&behind]).find(behind.thread()).unwrap().is_in("park"));
    end([behind]);
}

#[inline(never)]
fn deep(left: usize) -> u8 {
    let room = std::hint::black_box([0u8; 1024]);
    if left == 0 {
        thread::park();
        return room[0];
    }
    std::hint::black_box(deep(left - 1)) + room[0]
}

#[test]
fn a_stack_that_is_nearly_full_is_left_alone() {
    on_each(|| {
        let mut depths = 0;
        loop {
            let deep = move || _ = deep(depths);
            let handle = Builder::new().stack_size(64 * 1024).spawn(deep).unwrap();
            let dump = dump_when_all_wait(&[&handle]);
            let seen = dump.find(handle.thread()).unwrap();
            assert!(seen.stack_used.unwrap() > depths * 1024);
            assert_eq!(seen.stack_nearly_full, seen.backtrace.is_empty());
            let full = seen.stack_nearly_full;
            // A kill would unwind, and take more of the stack than is left.
            handle.thread().unpark();
            handle.join().unwrap();
            if full {
                break;
            }
            depths += 1;
        }
        assert!(depths > 0);
    });
}

#[test]
fn one_inside_a_generator_is_seen_there() {
    on_each(|| {
        let handle = greenthread::spawn(|| {
            let mut items = Generator::new(|yielder: &Yielder<u8>| {
                waits_here(thread::park);
                yielder.yield_(1);
            });
            assert_eq!(items.next(), Some(1));
        });
        let dump = dump_when_all_wait(&[&handle]);
        let seen = dump.find(handle.thread()).unwrap();
        assert!(seen.backtrace.iter().any(|it| it.function.contains("waits_here")), "{seen:#?}");
        handle.thread().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn a_spawned_future_is_there_without_a_stack() {
    on_each(|| {
        let handle = future::spawn(std::future::pending::<()>());
        let dump = loop {
            let dump = dump();
            if dump.find(handle.thread()).unwrap().state == State::Waiting {
                break dump;
            }
            yield_now();
        };
        let seen = dump.find(handle.thread()).unwrap();
        assert_eq!((seen.waits_for, seen.stack_used), (Some("a future"), None));
        end([handle]);
    });
}

struct Sends(std::sync::mpsc::Sender<String>);

impl Write for Sends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        self.0.send(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_signal_has_one_written() {
    let (sender, dumps) = std::sync::mpsc::channel();
    inspect::dump_on(Signal::USR2, Format::Text, Sends(sender)).unwrap();
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let waits = runtime.spawn(|| waits_here(thread::park));
    while dump().find(waits.thread()).is_none_or(|it| it.state != State::Waiting) {
        std::thread::yield_now();
    }
    for _ in 0..2 {
        let own = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-USR2", &own]).status().unwrap();
        assert!(sent.success());
        let text = dumps.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(text.contains("waits_here"), "{text}");
    }
    end([waits]);
}

#[test]
fn a_watchdogs_report_has_one_written() {
    let (sender, dumps) = std::sync::mpsc::channel();
    inspect::dump_on_report(Format::Text, Sends(sender));
    let watched = Duration::from_millis(20);
    let runtime = Runtime::builder().workers(1).watchdog(watched).build().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&over);
    let computes = move || computes_until(&own);
    let hog = runtime.spawn(|| Builder::new().name("the hog".into()).spawn(computes).unwrap());
    let hog = hog.join().unwrap();
    // Watchdogs of other tests may report too.
    while !dumps.recv_timeout(Duration::from_secs(60)).unwrap().contains("'the hog'") {}
    over.store(true, Ordering::SeqCst);
    hog.join().unwrap();
}
