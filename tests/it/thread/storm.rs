//! Everything that a handle can do, at random, with kills: nothing is leaked, nothing hangs.

use crate::support::{LIMIT, OnDrop, Random, within_limit, workers};
use greenthread::thread::{
    as_completed, as_completed_timeout, kill_all, park_timeout, spawn_local, wait_timeout,
};
use greenthread::{Builder, JoinHandle, Runtime, shield, sleep, spawn, yield_now};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[derive(Clone)]
struct Counts {
    /// One share for each closure, link and value that is alive.
    alive: Arc<()>,
    links_added: Arc<AtomicUsize>,
    links_called: Arc<AtomicUsize>,
}

fn micros(random: &mut Random, below: u64) -> Duration {
    Duration::from_micros(random.below(below))
}

fn body(seed: u64, depth: u32, counts: &Counts) -> Arc<()> {
    let mut random = Random(seed | 1);
    let _in_drop = OnDrop(|| {
        if seed.is_multiple_of(3) {
            // Shielded: where a destructor unwinds out of a function that returns, the compiler leaks the value.
            shield(yield_now);
        }
    });
    match random.below(5) {
        0 => yield_now(),
        1 => sleep(micros(&mut random, 500)),
        2 => park_timeout(micros(&mut random, 500)),
        3 if depth > 0 => family(&mut random, depth - 1, counts),
        _ => {}
    }
    Arc::clone(&counts.alive)
}

fn make(random: &mut Random, depth: u32, counts: &Counts) -> JoinHandle<Arc<()>> {
    let (seed, own) = (random.below(u64::MAX), counts.clone());
    let job = move || body(seed, depth, &own);
    let builder = Builder::new();
    let handle = match random.below(6) {
        0 => builder.spawn_later(micros(random, 1000), job),
        1 => builder.spawn_later(LIMIT * 100, job).inspect(JoinHandle::kill),
        2 => builder.start_paused().spawn(job),
        3 => builder.daemon(true).spawn(job),
        4 => builder.label("seed", seed.to_string()).spawn(job),
        _ => builder.spawn(job),
    };
    let handle = handle.unwrap();
    for _ in 0..random.below(3) {
        let counts = counts.clone();
        counts.links_added.fetch_add(1, Ordering::SeqCst);
        handle.link(move |_| {
            counts.links_called.fetch_add(1, Ordering::SeqCst);
            yield_now();
        });
    }
    handle
}

/// Makes some green threads and ends with them in one of many ways.
fn family(random: &mut Random, depth: u32, counts: &Counts) {
    let mut handles: Vec<_> = (0..=random.below(5)).map(|_| make(random, depth, counts)).collect();
    for handle in &handles {
        match random.below(6) {
            0 => handle.kill(),
            1 => handle.start(),
            2 => handle.thread().unpark(),
            _ => {}
        }
    }
    let share = counts.clone();
    let seed = random.below(u64::MAX);
    let local = spawn_local(move || body(seed, 0, &share));
    if random.below(2) == 0 {
        local.kill();
    }
    match random.below(7) {
        0 => drop(handles),
        1 => as_completed(handles).for_each(|handle| drop(handle.join())),
        2 => {
            let mut completed = as_completed_timeout(handles, micros(random, 500));
            completed.by_ref().take(2).for_each(|handle| drop(handle.join()));
            kill_all(completed.into_pending());
        }
        3 => drop(wait_timeout(handles, 2, micros(random, 500))),
        4 => {
            kill_all(&handles);
            handles.drain(..).for_each(|handle| drop(handle.join()));
        }
        5 => {
            for handle in handles {
                if let Err(handle) = handle.join_timeout(micros(random, 300)) {
                    assert!(handle.kill_and_wait(LIMIT));
                }
            }
        }
        _ => handles.drain(..).for_each(|handle| drop(handle.join())),
    }
    drop(local.join());
}

fn storm(runtime: &Runtime, seed: u64) {
    let counts =
        Counts { alive: Arc::new(()), links_added: Arc::default(), links_called: Arc::default() };
    let own = counts.clone();
    let main = move || {
        let mut random = Random(seed);
        for _ in 0..40 {
            let counts = own.clone();
            let seed = random.below(u64::MAX) | 1;
            let handle = spawn(move || family(&mut Random(seed), 3, &counts));
            sleep(micros(&mut random, 300));
            if random.below(3) == 0 {
                handle.kill();
            }
        }
    };
    runtime.run(main).unwrap();
    let Counts { alive, links_added, links_called } = counts;
    // A paused one that was dropped may be on its way to its end.
    crate::support::until(|| Arc::strong_count(&alive) == 1);
    assert_eq!(
        links_added.load(Ordering::SeqCst),
        links_called.load(Ordering::SeqCst),
        "seed {seed}"
    );
}

#[test]
fn kills_at_random() {
    within_limit(|| {
        for seed in 1..=10 {
            storm(&Runtime::new_current_thread().unwrap(), seed * 0x9e37_79b9);
            for count in [1, 2, 8] {
                storm(&workers(count), seed * 0x85eb_ca6b);
            }
        }
    });
}
