//! Green threads that start later.

use crate::support::{FOR_EVER, LIMIT, OnDrop, on_all_runtimes, until, within_limit, workers};
use greenthread::thread::{spawn_at, spawn_later};
use greenthread::{Builder, Runtime, current, sleep, spawn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[test]
fn not_before_its_time() {
    on_all_runtimes(|| {
        let before = Instant::now();
        let delay = Duration::from_millis(5);
        let later = spawn_later(delay, move || before.elapsed());
        let at = spawn_at(before + delay, move || before.elapsed());
        assert!(later.join().unwrap() >= delay && at.join().unwrap() >= delay);
        assert_eq!(spawn_at(before, || "past").join().unwrap(), "past");
        assert_eq!(spawn_later(Duration::ZERO, || "now").join().unwrap(), "now");
        let named = Builder::new().name("later".into()).label("key", "value");
        let named = named.spawn_later(Duration::from_millis(1), || {
            (current().name().map(str::to_string), current().label("key").map(str::to_string))
        });
        let seen = named.unwrap().join().unwrap();
        assert_eq!(seen, (Some("later".into()), Some("value".into())));
    });
    // From an OS thread, on the global runtime.
    assert_eq!(spawn_later(Duration::from_millis(1), || 7).join().unwrap(), 7);
}

#[test]
fn in_order_of_time_and_of_spawning() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let main = move || {
        let at = Instant::now() + Duration::from_millis(20);
        for i in 0..20 {
            let order = Arc::clone(&seen);
            let at = if i < 10 { at + Duration::from_millis(20) } else { at };
            spawn_at(at, move || order.lock().unwrap().push(i));
        }
    };
    // `run` waits for them.
    Runtime::new_current_thread().unwrap().run_local(main).unwrap();
    let expected: Vec<_> = (10..20).chain(0..10).collect();
    assert_eq!(*order.lock().unwrap(), expected);
}

#[test]
fn late_ones_start_in_the_order_of_their_times() {
    let main = || {
        let order = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now() + Duration::from_millis(500);
        for i in (0..5).rev() {
            let order = Arc::clone(&order);
            let at = start + Duration::from_millis(i * 10);
            spawn_at(at, move || order.lock().unwrap().push(i));
        }
        std::thread::sleep(Duration::from_millis(600));
        until(|| order.lock().unwrap().len() == 5);
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    };
    Runtime::new_current_thread().unwrap().run_local(main).unwrap();
    workers(1).run(main).unwrap();
}

#[test]
fn what_a_dying_one_spawns_for_later_ends_with_the_runtime() {
    within_limit(|| {
        let later = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&later);
        let begun = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&begun);
        let straggler = move || {
            set.store(true, Ordering::SeqCst);
            let _guard = OnDrop(move || {
                *kept.lock().unwrap() = Some(spawn_later(FOR_EVER, || ()));
                sleep(Duration::from_millis(1));
            });
            sleep(FOR_EVER);
        };
        let runtime = Runtime::new_current_thread().unwrap();
        // Nobody waits for it: it is killed at the end.
        runtime.spawn(straggler);
        runtime.run_local(move || until(|| begun.load(Ordering::SeqCst))).unwrap();
        let later = later.lock().unwrap().take().unwrap();
        assert!(later.join().unwrap_err().is_killed());
    });
}

#[test]
fn killed_before_it_never_runs_and_ends_at_once() {
    on_all_runtimes(|| {
        let dropped = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&dropped);
        let guard = OnDrop(move || {
            // In a green thread of its own.
            assert!(current().is_green());
            sleep(Duration::from_millis(1));
            set.store(true, Ordering::SeqCst);
        });
        let never = spawn_later(FOR_EVER, move || {
            let _guard = guard;
            unreachable!("it was killed");
        });
        let at_all = spawn_later(Duration::MAX, || ());
        sleep(Duration::from_millis(1));
        assert!(!never.is_finished());
        assert!(never.kill_and_wait(LIMIT) && dropped.load(Ordering::SeqCst));
        assert!(never.join().unwrap_err().is_killed());
        // At once, before any worker has seen it.
        let never = spawn_later(FOR_EVER, || ());
        never.kill();
        assert!(never.join().unwrap_err().is_killed());
        assert!(at_all.kill_and_wait(LIMIT));
    });
}

#[test]
fn many_wait_without_stacks_and_end_with_their_runtime() {
    within_limit(|| {
        for count in [1, 2] {
            let runtime = workers(count);
            let alive = Arc::new(());
            let handles: Vec<_> = (0..2000)
                .map(|i| {
                    let held = Arc::clone(&alive);
                    let delay = if i % 2 == 0 { FOR_EVER } else { Duration::from_millis(i % 50) };
                    let spawned = runtime.spawn(move || spawn_later(delay, move || drop(held)));
                    spawned.join().unwrap()
                })
                .collect();
            let (killed, rest): (Vec<_>, Vec<_>) =
                handles.into_iter().enumerate().partition(|(i, _)| i % 4 == 0);
            greenthread::thread::kill_all(killed.iter().map(|(_, handle)| handle));
            for (_, handle) in killed {
                assert!(handle.join().unwrap_err().is_killed());
            }
            for (_, handle) in rest.iter().filter(|(i, _)| i % 2 == 1) {
                until(|| handle.is_finished());
            }
            drop(runtime);
            for (i, handle) in rest {
                assert_eq!(handle.join().is_ok(), i % 2 == 1, "{i}");
            }
            assert_eq!(Arc::strong_count(&alive), 1);
        }
    });
}

#[test]
fn a_kill_races_with_the_start() {
    within_limit(|| {
        let runtime = workers(2);
        let ran = Arc::new(AtomicUsize::new(0));
        let killed = (0..2000)
            .filter(|&i| {
                let ran = Arc::clone(&ran);
                let spawned = runtime.spawn(move || {
                    spawn_later(Duration::from_micros(i % 300), move || {
                        ran.fetch_add(1, Ordering::SeqCst);
                    })
                });
                let handle = spawned.join().unwrap();
                handle.kill();
                handle.join().is_err_and(|error| error.is_killed())
            })
            .count();
        assert!(killed + ran.load(Ordering::SeqCst) >= 2000);
        assert_eq!(runtime.spawn(|| spawn(|| 3).join().unwrap()).join().unwrap(), 3);
    });
}
