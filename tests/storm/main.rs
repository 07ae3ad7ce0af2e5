//! Storms: 100,000 green threads that are killed at random wherever they may wait. Nothing is left of them at the end, no
//! block of memory, no stack and no descriptor; no lock is poisoned and no permit lost. Repeatable by seed, up to the
//! scheduling of the workers.
//!
//! In a process of its own, and one after the other, since what is alive is counted for the whole process.

mod count;
mod group;
mod handles;
mod scope;
mod shared;
#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;
mod waits;

use count::Counts;
use greenthread::{JoinHandle, Runtime, sleep};
use shared::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{OnDrop, Random, workers};

/// Green threads in all storms together.
const GREEN_THREADS: usize = 100_000;
/// Those that are spawned together; each makes a few others.
const BATCH: usize = 1000;
/// A wait of this length does not end by itself.
const LONG: Duration = Duration::from_secs(100_000);

/// Green threads that have begun.
static BEGUN: AtomicUsize = AtomicUsize::new(0);
/// Those that have not ended.
static LIVING: AtomicUsize = AtomicUsize::new(0);

/// For the body of each green thread to hold.
fn alive() -> OnDrop<impl FnMut()> {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    LIVING.fetch_add(1, Ordering::SeqCst);
    OnDrop(|| {
        LIVING.fetch_sub(1, Ordering::SeqCst);
    })
}

fn micros(random: &mut Random, below: u64) -> Duration {
    Duration::from_micros(random.below(below))
}

fn one(seed: u64, shared: &Arc<Shared>) {
    let _alive = alive();
    let random = &mut Random(seed);
    match random.below(8) {
        0 => waits::storm(random),
        1 => scope::storm(random),
        2 => group::storm(random),
        3 => handles::storm(random),
        4 | 5 => shared::storm(random, shared),
        6 => shared::in_destructors(random, shared),
        _ => shared::channels(random, shared),
    }
}

/// Kills most of them, and sees that each ended for that, or by itself.
fn end(handles: Vec<JoinHandle<()>>, mut random: Random) {
    for handle in &handles {
        match random.below(8) {
            0 => sleep(micros(&mut random, 200)),
            1 => greenthread::yield_now(),
            _ => {}
        }
        if random.below(8) != 0 {
            handle.kill();
        }
    }
    sleep(Duration::from_millis(5));
    for handle in handles {
        // Those that were spared wait for ever, or have ended.
        handle.kill();
        if let Err(error) = handle.join() {
            assert!(error.is_killed(), "{error}");
        }
    }
}

fn batch(runtime: &Runtime, seed: u64) {
    let mut random = Random(seed);
    let shared = Arc::new(Shared::new());
    let make = |_| {
        let (seed, shared) = (random.below(u64::MAX) | 1, Arc::clone(&shared));
        runtime.spawn(move || one(seed, &shared))
    };
    let mut handles: Vec<_> = (0..BATCH).map(make).collect();
    // One half is killed from here, the other by a green thread.
    let other_half = handles.split_off(BATCH / 2);
    let seed = random.below(u64::MAX) | 1;
    let killer = runtime.spawn(move || end(other_half, Random(seed)));
    end(handles, random);
    killer.join().unwrap();
    support::until(|| LIVING.load(Ordering::SeqCst) == 0 && handles::all_links_called());
    let shared = Arc::into_inner(shared).expect("nobody is left who has it");
    runtime.run(move || shared.check()).unwrap();
}

/// On an OS thread of its own, so that what that one keeps for itself goes with it.
fn storms(flavour: fn() -> Runtime, seeds: std::ops::Range<u64>) {
    std::thread::spawn(move || {
        let runtime = flavour();
        for seed in seeds {
            batch(&runtime, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        }
        assert!(Counts::now().stacks > 0, "the stacks are not seen");
    })
    .join()
    .unwrap();
}

/// More than these may not be left: what is kept for the process's life grows with how many OS threads came together.
const SPARE_BLOCKS: isize = 100;

#[test]
fn nothing_is_left_of_a_hundred_thousand() {
    let flavours: [fn() -> Runtime; 3] = [|| workers(1), || workers(2), || workers(8)];
    // What is kept for the process's life is made.
    flavours.iter().for_each(|flavour| storms(*flavour, 1..2));
    let before = Counts::now();
    assert_eq!(before.stacks, 0);
    let mut seed = 2;
    while BEGUN.load(Ordering::SeqCst) < GREEN_THREADS {
        flavours.iter().for_each(|flavour| storms(*flavour, seed..seed + 4));
        seed += 4;
    }
    // OS threads of the pool end by themselves a moment later.
    let is_left = |now: Counts| {
        now.stacks != 0
            || now.blocks > before.blocks + SPARE_BLOCKS
            || now.descriptors > before.descriptors
            || now.os_threads > before.os_threads
    };
    let until = Instant::now() + support::LIMIT;
    while is_left(Counts::now()) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = Counts::now();
    assert!(!is_left(after), "before: {before:?}, after: {after:?}");
}
