use super::{eventually, runtime};
use crate::support::everywhere;
use greenthread::sync::{Arc, Condvar, Event, LazyLock, Once, OnceLock};
use greenthread::{sleep, spawn, timeout, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn runs_once_however_many_come() {
    let runtime = runtime(2);
    let (once, runs) = (Arc::new(Once::new()), Arc::new(AtomicUsize::new(0)));
    let handles: Vec<_> = (0..10)
        .map(|_| {
            let (once, runs) = (Arc::clone(&once), Arc::clone(&runs));
            runtime.spawn(move || {
                once.call_once(|| {
                    yield_now();
                    runs.fetch_add(1, Ordering::SeqCst);
                });
                assert_eq!(runs.load(Ordering::SeqCst), 1);
            })
        })
        .collect();
    once.wait();
    for handle in handles {
        handle.join().unwrap();
    }
}

#[test]
fn a_panic_poisons_until_forced() {
    let once = Once::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| once.call_once(|| panic!("on purpose"))));
    assert!(panicked.is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| once.call_once(|| ()))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| once.wait())).is_err());
    once.call_once_force(|state| assert!(state.is_poisoned()));
    assert!(once.is_completed());
    once.call_once(|| unreachable!());
}

#[test]
fn a_kill_resets() {
    let doomed = runtime(1);
    let (once, cell) = (Arc::new(Once::new()), Arc::new(OnceLock::new()));
    let started = Arc::new(AtomicBool::new(false));
    {
        let (once, started) = (Arc::clone(&once), Arc::clone(&started));
        let cell = Arc::clone(&cell);
        doomed.spawn(move || {
            once.call_once(|| {
                cell.get_or_init(|| {
                    started.store(true, Ordering::SeqCst);
                    sleep(Duration::MAX);
                    1
                });
            });
        });
    }
    eventually(|| started.load(Ordering::SeqCst));
    let waiter = {
        let cell = Arc::clone(&cell);
        spawn(move || *cell.get_or_init(|| 2))
    };
    drop(doomed);
    assert_eq!(waiter.join().unwrap(), 2);
    let mut ran = false;
    once.call_once(|| ran = true);
    assert!(ran);
}

#[test]
fn a_timeout_resets() {
    for workers in [1, 2] {
        runtime(workers)
            .run(|| {
                let (once, cell) = (Once::new(), OnceLock::new());
                let limit = Duration::from_millis(1);
                assert!(timeout(limit, || once.call_once(|| sleep(Duration::MAX))).is_err());
                let never = || {
                    sleep(Duration::MAX);
                    1
                };
                assert!(timeout(limit, || *cell.get_or_init(never)).is_err());
                let mut poisoned = true;
                once.call_once_force(|state| poisoned = state.is_poisoned());
                assert!(!poisoned && once.is_completed());
                assert_eq!(*cell.get_or_init(|| 2), 2);
            })
            .unwrap();
    }
}

#[test]
fn a_lazy_lock_is_made_in_spite_of_kills_and_timeouts() {
    for workers in [1, 2] {
        runtime(workers)
            .run(|| {
                let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
                let (begins, made) = (Arc::clone(&begun), Arc::clone(&go));
                let lazy = Arc::new(LazyLock::new(move || {
                    begins.set();
                    made.wait();
                    7
                }));
                let (one, two) = (Arc::clone(&lazy), Arc::clone(&lazy));
                let maker = spawn(move || {
                    let _ = timeout(Duration::from_millis(1), || **one == 7);
                    sleep(Duration::MAX);
                });
                begun.wait();
                let waiter = spawn(move || **two);
                sleep(Duration::from_millis(5));
                maker.kill();
                yield_now();
                assert!(!maker.is_finished(), "it is making the value");
                go.set();
                assert_eq!(waiter.join().unwrap(), 7);
                assert!(maker.join().unwrap_err().is_killed());
                assert_eq!(**lazy, 7);
            })
            .unwrap();
    }
}

#[test]
fn once_lock_and_lazy_lock() {
    let cell = OnceLock::new();
    assert!(catch_unwind(AssertUnwindSafe(|| cell.get_or_init(|| panic!("on purpose")))).is_err());
    assert_eq!(cell.get(), None);
    assert_eq!((cell.set(1), cell.set(2), cell.get()), (Ok(()), Err(2), Some(&1)));
    let mut copy = cell.clone();
    assert_eq!((copy == cell, copy.take(), copy.get()), (true, Some(1), None));
    assert_eq!(format!("{cell:?} {copy:?}"), "OnceLock(1) OnceLock(<uninit>)");

    static LAZY: LazyLock<usize> = LazyLock::new(|| {
        yield_now();
        7
    });
    let handles: Vec<_> = (0..5).map(|_| spawn(|| *LAZY)).collect();
    assert!(handles.into_iter().all(|handle| handle.join().unwrap() == 7));
    let bad: LazyLock<u8> = LazyLock::new(|| panic!("on purpose"));
    for _ in 0..2 {
        assert!(catch_unwind(AssertUnwindSafe(|| *bad)).is_err());
    }
    let waiter = Arc::new(OnceLock::new());
    let other = Arc::clone(&waiter);
    let handle = spawn(move || *other.wait());
    waiter.set(3).unwrap();
    assert_eq!(handle.join().unwrap(), 3);
}

#[test]
fn a_lazy_value_can_be_looked_at_and_changed() {
    let mut lazy = LazyLock::new(|| String::from("made"));
    assert!(LazyLock::get(&lazy).is_none() && LazyLock::get_mut(&mut lazy).is_none());
    lazy.push('!');
    assert_eq!(LazyLock::get(&lazy).map(String::as_str), Some("made!"));
    LazyLock::force_mut(&mut lazy).clear();
    assert_eq!(LazyLock::get_mut(&mut lazy).map(|text| text.len()), Some(0));

    let mut poisoned = LazyLock::<u8>::new(|| panic!("in vain"));
    let mut force = || catch_unwind(AssertUnwindSafe(|| *LazyLock::force_mut(&mut poisoned)));
    assert_eq!(force().unwrap_err().downcast_ref::<&str>(), Some(&"in vain"));
    let again = force().unwrap_err();
    let text = "LazyLock instance has previously been poisoned";
    assert!(again.downcast_ref::<String>().is_some_and(|found| found == text), "{again:?}");
    assert_eq!(LazyLock::get_mut(&mut poisoned), None);
    assert_eq!(LazyLock::get(&poisoned), None);
}

#[test]
fn what_they_show_is_what_stds_show() {
    assert_eq!(format!("{:?}", Once::new()), format!("{:?}", std::sync::Once::new()));
    let (ours, theirs) = (Condvar::new(), std::sync::Condvar::new());
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
}

/// `wait` panics where the closure did; `wait_force` goes on waiting until another has been through.
#[test]
fn a_forced_wait_outlasts_a_panic() {
    everywhere(|| {
        let once = Arc::new(Once::new());
        let fails = || once.call_once(|| panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(fails)).is_err());
        let (forced, began) = (Arc::clone(&once), Arc::new(AtomicBool::new(false)));
        let begins = Arc::clone(&began);
        let waiter = spawn(move || {
            begins.store(true, Ordering::SeqCst);
            forced.wait_force();
            forced.is_completed()
        });
        eventually(|| began.load(Ordering::SeqCst));
        for _ in 0..3 {
            sleep(Duration::from_millis(1));
            assert!(!waiter.is_finished());
        }
        once.call_once_force(|state| assert!(state.is_poisoned()));
        assert!(waiter.join().unwrap());
        once.wait();
    });
}

#[test]
fn a_lazy_lock_can_be_forced() {
    let lazy = LazyLock::new(|| 5);
    assert_eq!(format!("{lazy:?}"), "LazyLock(<uninit>)");
    assert_eq!(LazyLock::force(&lazy), &5);
    assert_eq!(format!("{lazy:?}"), "LazyLock(5)");
}
