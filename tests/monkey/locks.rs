//! std's locks between green threads of one worker, of two, and with OS threads.

use crate::{join_all, on, until_waits_exceed, waits};
use greenthread::spawn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, RwLock};
use std::time::Duration;

/// Lets the others of the worker run, with everything held that is held.
fn pause() {
    std::thread::sleep(Duration::from_millis(1));
}

#[test]
fn a_mutex_held_over_a_wait_suspends_who_wants_it() {
    for workers in [1, 2] {
        on(workers, || {
            let sum = Arc::new(Mutex::new(0));
            let adders = (0..50).map(|_| {
                let sum = Arc::clone(&sum);
                spawn(move || {
                    let mut sum = sum.lock().unwrap();
                    let before = *sum;
                    pause();
                    *sum = before + 1;
                })
            });
            let adders: Vec<_> = adders.collect();
            let beside = Arc::clone(&sum);
            let thread = std::thread::spawn(move || {
                for _ in 0..20 {
                    let mut sum = beside.lock().unwrap();
                    let before = *sum;
                    std::thread::sleep(Duration::from_millis(1));
                    *sum = before + 1;
                }
            });
            join_all(adders);
            thread.join().unwrap();
            assert_eq!(*sum.lock().unwrap(), 70);
        });
    }
}

#[test]
fn readers_and_writers() {
    for workers in [1, 2] {
        on(workers, || {
            let lock = Arc::new(RwLock::new((0, 0)));
            let all = (0..60).map(|number| {
                let lock = Arc::clone(&lock);
                spawn(move || {
                    if number % 3 == 0 {
                        let mut pair = lock.write().unwrap();
                        pair.0 += 1;
                        pause();
                        pair.1 += 1;
                    } else {
                        let pair = lock.read().unwrap();
                        let before = *pair;
                        pause();
                        assert_eq!((pair.0, *pair), (pair.1, before));
                    }
                })
            });
            join_all(all.collect::<Vec<_>>());
            assert_eq!(*lock.read().unwrap(), (20, 20));
        });
    }
}

#[test]
fn a_condition_is_waited_for_and_times_out() {
    for workers in [1, 2] {
        on(workers, || {
            let shared = Arc::new((Mutex::new(0), Condvar::new()));
            let waiters = (0..20).map(|_| {
                let shared = Arc::clone(&shared);
                spawn(move || {
                    let (count, changed) = &*shared;
                    let mut count =
                        changed.wait_while(count.lock().unwrap(), |count| *count == 0).unwrap();
                    *count -= 1;
                })
            });
            let waiters: Vec<_> = waiters.collect();
            let (count, changed) = &*shared;
            for _ in 0..10 {
                pause();
                *count.lock().unwrap() += 1;
                changed.notify_one();
            }
            *count.lock().unwrap() += 10;
            changed.notify_all();
            join_all(waiters);
            let guard = count.lock().unwrap();
            assert_eq!(*guard, 0);
            let (_guard, result) = changed.wait_timeout(guard, Duration::from_millis(5)).unwrap();
            assert!(result.timed_out());
        });
    }
}

#[test]
fn what_is_made_once_is_made_once() {
    for workers in [1, 2] {
        on(workers, || {
            let lazy: LazyLock<u32> = LazyLock::new(|| {
                pause();
                9
            });
            let shared = Arc::new((Once::new(), OnceLock::new(), lazy));
            let all = (0..20u32).map(|number| {
                let shared = Arc::clone(&shared);
                spawn(move || {
                    shared.0.call_once(pause);
                    let cell = *shared.1.get_or_init(|| {
                        pause();
                        number
                    });
                    (cell, *shared.2)
                })
            });
            let all = join_all(all.collect::<Vec<_>>());
            assert!(all.iter().all(|both| *both == (all[0].0, 9)));
        });
    }
}

#[test]
fn a_barrier_of_std_gathers_green_threads() {
    for workers in [1, 2] {
        on(workers, || {
            let barrier = Arc::new(Barrier::new(10));
            let all = (0..10).map(|_| {
                let barrier = Arc::clone(&barrier);
                spawn(move || (0..5).filter(|_| barrier.wait().is_leader()).count())
            });
            assert_eq!(join_all(all.collect::<Vec<_>>()).iter().sum::<usize>(), 5);
        });
    }
}

#[test]
fn a_lock_of_std_ends_no_kill_and_the_kill_strikes_later() {
    on(1, || {
        let lock = Arc::new(Mutex::new(()));
        let guard = lock.lock().unwrap();
        let own = Arc::clone(&lock);
        let wants = spawn(move || {
            drop(own.lock().unwrap());
            greenthread::yield_now();
            unreachable!("killed at the first wait of greenthread's");
        });
        pause();
        wants.kill();
        pause();
        assert!(!wants.is_finished(), "the lock is waited for");
        drop(guard);
        assert!(wants.join().unwrap_err().is_killed());
        assert!(!lock.is_poisoned());
    });
}

#[test]
fn a_runtime_without_threads_of_its_own_waits_for_locks_of_os_threads() {
    // So that it is patched, and runs beside no other test.
    on(1, || {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let own = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for turn in 1..=10 {
                let count = own.0.lock().unwrap();
                let mut count = own.1.wait_while(count, |count| *count < turn * 2 - 1).unwrap();
                *count += 1;
                own.1.notify_all();
            }
        });
        let other = std::thread::spawn(move || {
            let runtime = greenthread::Runtime::new_current_thread().unwrap();
            runtime.run(move || {
                for turn in 1..=10 {
                    let mut count = shared.0.lock().unwrap();
                    *count += 1;
                    shared.1.notify_all();
                    // Nobody else of this runtime is there who could end the wait.
                    drop(shared.1.wait_while(count, |count| *count < turn * 2).unwrap());
                }
            })
        });
        other.join().unwrap().unwrap();
        thread.join().unwrap();
    });
}

/// Takes a lock when it is dropped, and tells that it is about to.
struct TakesAtItsEnd(Arc<Mutex<u32>>, Arc<AtomicBool>);

impl Drop for TakesAtItsEnd {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
        *self.0.lock().unwrap() += 1;
    }
}

#[test]
fn a_wake_up_is_not_lost_on_a_worker_that_waits_in_the_kernel() {
    on(1, || {
        for _ in 0..5 {
            let lock = Arc::new(Mutex::new(0));
            let begins = Arc::new(AtomicBool::new(false));
            let (held, holds) = std::sync::mpsc::channel();
            let (own, begun) = (Arc::clone(&lock), Arc::clone(&begins));
            let holder = std::thread::spawn(move || {
                let guard = own.lock().unwrap();
                held.send(()).unwrap();
                while !begun.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(Duration::from_millis(5));
                drop(guard);
            });
            holds.recv().unwrap();
            // Waits suspended, and is the first to be woken.
            let before = waits("syscall");
            let own = Arc::clone(&lock);
            let suspended = spawn(move || *own.lock().unwrap() += 1);
            until_waits_exceed("syscall", before);
            // Unwinds, and so holds the worker while it waits.
            let last = TakesAtItsEnd(Arc::clone(&lock), begins);
            let unwinds = spawn(move || {
                let _last = last;
                std::panic::resume_unwind(Box::new("as planned"));
            });
            assert!(unwinds.join().is_err());
            suspended.join().unwrap();
            holder.join().unwrap();
            assert_eq!(*lock.lock().unwrap(), 2);
        }
    });
}

#[test]
fn a_wake_up_is_not_lost_to_a_green_thread_that_was_given_up() {
    on(1, || {
        let outcome = std::thread::spawn(|| {
            let lock = Arc::new(Mutex::new(0));
            let runtime = greenthread::Runtime::builder().workers(1).build().unwrap();
            let guard = lock.lock().unwrap();
            let before = waits("syscall");
            let own = Arc::clone(&lock);
            let given_up = runtime.spawn(move || *own.lock().unwrap() += 1);
            while waits("syscall") == before {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(runtime.shutdown(Duration::from_millis(20)).is_err());
            let own = Arc::clone(&lock);
            let thread = std::thread::spawn(move || *own.lock().unwrap() += 1);
            std::thread::sleep(Duration::from_millis(5));
            drop(guard);
            thread.join().unwrap();
            assert!(given_up.join().unwrap_err().is_killed());
            assert_eq!(*lock.lock().unwrap(), 1);
        });
        outcome.join().unwrap();
    });
}
