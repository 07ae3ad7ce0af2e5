//! What of std's and of the C library's is bound to its OS thread and so cannot suspend: it works where that is possible, and else
//! the user is told. Nothing spins.

use crate::children::{
    PARK, a_receive_blocks_its_worker_and_tells, in_child, in_child_with,
    receives_work_between_two_workers,
};
use crate::{join_all, on};
use greenthread::{Builder, spawn};
use std::sync::mpsc;
use std::time::Duration;

#[test]
fn a_channel_of_std_blocks_its_worker_and_tells() {
    let (sender, receiver) = mpsc::channel();
    a_receive_blocks_its_worker_and_tells(
        "must_block::a_channel_of_std_blocks_its_worker_and_tells",
        move || receiver.recv().unwrap(),
        move |number| sender.send(number).unwrap(),
    );
}

#[test]
fn a_channel_of_std_works_between_two_workers() {
    let (sender, receiver) = mpsc::sync_channel(0);
    receives_work_between_two_workers(
        "must_block::a_channel_of_std_works_between_two_workers",
        move || receiver.recv().unwrap(),
        move |number| sender.send(number).unwrap(),
    );
}

#[test]
fn park_of_std_blocks_its_worker_and_tells() {
    let test = "must_block::park_of_std_blocks_its_worker_and_tells";
    let outcome = in_child(test, || {
        on(1, || {
            // Two of one worker: the second finds the state of the first.
            join_all([spawn(std::thread::park), spawn(std::thread::park)]);
        });
    });
    outcome.hangs_and_tells(PARK);
}

#[test]
fn a_scope_of_std_waits_for_its_threads() {
    let test = "must_block::a_scope_of_std_waits_for_its_threads";
    let outcome = in_child(test, || {
        for workers in [1, 2] {
            on(workers, || {
                let scopes = (0..4).map(|_| {
                    spawn(|| {
                        let mut sums = [0; 3];
                        std::thread::scope(|scope| {
                            for sum in &mut sums {
                                scope.spawn(|| {
                                    std::thread::sleep(Duration::from_millis(5));
                                    *sum = 1;
                                });
                            }
                        });
                        sums.iter().sum::<i32>()
                    })
                });
                assert_eq!(join_all(scopes.collect::<Vec<_>>()), [3; 4]);
            });
        }
    });
    outcome.works();
}

#[test]
fn a_foreign_mutex_that_a_neighbour_holds_is_told_of() {
    struct Foreign(std::cell::UnsafeCell<libc::pthread_mutex_t>);
    // SAFETY: a lock of the C library's, for all threads.
    unsafe impl Sync for Foreign {}
    static FOREIGN: Foreign = Foreign(std::cell::UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
    let test = "must_block::a_foreign_mutex_that_a_neighbour_holds_is_told_of";
    let patience = [("GREENTHREAD_WATCHDOG_MS", "300")];
    let outcome = in_child_with(&[], &patience, test, || {
        on(1, || {
            let lock = |held: Duration| {
                // SAFETY: locked and unlocked by the same OS thread.
                unsafe {
                    libc::pthread_mutex_lock(FOREIGN.0.get());
                    std::thread::sleep(held);
                    libc::pthread_mutex_unlock(FOREIGN.0.get());
                }
            };
            let holder = spawn(move || lock(Duration::from_millis(100)));
            let wants = Builder::new().name("wants it".into()).spawn(move || lock(Duration::ZERO));
            holder.join().unwrap();
            wants.unwrap().join().unwrap();
        });
    });
    outcome.hangs_and_tells("green thread 'wants it' has kept worker 'greenthread-0'");
}
