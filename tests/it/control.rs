//! Parking, killing, timeouts and shields.

use greenthread::greenlet::Greenlet;
use greenthread::thread::{self, park, park_timeout};
use greenthread::{JoinHandle, Runtime, shield, sleep, spawn, timeout, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(5);

struct CountDrop(Arc<AtomicUsize>);

impl Drop for CountDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs on a current-thread runtime, where the order of things is fixed.
fn alone<T: 'static>(body: impl FnOnce() -> T + 'static) -> T {
    Runtime::new_current_thread().unwrap().run_local(body).unwrap()
}

#[test]
fn unpark_before_and_after_park() {
    let early = spawn(|| {
        thread::current().unpark();
        park();
    });
    early.join().unwrap();
    let late = spawn(park);
    sleep(SHORT);
    late.thread().unpark();
    late.join().unwrap();
    // On an OS thread too, and two unparks are one permit.
    let me = thread::current();
    me.unpark();
    me.unpark();
    park();
    let before = Instant::now();
    park_timeout(SHORT);
    assert!(before.elapsed() >= SHORT);
}

#[test]
fn park_is_not_ended_by_other_wake_ups() {
    alone(|| {
        let parked = spawn(|| {
            spawn(|| ()).join().unwrap();
            park();
            "unparked"
        });
        for _ in 0..10 {
            yield_now();
        }
        assert!(!parked.is_finished());
        parked.thread().unpark();
        assert_eq!(parked.join().unwrap(), "unparked");
    });
}

/// What woke one is spent.
#[test]
fn each_park_needs_an_unpark_of_its_own() {
    alone(|| {
        let parks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&parks);
        let parked = spawn(move || {
            loop {
                park();
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        for expected in 1..=5 {
            yield_now();
            parked.thread().unpark();
            (0..5).for_each(|_| yield_now());
            assert_eq!(parks.load(Ordering::SeqCst), expected);
        }
        // Before the park: many are one.
        (0..3).for_each(|_| parked.thread().unpark());
        (0..5).for_each(|_| yield_now());
        assert_eq!(parks.load(Ordering::SeqCst), 6);
        parked.kill();
    });
}

#[test]
fn park_and_unpark_race_without_loss() {
    for workers in [1, 2, 8] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        runtime
            .run(|| {
                let count = Arc::new(AtomicUsize::new(0));
                let seen = Arc::clone(&count);
                let parked = spawn(move || {
                    while seen.load(Ordering::SeqCst) < 5000 {
                        park();
                    }
                });
                for _ in 0..5000 {
                    count.fetch_add(1, Ordering::SeqCst);
                    parked.thread().unpark();
                    yield_now();
                }
                parked.join().unwrap();
            })
            .unwrap();
    }
}

#[test]
fn kill_before_start_never_runs() {
    alone(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let held = CountDrop(Arc::clone(&dropped));
        let handle: JoinHandle<()> = spawn(move || {
            let _held = held;
            unreachable!("killed before it began");
        });
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn kill_unwinds_what_waits_and_runs_destructors_that_wait() {
    struct SlowDrop(Arc<AtomicUsize>);
    impl Drop for SlowDrop {
        fn drop(&mut self) {
            sleep(SHORT);
            let child = spawn(|| 1);
            self.0.fetch_add(child.join().unwrap(), Ordering::SeqCst);
        }
    }
    for wait in [(|| sleep(LONG)) as fn(), park, || spawn(park).join().unwrap()] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let held = SlowDrop(Arc::clone(&dropped));
        let handle = spawn(move || {
            let _held = held;
            wait();
        });
        sleep(SHORT);
        handle.kill();
        let error = handle.join().unwrap_err();
        assert!(error.is_killed() && !error.is_panic());
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn a_killed_runner_ends_at_its_next_yield() {
    alone(|| {
        let handle = spawn(|| {
            loop {
                yield_now();
            }
        });
        yield_now();
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
    });
}

#[test]
fn a_swallowed_kill_that_returns_a_value_counts_as_that_value() {
    alone(|| {
        let handle = spawn(|| {
            let caught = catch_unwind(AssertUnwindSafe(|| sleep(LONG)));
            assert!(caught.is_err());
            7
        });
        yield_now();
        handle.kill();
        assert_eq!(handle.join().unwrap(), 7);
    });
}

#[test]
fn a_swallowed_kill_is_raised_again_and_others_run_in_between() {
    alone(|| {
        let rounds = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rounds);
        let handle = spawn(move || {
            for _ in 0..100 {
                let _ = catch_unwind(AssertUnwindSafe(|| sleep(LONG)));
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        yield_now();
        handle.kill();
        for _ in 0..20 {
            yield_now();
        }
        assert!(rounds.load(Ordering::SeqCst) >= 2, "raised more than once");
        assert!(!handle.is_finished(), "and not in one go");
        handle.join().unwrap();
        assert_eq!(rounds.load(Ordering::SeqCst), 100);
    });
}

#[test]
fn a_kill_during_unwinding_waits_and_does_not_abort() {
    struct WaitInDrop;
    impl Drop for WaitInDrop {
        fn drop(&mut self) {
            for _ in 0..10 {
                yield_now();
                sleep(Duration::from_millis(1));
            }
        }
    }
    alone(|| {
        let handle = spawn(|| {
            let _wait = WaitInDrop;
            panic!("first");
        });
        yield_now();
        handle.kill();
        assert!(handle.join().unwrap_err().is_panic());
    });
}

#[test]
fn a_neighbour_that_unwinds_keeps_no_kill_and_no_timeout_from_others() {
    struct ParkInDrop;
    impl Drop for ParkInDrop {
        fn drop(&mut self) {
            park();
        }
    }
    alone(|| {
        let neighbour = spawn(|| {
            let _park = ParkInDrop;
            panic!("a neighbour's");
        });
        yield_now();
        assert!(!thread::panicking(), "the neighbour's is its own");
        assert!(timeout(SHORT, || sleep(LONG)).is_err());
        assert!(
            timeout(Duration::ZERO, || {
                yield_now();
            })
            .is_err()
        );
        let killed = spawn(|| sleep(LONG));
        yield_now();
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        // One that unwinds itself is still not interrupted inside its destructors.
        let own = spawn(|| {
            let _park = ParkInDrop;
            panic!("its own");
        });
        yield_now();
        own.kill();
        yield_now();
        assert!(!own.is_finished());
        own.thread().unpark();
        assert!(own.join().unwrap_err().is_panic());
        neighbour.thread().unpark();
        assert!(neighbour.join().unwrap_err().is_panic());
        assert!(!thread::panicking());
    });
}

#[test]
fn killing_the_finished_does_nothing() {
    let handle = spawn(|| 3);
    while !handle.is_finished() {
        yield_now();
    }
    handle.kill();
    assert_eq!(handle.join().unwrap(), 3);
}

#[test]
fn join_timeout_gives_the_handle_back() {
    let handle = spawn(|| {
        park();
        "value"
    });
    let handle = handle.join_timeout(SHORT).unwrap_err();
    handle.thread().unpark();
    assert_eq!(handle.join_timeout(LONG).unwrap().unwrap(), "value");
}

#[test]
fn timeouts_end_waits_of_every_kind() {
    fn each(wait: impl Fn() + Send + Sync + 'static) {
        assert!(timeout(SHORT, &wait).is_err(), "on an OS thread");
        spawn(move || assert!(timeout(SHORT, &wait).is_err())).join().unwrap();
    }
    each(|| sleep(LONG));
    each(park);
    each(|| {
        let _ = spawn(park).join();
    });
    each(|| {
        let listener = greenthread::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _ = timeout(LONG, || spawn(move || listener.accept().map(|_| ())).join());
    });
}

#[test]
fn work_that_ends_in_time_is_not_cut_down_late() {
    alone(|| {
        let value = timeout(SHORT, || {
            std::thread::sleep(SHORT * 2);
            "late but done"
        });
        assert_eq!(value, Ok("late but done"));
        for _ in 0..5 {
            sleep(Duration::from_millis(2));
        }
    });
}

#[test]
fn an_inner_timeout_never_swallows_an_outer_one() {
    alone(|| {
        let outer = timeout(SHORT, || {
            let inner = timeout(LONG, || sleep(LONG));
            unreachable!("the inner one has time left: {inner:?}");
        });
        assert!(outer.is_err());
        let outer = timeout(LONG, || timeout(SHORT, || sleep(LONG)));
        assert!(outer.unwrap().is_err());
        // The outer one expires while the inner one's body unwinds.
        let outer = timeout(SHORT, || {
            let _ = timeout(Duration::from_millis(1), || {
                shield(|| sleep(SHORT * 2));
                sleep(LONG);
            });
            sleep(LONG);
        });
        assert!(outer.is_err());
    });
}

#[test]
fn a_timeout_of_zero_ends_the_first_wait_and_a_huge_one_none() {
    alone(|| {
        let mut began = false;
        assert!(
            timeout(Duration::ZERO, || {
                began = true;
                yield_now();
                unreachable!();
            })
            .is_err()
        );
        assert!(began);
        assert_eq!(timeout(Duration::MAX, || 1), Ok(1));
        assert_eq!(timeout(Duration::ZERO, || "no wait"), Ok("no wait"));
    });
}

#[test]
fn an_own_deadline_is_told_from_a_timeout() {
    alone(|| {
        let result = timeout(LONG, || {
            park_timeout(SHORT);
            spawn(park).join_timeout(SHORT).unwrap_err()
        });
        result.unwrap().kill();
    });
}

#[test]
fn a_panic_passes_through_a_timeout() {
    let result = spawn(|| timeout(LONG, || -> () { panic!("inside") })).join();
    assert!(result.unwrap_err().is_panic());
}

#[test]
fn a_shield_defers_a_kill() {
    alone(|| {
        let done = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&done);
        let handle = spawn(move || {
            shield(|| {
                sleep(SHORT);
                counted.fetch_add(1, Ordering::SeqCst);
            });
            sleep(LONG);
            unreachable!();
        });
        yield_now();
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(done.load(Ordering::SeqCst), 1);
    });
}

/// Kills and timeouts alike strike after the outermost shield, however many there are, and whichever way it is left.
#[test]
fn shields_may_be_nested_and_defer_timeouts_too() {
    fn shielded(steps: &AtomicUsize) {
        shield(|| {
            let step = || steps.fetch_add(1, Ordering::SeqCst);
            shield(|| {
                sleep(SHORT * 2);
                step();
            });
            // Left by a panic, one shields no more, but the outer one does.
            let caught = greenthread::catch_unwind(|| shield(|| panic!("out of a shield")));
            assert!(caught.is_err());
            yield_now();
            step();
            sleep(SHORT);
            step();
            // Its time is over all the while.
            assert_eq!(timeout(Duration::ZERO, || sleep(SHORT)), Ok(()));
            step();
        });
        sleep(LONG);
        unreachable!("nothing is shielded any more");
    }
    alone(|| {
        let steps = AtomicUsize::new(0);
        assert!(timeout(SHORT, || shielded(&steps)).is_err());
        assert_eq!(steps.load(Ordering::SeqCst), 4);

        let steps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&steps);
        let handle = spawn(move || shielded(&counted));
        yield_now();
        handle.kill();
        assert!(handle.join().unwrap_err().is_killed());
        assert_eq!(steps.load(Ordering::SeqCst), 4);
        // An open shield of one is none of another.
        let (shielded, other) = (spawn(|| shield(park)), spawn(park));
        yield_now();
        shielded.kill();
        other.kill();
        assert!(other.join().unwrap_err().is_killed());
        assert!(!shielded.is_finished());
        shielded.thread().unpark();
        assert_eq!(shielded.join().unwrap(), ());
    });
    // On an OS thread as well.
    let steps = AtomicUsize::new(0);
    assert!(timeout(SHORT, || shielded(&steps)).is_err());
    assert_eq!(steps.load(Ordering::SeqCst), 4);
}

#[test]
fn a_generator_must_not_yield_out_of_a_timeout() {
    let mut generator = greenthread::generator::Generator::<u8>::new(|y| {
        let _ = timeout(LONG, || y.yield_(1));
    });
    let payload = catch_unwind(AssertUnwindSafe(|| generator.next())).unwrap_err();
    assert!(payload.downcast_ref::<String>().is_some() || payload.downcast_ref::<&str>().is_some());
}

#[test]
fn a_generator_must_not_yield_out_of_a_shield() {
    alone(|| {
        let shielded = spawn(|| {
            let mut generator = greenthread::generator::Generator::<u8>::new(|y| {
                shield(|| y.yield_(1));
            });
            let refused = catch_unwind(AssertUnwindSafe(|| generator.next()));
            std::mem::forget(generator);
            assert!(refused.is_err());
            park();
        });
        yield_now();
        // Nothing of the shield is left.
        shielded.kill();
        assert!(shielded.join().unwrap_err().is_killed());
    });
}

#[test]
fn locks_are_poisoned_by_own_panics_only() {
    use greenthread::sync::Mutex;
    struct ParkInDrop;
    impl Drop for ParkInDrop {
        fn drop(&mut self) {
            park();
        }
    }
    alone(|| {
        let neighbour = spawn(|| {
            let _park = ParkInDrop;
            panic!("a neighbour's");
        });
        yield_now();
        assert!(!thread::panicking());
        let lock = Arc::new(Mutex::new(0));
        // Neither what a neighbour does, nor a timeout, nor a kill.
        *lock.lock().unwrap() += 1;
        let held = Arc::clone(&lock);
        assert!(
            timeout(SHORT, || {
                let _guard = held.lock().unwrap();
                sleep(LONG);
            })
            .is_err()
        );
        let held = Arc::clone(&lock);
        let killed = spawn(move || {
            let _guard = held.lock().unwrap();
            sleep(LONG);
        });
        yield_now();
        killed.kill();
        assert!(killed.join().unwrap_err().is_killed());
        assert!(!lock.is_poisoned());
        // But a panic of one's own.
        let held = Arc::clone(&lock);
        let panicked = spawn(move || {
            let _guard = held.lock().unwrap();
            panic!("its own");
        });
        assert!(panicked.join().unwrap_err().is_panic());
        assert!(lock.is_poisoned());
        neighbour.thread().unpark();
        assert!(neighbour.join().unwrap_err().is_panic());
    });
}

/// Each is counted, so that nothing is switched out of one.
#[test]
fn more_timeouts_inside_one_another_than_can_be_counted_are_refused() {
    fn nested(depth: u32) {
        if depth > 0 {
            let _ = timeout(LONG, || nested(depth - 1));
        }
    }
    let deep = std::thread::Builder::new().stack_size(1 << 30).spawn(|| {
        let panic = catch_unwind(|| nested(70_000)).unwrap_err();
        let text = panic.downcast_ref::<&str>().copied().map(String::from);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap();
        assert!(text.contains("inside one another"), "{text}");
        // Those that were open have ended.
        assert_eq!(timeout(LONG, || 1), Ok(1));
        assert_eq!(Greenlet::new(|value: i32| value + 1).switch(1).unwrap(), 2);
    });
    deep.unwrap().join().unwrap();
}
