//! Green threads that wait for ever, beside others that go on.

use crate::{end, on_each};
use greenthread::inspect::{Leaks, State, dump, leaks, leaks_older_than};
use greenthread::sync::{Arc, Event, Mutex, mpsc};
use greenthread::thread::{self, Thread, ThreadId};
use greenthread::{Builder, JoinHandle, Runtime, spawn, yield_now};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn named(name: &str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name.into()).spawn(body).unwrap()
}

/// Looks until `found` finds something.
fn until<T>(look: impl Fn() -> Leaks, mut found: impl FnMut(&Leaks) -> Option<T>) -> T {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let leaks = look();
        if let Some(found) = found(&leaks) {
            return found;
        }
        assert!(Instant::now() < limit, "not found in: {leaks}");
        yield_now();
    }
}

fn unpark(id: u64) {
    let is_it = |it: &&Thread| it.id().to_string() == id.to_string();
    thread::enumerate().iter().find(is_it).expect("it has not ended").unpark();
}

fn has(leaks: &Leaks, id: ThreadId) -> bool {
    leaks.forgotten.iter().any(|it| it.id.to_string() == id.to_string())
}

#[inline(never)]
fn waits_to_be_unparked() {
    thread::park();
    std::hint::black_box(());
}

#[test]
fn one_that_parks_and_that_nobody_has_a_handle_of_is_forgotten() {
    on_each(|| {
        drop(named("forgotten-1", waits_to_be_unparked));
        let of = |leaks: &Leaks| {
            leaks.forgotten.iter().find(|it| it.name.as_deref() == Some("forgotten-1")).cloned()
        };
        let seen = until(leaks, of);
        assert!(seen.is_in("waits_to_be_unparked"), "{seen:?}");
        assert!(seen.spawned_at.unwrap().contains("leaks.rs"));
        unpark(seen.id);
    });
}

/// Each of these can be woken: by a handle that somebody has, by time, or by who joins it.
#[test]
fn one_that_somebody_can_wake_is_not_forgotten() {
    on_each(|| {
        let joined = named("joined", thread::park);
        let detached = named("detached", thread::park);
        let kept = detached.thread().clone();
        drop(detached);
        let (give, take) = mpsc::channel();
        let own = spawn(move || {
            // Its own handle lies where nobody looks.
            give.send(thread::current()).unwrap();
            thread::park();
        });
        let id = own.thread().id();
        drop(own);
        let timed = spawn(|| thread::park_timeout(Duration::from_secs(1000)));
        let (timed_id, kill) = (timed.thread().id(), timed);
        let all = [joined.thread().id(), kept.id(), id, timed_id];
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let seen = dump();
            let parked = |id: &ThreadId| {
                let mut all = seen.threads.iter();
                let it = all.find(|it| it.id.to_string() == id.to_string());
                it.is_some_and(|it| it.state == State::Waiting && it.waits_for == Some("an unpark"))
            };
            if all.iter().all(parked) {
                break;
            }
            assert!(Instant::now() < limit, "{seen}");
            yield_now();
        }
        for _ in 0..3 {
            let leaks = leaks();
            assert!(!all.iter().any(|id| has(&leaks, *id)), "{leaks}");
        }
        kept.unpark();
        take.recv().unwrap().unpark();
        joined.thread().unpark();
        joined.join().unwrap();
        end([kill]);
    });
}

#[test]
fn who_waits_for_a_lock_of_a_forgotten_one_is_behind_it() {
    on_each(|| {
        let mutex = Arc::new(Mutex::new(()));
        let own = Arc::clone(&mutex);
        drop(named("forgotten-2", move || {
            let _held = own.lock();
            thread::park();
        }));
        let id = until(leaks, |leaks| {
            let mut all = leaks.forgotten.iter();
            all.find(|it| it.name.as_deref() == Some("forgotten-2")).map(|it| it.id)
        });
        let second = named("second", move || drop(mutex.lock()));
        let third = named("third", move || second.join().unwrap());
        let names = until(leaks, |leaks| {
            let behind = leaks.behind_forgotten.iter();
            let mut names: Vec<_> = behind.filter_map(|it| it.name.clone()).collect();
            names.retain(|name| ["second", "third"].contains(&name.as_str()));
            names.sort();
            (names.len() == 2).then_some(names)
        });
        assert_eq!(names, ["second", "third"]);
        unpark(id);
        third.join().unwrap();
    });
}

#[inline(never)]
fn waits_for_an_answer(event: &Event) {
    event.wait();
    std::hint::black_box(());
}

/// A request for each, of which no answer ever comes; beside them some that are answered.
#[test]
fn waits_that_become_more_and_never_end_are_told_by_where_they_were_spawned() {
    on_each(|| {
        let never = Arc::new(Event::new());
        let ask = || {
            let never = Arc::clone(&never);
            spawn(move || waits_for_an_answer(&never))
        };
        let look = || leaks_older_than(Duration::ZERO);
        let mine = |leaks: &Leaks, count: usize| {
            let mut all = leaks.long_waits.iter();
            all.find(|it| it.count == count && it.example.is_in("waits_for_an_answer")).cloned()
        };
        let mut asked: Vec<_> = (0..3).map(|_| ask()).collect();
        let earlier = until(look, |leaks| mine(leaks, 3).map(|_| leaks.clone()));
        assert!(
            look().grown_since(&earlier).iter().all(|(it, _)| mine(&earlier, it.count).is_none())
        );
        asked.extend((0..4).map(|_| ask()));
        let (text, json) = until(look, |leaks| {
            let grown = leaks.grown_since(&earlier);
            let (group, before) = grown
                .iter()
                .find(|(it, _)| it.count == 7 && it.example.is_in("waits_for_an_answer"))?;
            assert_eq!((*before, group.waits_for), (3, Some("an event")));
            assert!(group.spawned_at.as_ref().unwrap().contains("leaks.rs"));
            Some((group.to_string(), leaks.to_json()))
        });
        assert!(text.starts_with("7 green threads have waited for an event for "), "{text}");
        assert!(json.contains("\"long_waits\":[{\"count\":"), "{json}");
        // Where one has gone on, that is no leak.
        asked.pop().unwrap().kill();
        asked.remove(0).kill();
        asked.extend((0..5).map(|_| ask()));
        let later = until(look, |leaks| mine(leaks, 10).map(|_| leaks.clone()));
        assert!(!later.grown_since(&earlier).iter().any(|(it, _)| it.count == 10));
        end(asked);
    });
}

fn computes(over: &AtomicBool, turns: &AtomicU64) {
    while !over.load(Ordering::SeqCst) {
        turns.fetch_add(1, Ordering::SeqCst);
    }
}

/// A leak, a circle of locks and one that computes, beside traffic that goes on: each is named by its own tool.
#[test]
fn each_fault_of_a_program_is_named_by_its_tool() {
    let runtime = Runtime::builder().workers(3).build().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel::<u64>();
    let (echo, echoed) = mpsc::channel::<u64>();
    let traffic = runtime.spawn(move || receiver.iter().for_each(|it| echo.send(it).unwrap()));
    let locks: Arc<[Mutex<()>; 2]> = Arc::default();
    let both = Arc::new(greenthread::sync::Barrier::new(2));
    let takers = [0, 1].map(|at| {
        let (locks, both) = (Arc::clone(&locks), Arc::clone(&both));
        let body = move || {
            let _own = locks[at].lock();
            both.wait();
            let _other = locks[1 - at].lock();
        };
        runtime.spawn(move || named(&format!("taker-{at}"), body)).join().unwrap()
    });
    runtime.spawn(|| drop(named("left alone", waits_to_be_unparked))).join().unwrap();
    // These two are there before one keeps a worker to itself.
    let found = until(leaks, |leaks| {
        let of_two = |cycle: &&greenthread::inspect::Cycle| {
            cycle
                .threads
                .iter()
                .all(|it| it.name.as_ref().is_some_and(|it| it.starts_with("taker-")))
        };
        let cycle = leaks.cycles.iter().find(of_two)?.threads.len();
        let alone = leaks.forgotten.iter().find(|it| it.name.as_deref() == Some("left alone"))?;
        Some((cycle, alone.clone()))
    });
    assert_eq!(found.0, 2);
    assert!(found.1.is_in("waits_to_be_unparked"));
    sender.send(1).unwrap();
    assert_eq!(echoed.recv(), Ok(1));
    let turns = Arc::new(AtomicU64::new(0));
    let hog = {
        let (over, turns) = (Arc::clone(&over), Arc::clone(&turns));
        runtime.spawn(move || named("hog", move || computes(&over, &turns))).join().unwrap()
    };
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = dump();
        let running = |it: &&greenthread::inspect::GreenThread| {
            it.name.as_deref() == Some("hog") && it.state == State::Running
        };
        if let Some(it) = seen.threads.iter().find(running)
            && it.is_in("computes")
        {
            let worker = it.worker.expect("it has started");
            assert!(!seen.runtimes[it.runtime].workers[worker].answered);
            break;
        }
        assert!(Instant::now() < limit, "{seen}");
    }
    assert!(turns.load(Ordering::SeqCst) > 0);
    over.store(true, Ordering::SeqCst);
    hog.join().unwrap();
    end(takers);
    runtime.spawn(move || unpark(found.1.id)).join().unwrap();
    drop(sender);
    traffic.join().unwrap();
}
