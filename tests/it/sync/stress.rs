//! Seeded stress: random delays, timeouts and kills, and in the end everything is still there.

use super::{LONG, Random, runtime};
use greenthread::sync::{Arc, Condvar, Mutex, RwLock, Semaphore};
use greenthread::{sleep, yield_now};
use std::time::Duration;

fn pause(random: &mut Random) {
    match random.below(8) {
        0 => sleep(Duration::from_micros(random.below(300))),
        1..4 => yield_now(),
        _ => {}
    }
}

/// Runs `body` on many green threads of two runtimes and on an OS thread; one runtime is dropped half-way.
fn survive(seed: u64, body: impl Fn(&mut Random) + Clone + Send + 'static) {
    let (doomed, rest) = (runtime(2), runtime(2));
    let work = |i: u64, rounds: u64| {
        let body = body.clone();
        move || {
            let mut random = Random(seed * 1000 + i + 1);
            for _ in 0..rounds {
                body(&mut random);
            }
        }
    };
    for i in 0..20 {
        doomed.spawn(work(i, u64::MAX));
    }
    let handles: Vec<_> = (20..40).map(|i| rest.spawn(work(i, 100))).collect();
    let os = std::thread::spawn(work(99, 100));
    sleep(Duration::from_millis(15));
    drop(doomed);
    for handle in handles {
        handle.join().unwrap();
    }
    os.join().unwrap();
}

#[test]
fn permits_are_all_back_after_kills_and_timeouts() {
    for seed in 1..6 {
        let semaphore = Arc::new(Semaphore::new(3));
        let used = Arc::clone(&semaphore);
        survive(seed, move |random| {
            let permit = match random.below(3) {
                0 => used.acquire_timeout(Duration::from_micros(random.below(200))),
                _ => Some(used.acquire()),
            };
            if permit.is_some() {
                pause(random);
            }
            drop(permit);
            pause(random);
        });
        assert_eq!(semaphore.available(), 3);
        assert!(semaphore.try_acquire().is_some());
    }
}

#[test]
fn locks_exclude_and_are_free_after_kills_and_timeouts() {
    for seed in 1..6 {
        let mutex = Arc::new(Mutex::new((0u64, 0u64)));
        let used = Arc::clone(&mutex);
        survive(seed, move |random| {
            let guard = match random.below(3) {
                0 => used.lock_timeout(Duration::from_micros(random.below(200))).ok(),
                _ => Some(used.lock().unwrap()),
            };
            if let Some(mut guard) = guard {
                guard.0 += 1;
                assert_eq!(guard.0, guard.1 + 1, "alone inside");
                guard.1 += 1;
                drop(guard);
                // Suspend while holding it, too.
                let guard = used.lock().unwrap();
                pause(random);
                drop(guard);
            }
            pause(random);
        });
        let guard = mutex.lock_timeout(LONG).expect("free, and not poisoned");
        assert!(guard.0 == guard.1 && guard.0 > 0);
    }
}

#[test]
fn readers_and_writers_survive_kills_and_timeouts() {
    for seed in 1..6 {
        let lock = Arc::new(RwLock::new(0u64));
        let used = Arc::clone(&lock);
        survive(seed, move |random| {
            let brief = Duration::from_micros(random.below(200));
            match random.below(5) {
                0 => drop(used.write_timeout(brief).map(|mut guard| *guard += 1)),
                1 => *used.write().unwrap() += 1,
                2 => {
                    let guard = used.read_timeout(brief);
                    pause(random);
                    drop(guard);
                }
                3 => {
                    let mut guard = used.write().unwrap();
                    *guard += 1;
                    pause(random);
                    let guard = greenthread::sync::RwLockWriteGuard::downgrade(guard);
                    pause(random);
                    drop(guard);
                }
                _ => {
                    let guard = used.read().unwrap();
                    pause(random);
                    drop(guard);
                }
            }
        });
        drop(lock.write_timeout(LONG).expect("free, and not poisoned"));
    }
}

/// Items go through a queue made of a mutex and a condition; as many come out as went in.
#[test]
fn no_item_is_lost_behind_a_condition_under_kills_and_timeouts() {
    for seed in 1..6 {
        let shared = Arc::new((Mutex::new((Vec::new(), 0u64, 0u64)), Condvar::new()));
        let used = Arc::clone(&shared);
        survive(seed, move |random| {
            let (mutex, changed) = &*used;
            if random.below(2) == 0 {
                let mut guard = mutex.lock().unwrap();
                guard.0.push(());
                guard.1 += 1;
                drop(guard);
                changed.notify_one();
            } else {
                let brief = Duration::from_micros(random.below(500));
                let guard = mutex.lock().unwrap();
                let (mut guard, _) =
                    changed.wait_timeout_while(guard, brief, |state| state.0.is_empty()).unwrap();
                guard.2 += u64::from(guard.0.pop().is_some());
            }
            pause(random);
        });
        let guard = shared.0.lock().unwrap();
        assert_eq!(guard.1 - guard.2, guard.0.len() as u64);
    }
}
