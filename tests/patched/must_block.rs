//! Crates whose waits are bound to their OS thread and so cannot suspend: they work where that is possible, and else the user is
//! told. Nothing is corrupted, nothing spins.

use crate::children::{
    a_receive_blocks_its_worker_and_tells, in_child, receives_work_between_two_workers, two,
};
use crate::{join_all, on};
use greenthread::spawn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is told of parking_lot's.
const FOREIGN: &str = "in a futex of a form that std does not use, as parking_lot's locks do";

#[test]
fn a_crossbeam_channel_blocks_its_worker_and_tells() {
    let (sender, receiver) = crossbeam_channel::bounded(0);
    a_receive_blocks_its_worker_and_tells(
        "must_block::a_crossbeam_channel_blocks_its_worker_and_tells",
        move || receiver.recv().unwrap(),
        move |number| sender.send(number).unwrap(),
    );
}

#[test]
fn a_crossbeam_channel_works_between_two_workers() {
    let (sender, receiver) = crossbeam_channel::bounded(0);
    receives_work_between_two_workers(
        "must_block::a_crossbeam_channel_works_between_two_workers",
        move || receiver.recv().unwrap(),
        move |number| sender.send(number).unwrap(),
    );
}

#[test]
fn a_channel_of_flume_blocks_its_worker_and_tells() {
    let (sender, receiver) = flume::bounded(0);
    a_receive_blocks_its_worker_and_tells(
        "must_block::a_channel_of_flume_blocks_its_worker_and_tells",
        move || receiver.recv().unwrap(),
        move |number| sender.send(number).unwrap(),
    );
}

#[test]
fn a_channel_of_flume_works_between_two_workers() {
    let (sender, receiver) = flume::bounded(0);
    receives_work_between_two_workers(
        "must_block::a_channel_of_flume_works_between_two_workers",
        move || receiver.recv().unwrap(),
        move |number| sender.send(number).unwrap(),
    );
}

#[test]
fn a_lock_of_parking_lots_held_over_a_wait_blocks_its_worker_and_tells() {
    let lock = Arc::new(parking_lot::Mutex::new(()));
    let own = Arc::clone(&lock);
    let outcome = two(
        "must_block::a_lock_of_parking_lots_held_over_a_wait_blocks_its_worker_and_tells",
        1,
        move || {
            let _guard = own.lock();
            std::thread::sleep(Duration::from_millis(100));
        },
        move || drop(lock.lock()),
    );
    outcome.hangs_and_tells(FOREIGN);
}

#[test]
fn locks_of_parking_lots_that_are_not_held_over_a_wait_work() {
    let test = "must_block::locks_of_parking_lots_that_are_not_held_over_a_wait_work";
    let outcome = in_child(test, || {
        on(2, || {
            let shared = Arc::new((parking_lot::Mutex::new(0u64), parking_lot::RwLock::new(0u64)));
            let adders = (0..16).map(|_| {
                let shared = Arc::clone(&shared);
                spawn(move || {
                    for turn in 0..2000 {
                        *shared.0.lock() += 1;
                        *shared.1.write() += 1;
                        if turn % 100 == 0 {
                            std::thread::sleep(Duration::from_micros(50));
                        }
                    }
                })
            });
            join_all(adders.collect::<Vec<_>>());
            assert_eq!((*shared.0.lock(), *shared.1.read()), (32_000, 32_000));
        });
    });
    outcome.works();
}

#[test]
fn rayon_computes_for_many_green_threads_of_one_worker() {
    let test = "must_block::rayon_computes_for_many_green_threads_of_one_worker";
    let outcome = in_child(test, || {
        use rayon::prelude::*;
        for workers in [1, 2] {
            on(workers, || {
                static DONE: AtomicU64 = AtomicU64::new(0);
                // It waits for its pool by a latch in a thread-local, which neighbours must not share: `blocking` gives each an OS
                // thread.
                let sums = (0..20u64).map(|own| {
                    spawn(move || {
                        for turn in 0..20 {
                            let (sum, (a, b)) = greenthread::blocking(move || {
                                let sum: u64 = (0..2000u64).into_par_iter().map(|x| x * own).sum();
                                (sum, rayon::join(|| own + turn, || vec![own; 100].len()))
                            });
                            assert_eq!((sum, a, b), (1_999_000 * own, own + turn, 100));
                            DONE.fetch_add(1, Ordering::Relaxed);
                            if turn % 5 == 0 {
                                std::thread::sleep(Duration::from_micros(100));
                            }
                        }
                    })
                });
                join_all(sums.collect::<Vec<_>>());
                assert_eq!(DONE.swap(0, Ordering::Relaxed), 400);
            });
        }
    });
    outcome.works();
}

#[test]
fn a_job_of_rayons_that_waits_for_a_neighbour_blocks_the_worker_and_tells() {
    let shared = Arc::new((std::sync::Mutex::new(false), std::sync::Condvar::new()));
    let own = Arc::clone(&shared);
    let outcome = two(
        "must_block::a_job_of_rayons_that_waits_for_a_neighbour_blocks_the_worker_and_tells",
        1,
        move || {
            rayon::join(
                || {
                    let set = own.0.lock().unwrap();
                    drop(own.1.wait_while(set, |set| !*set).unwrap());
                },
                || (),
            );
        },
        move || {
            *shared.0.lock().unwrap() = true;
            shared.1.notify_all();
        },
    );
    outcome.hangs_and_tells("in a lock that lies in a thread-local, as rayon's do");
}
