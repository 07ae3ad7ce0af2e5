//! A kill or a timeout that ends a wait takes nothing along: each row of the table in SOUNDNESS, by counting.
//!
//! A storm brings about the same meeting many times: somebody waits, is killed or out of time, and what it waits for comes
//! in the same moment, before or after. Whatever the order, what came is with the one who waited, or where the table says.

mod descriptors;
mod items;
mod locks;

use crate::support::{LIMIT, Random, within_limit, workers};
use greenthread::thread::{current, park, park_timeout};
use greenthread::{JoinHandle, Runtime, shield, sleep, spawn, timeout, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How a row is tested.
enum Test {
    /// Called again and again.
    Storm(fn(&mut Random)),
    /// As that, and each takes its time.
    Slow(fn(&mut Random)),
    /// A file, and the name of a test in it.
    Elsewhere(&'static str, &'static str),
}

/// The first column of the table in SOUNDNESS.
const ROWS: &[(&str, &[Test])] = &[
    ("`park`", &[Test::Storm(a_permit_of_park)]),
    ("mutexes, `RwLock`, `ReentrantMutex`", &[Test::Storm(locks::locks)]),
    (
        "`Condvar`, and its wait for the mutex afterwards",
        &[
            Test::Storm(locks::notifications),
            Test::Storm(locks::notifications_for_all),
            Test::Elsewhere(
                include_str!("sync/condvar.rs"),
                "who_is_interrupted_on_the_way_back_to_the_mutex_passes_the_notification_on",
            ),
        ],
    ),
    ("semaphores", &[Test::Storm(locks::permits)]),
    ("`Barrier`, `CyclicBarrier`", &[Test::Storm(locks::places)]),
    ("`Event`, `Latch`, `OnceLock::wait`, `join`", &[Test::Storm(locks::what_stays)]),
    ("`WaitGroup`, `join` of a queue", &[Test::Storm(locks::rounds)]),
    ("`Once` and its like, while another initializes", &[Test::Storm(locks::initializations)]),
    ("scopes and groups, while they wait for their children", &[Test::Storm(locks::children)]),
    ("`recv` of a channel, `get` of a queue", &[Test::Storm(items::received)]),
    ("`recv` from hand to hand", &[Test::Storm(items::hand_to_hand)]),
    ("`send`, `put`", &[Test::Storm(items::sent)]),
    ("`select!`", &[Test::Storm(items::selected), Test::Storm(items::selected_to_send)]),
    ("`mpmc::Select`", &[Test::Storm(items::listed), Test::Storm(items::chosen)]),
    ("`wait`, `as_completed` of threads", &[Test::Storm(items::handles)]),
    (
        "`next` of `imap` and `imap_unordered` of pools, of `map` and `map_unordered` of executors",
        &[Test::Storm(items::mapped)],
    ),
    (
        "sockets, pipes: read, receive, accept",
        &[Test::Storm(descriptors::bytes), Test::Slow(descriptors::messages)],
    ),
    ("sockets, pipes: write", &[Test::Slow(descriptors::written)]),
    (
        "standard input: a line, a string, so many bytes",
        &[Test::Elsewhere(
            include_str!("../../src/io/stdin_buffer.rs"),
            "an_interruption_takes_no_part_along",
        )],
    ),
    ("files, names, `blocking`", &[Test::Slow(descriptors::operations)]),
    (
        "`Child::wait`, `output`",
        &[Test::Elsewhere(
            include_str!("process.rs"),
            "waiters_that_are_killed_or_time_out_leave_the_others_waiting",
        )],
    ),
    (
        "starting a process",
        &[Test::Elsewhere(
            include_str!("process.rs"),
            "killed_green_threads_leave_no_child_behind",
        )],
    ),
    // Their items come by a channel of this library.
    ("signals", &[Test::Storm(items::received)]),
    (
        "`process::shared`: get, lock",
        &[
            Test::Elsewhere(include_str!("../processes/shared.rs"), "killed_waiters"),
            Test::Elsewhere(include_str!("../processes/shared.rs"), "in_doubt"),
        ],
    ),
    (
        "`process::shared`: put, insert, remove",
        &[
            Test::Elsewhere(include_str!("../processes/kept.rs"), "killed_half_way"),
            Test::Elsewhere(include_str!("../processes/kept.rs"), "killed_while_decoding"),
        ],
    ),
    (
        "encoding a handle of `process::shared`",
        &[Test::Elsewhere(include_str!("../processes/shared.rs"), "sent_to_nobody")],
    ),
];

#[test]
fn every_row_of_the_table_is_tested() {
    let soundness = include_str!("../../src/SOUNDNESS.md");
    let table = soundness.split("## What an interruption may take").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let names = rows.map(|row| row.split('|').nth(1).unwrap().trim());
    let names: Vec<_> = names.filter(|name| !name.is_empty()).collect();
    assert_eq!(names, ROWS.iter().map(|row| row.0).collect::<Vec<_>>());
    for (row, tests) in ROWS {
        for test in *tests {
            if let Test::Elsewhere(file, name) = test {
                assert!(file.contains(&format!("fn {name}(")), "{row}: there is no {name}");
            }
        }
    }
}

fn storm_on(runtime: &Runtime, seed: u64) {
    for (number, (row, tests)) in ROWS.iter().enumerate() {
        for test in *tests {
            let (storm, rounds) = match test {
                Test::Storm(storm) => (*storm, 60),
                Test::Slow(storm) => (*storm, 15),
                Test::Elsewhere(..) => continue,
            };
            // What a hang is a hang of.
            eprintln!("{row}");
            let mut random = Random(seed * 1000 + number as u64 + 1);
            let rounds = move || (0..rounds).for_each(|_| storm(&mut random));
            if let Err(error) = runtime.run(rounds) {
                panic!("{row}: {error}");
            }
        }
    }
}

#[test]
fn what_comes_in_the_moment_of_an_interruption_is_not_lost() {
    within_limit(|| {
        storm_on(&Runtime::new_current_thread().unwrap(), 1);
        for count in [1, 2, 4] {
            storm_on(&workers(count), 1 + count as u64);
        }
    });
}

fn pause(random: &mut Random) {
    match random.below(6) {
        0 => sleep(Duration::from_micros(random.below(60))),
        1..4 => (0..random.below(4)).for_each(|_| yield_now()),
        _ => {}
    }
}

/// Somebody waits in `wait`, and is interrupted about when `meanwhile` brings what it waits for. What `wait` returned; `None`
/// if it did not get so far.
fn strike<T: Send + 'static>(
    random: &mut Random,
    wait: impl FnOnce() -> T + Send + 'static,
    meanwhile: impl FnOnce(),
) -> Option<T> {
    let killed = random.below(2) == 0;
    let limit = Duration::from_micros(random.below(100));
    let handle: JoinHandle<Option<T>> =
        if killed { spawn(move || Some(wait())) } else { spawn(move || timeout(limit, wait).ok()) };
    pause(random);
    let kill_first = random.below(2) == 0;
    if killed && kill_first {
        handle.kill();
        pause(random);
    }
    meanwhile();
    pause(random);
    if killed && !kill_first {
        handle.kill();
    }
    match handle.join() {
        Ok(got) => got,
        Err(error) => {
            assert!(error.is_killed(), "{error}");
            None
        }
    }
}

/// Until it is there, which it must be sooner or later: others may be on their way.
fn there<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < LIMIT / 4, "it is lost");
        yield_now();
    }
}

fn a_permit_of_park(random: &mut Random) {
    let used = Arc::new(AtomicU32::new(0));
    let uses = Arc::clone(&used);
    let killed = random.below(2) == 0;
    let limit = Duration::from_micros(random.below(100));
    let begun = Arc::new(AtomicU32::new(0));
    let begins = Arc::clone(&begun);
    let handle = spawn(move || {
        begins.store(1, Ordering::SeqCst);
        let parks = || timeout(if killed { LIMIT } else { limit }, park);
        if !std::panic::catch_unwind(parks).is_ok_and(|parked| parked.is_ok()) {
            // The permit is there, or comes.
            shield(park);
        }
        uses.fetch_add(1, Ordering::SeqCst);
    });
    there(|| (begun.load(Ordering::SeqCst) == 1).then_some(()));
    pause(random);
    let kill_first = random.below(2) == 0;
    if killed && kill_first {
        handle.kill();
        pause(random);
    }
    handle.thread().unpark();
    if killed && !kill_first {
        handle.kill();
    }
    if let Err(error) = handle.join() {
        assert!(error.is_killed());
    }
    assert_eq!(used.load(Ordering::SeqCst), 1);
}

#[test]
fn a_permit_that_comes_in_time_is_used_up() {
    crate::support::on_all_runtimes(|| {
        let me = current();
        let giver = spawn(move || me.unpark());
        park();
        giver.join().unwrap();
        let began = std::time::Instant::now();
        park_timeout(Duration::from_millis(2));
        assert!(began.elapsed() >= Duration::from_millis(2), "there is no other");
        sleep(Duration::ZERO);
    });
}
