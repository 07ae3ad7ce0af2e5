//! Everything that a handle can do.

use crate::support::{LIMIT, OnDrop, Random};
use crate::{alive, micros};
use greenthread::thread::{
    as_completed, as_completed_timeout, kill_all, park_timeout, spawn_local, wait_timeout,
};
use greenthread::{Builder, JoinHandle, shield, sleep, yield_now};
use std::sync::atomic::{AtomicUsize, Ordering};

static LINKS_ADDED: AtomicUsize = AtomicUsize::new(0);
static LINKS_CALLED: AtomicUsize = AtomicUsize::new(0);

/// Whether each link that was ever added has been called.
pub(crate) fn all_links_called() -> bool {
    LINKS_ADDED.load(Ordering::SeqCst) == LINKS_CALLED.load(Ordering::SeqCst)
}

/// What the values of green threads hold, so that one that is lost is counted among the blocks.
type Value = Box<u64>;

fn body(seed: u64, depth: u32) -> Value {
    let _alive = alive();
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
        3 if depth > 0 => family(&mut random, depth - 1),
        _ => {}
    }
    Box::new(seed)
}

fn make(random: &mut Random, depth: u32) -> JoinHandle<Value> {
    let seed = random.below(u64::MAX);
    let job = move || body(seed, depth);
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
        LINKS_ADDED.fetch_add(1, Ordering::SeqCst);
        handle.link(|_| {
            LINKS_CALLED.fetch_add(1, Ordering::SeqCst);
            yield_now();
        });
    }
    handle
}

/// Makes some green threads and ends with them in one of many ways.
fn family(random: &mut Random, depth: u32) {
    let mut handles: Vec<_> = (0..=random.below(5)).map(|_| make(random, depth)).collect();
    for handle in &handles {
        match random.below(6) {
            0 => handle.kill(),
            1 => handle.start(),
            2 => handle.thread().unpark(),
            _ => {}
        }
    }
    let seed = random.below(u64::MAX);
    let local = spawn_local(move || body(seed, 0));
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

pub(crate) fn storm(random: &mut Random) {
    family(random, 2);
}
